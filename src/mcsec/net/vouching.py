"""Which names a certificate counts for: an authority may be believed for some names, and for no others.

Whoever issues the certificates of a partner would otherwise be believed for our own SIP core and our own users too.
"""

from __future__ import annotations

import _ssl
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mcsec.net.tls import TlsError


@dataclass(frozen=True, slots=True)
class Vouching:
    """What authorities are believed for.

    ``limited``: the names, lower case, that an authority may vouch for, by :func:`fingerprint`. Whoever is not in it
    may vouch for any name.
    """

    limited: Mapping[bytes, frozenset[str]] = field(default_factory=dict)

    def names(self, tls: ssl.SSLObject, claimed: frozenset[str]) -> frozenset[str]:
        """What is left of the names that the verified certificate of the other side claims."""
        if not self.limited or not claimed:
            return claimed
        chain = _verified_chain(tls)
        if not chain:
            # Who vouched is not known any more, in a session that was taken up again.
            return frozenset()
        for allowed in (self.limited.get(fingerprint(one)) for one in chain):
            if allowed is not None:
                claimed &= allowed
        return claimed


def fingerprint(certificate: bytes) -> bytes:
    """Names an authority. :param certificate: its certificate, DER."""
    return hashlib.sha256(certificate).digest()


def authorities(file: Path) -> frozenset[bytes]:
    """The authorities in a PEM file, by :func:`fingerprint`.

    :raises TlsError: it cannot be read.
    """
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsError(f"{file}: {error}") from None
    return frozenset(fingerprint(one.public_bytes(Encoding.DER)) for one in found)


def _verified_chain(tls: ssl.SSLObject) -> list[bytes]:
    """From the certificate of the other side to the authority that we believe, DER; empty: not known."""
    public = getattr(tls, "get_verified_chain", None)
    if public is not None:
        return list(public())
    # Before Python 3.13 the module that ssl is made of has it, and ssl does not.
    inner = getattr(tls, "_sslobj", None)
    return [one.public_bytes(_ssl.ENCODING_DER) for one in (inner and inner.get_verified_chain()) or ()]
