"""Bodies of messages to many clients, rendered from octets: what differs is put between what does not.

A template is made from the same codecs that write any other body (:mod:`mcsec.wire.mc_bodies`), taken apart once, and
proven by reading a rendered body back. Under a CSK the mcptt-info is encrypted and every XML part is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from mcsec.crypto.secret import Secret
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.wire import mc_bodies, mcptt_info, multipart, signed_bodies, xml
from mcsec.wire.multipart import Part
from mcsec.wire.xmlsec import XmlKeys

#: What stands in the parts of a prototype where the user's MC service ID and the I_MESSAGE belong.
USER = "sip:0d6c1d1c-user@prototype.invalid"
MESSAGE = b"\x01prototype-0d6c1d1c-message"
_NONCE_OCTETS = 12
_VALUE = re.compile(rb"<ds:SignatureValue>([^<]+)<")
_CIPHER = re.compile(rb"<xenc:CipherValue>([^<]+)<")

_Values = Mapping[str, bytes]


class _Pieces:
    """Octets with named gaps."""

    def __init__(self, octets: bytes, gaps: Mapping[str, bytes]) -> None:
        names = {value: name for name, value in gaps.items()}
        pattern = b"|".join(re.escape(value) for value in sorted(names, key=len, reverse=True))
        found = re.split(b"(" + pattern + b")", octets) if names else [octets]
        # Odd places hold what was split at.
        self._pieces = found
        self._gaps = [(place, names[found[place]]) for place in range(1, len(found), 2)]

    def fill(self, values: _Values) -> bytes:
        """The octets with the gaps filled."""
        pieces = self._pieces.copy()
        for place, name in self._gaps:
            pieces[place] = values[name]
        return b"".join(pieces)


class BodyTemplate:
    """One kind of message: multipart, its parts those of ``parts`` with :data:`USER` and :data:`MESSAGE` in them.

    :ivar content_type: of every body that is rendered.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        domain: str,
        boundary: str,
        written: Callable[[bytes], bytes] = lambda message: message,
    ) -> None:
        """:param domain: of the Content-IDs. :param written: how the I_MESSAGE stands in the body."""
        self._written = written
        self._delimiter = b"--" + boundary.encode()
        self.content_type, body = multipart.encode(parts, boundary=boundary)
        message = {"message": written(MESSAGE)}
        self._plain = _Pieces(body, {"user": escape(USER).encode()} | message)
        keys = XmlKeys.derive(Secret.random(16), KeyId.random(PurposeTag.CSK), USER)
        protected = mc_bodies.protect(parts, keys, domain)
        _, body = multipart.encode(protected, boundary=boundary)
        self._take_apart(protected, body, keys.name.encode(), message)
        self._prove(keys)

    def plain(self, user: str, message: bytes) -> bytes:
        """The body for a client without a CSK."""
        self._check(message)
        return self._plain.fill({"user": escape(user).encode(), "message": self._written(message)})

    def protected(self, user: str, message: bytes, keys: XmlKeys) -> bytes:
        """The body for a client, protected under the keys of its CSK."""
        self._check(message)
        nonce = os.urandom(_NONCE_OCTETS)
        clear = self._clear.fill({"user": escape(user).encode()})
        sealed = nonce + AESGCM(keys.confidentiality.reveal()).encrypt(nonce, clear, None)
        values = {"cipher": b64encode(sealed), "name": keys.name.encode(), "message": self._written(message)}
        values["digest"] = b64encode(hashlib.sha256(self._info.fill(values)).digest())
        integrity = keys.integrity.reveal()
        for name, signed_info in self._signed.items():
            values[name] = b64encode(hmac.digest(integrity, signed_info.fill(values), "sha256"))
        return self._whole.fill(values)

    def _take_apart(self, parts: Sequence[Part], body: bytes, name: bytes, message: dict[str, bytes]) -> None:
        info = next(part.body for part in parts if part.essence == mcptt_info.CONTENT_TYPE)
        holder = next(part.body for part in parts if part.essence == signed_bodies.CONTENT_TYPE)
        (cipher,) = _CIPHER.findall(info)
        sealed = {"cipher": cipher, "name": name}
        digest = b64encode(hashlib.sha256(info).digest())
        signatures = {f"signature-{place}": value for place, value in enumerate(_VALUE.findall(holder))}
        self._clear = _Pieces(
            xml.canonical(mcptt_info.write_clear("request_uri", USER)), {"user": escape(USER).encode()}
        )
        self._info = _Pieces(info, sealed)
        self._signed = {
            place: _Pieces(
                etree.tostring(element, method="c14n", exclusive=False, with_comments=False),
                {"digest": digest},
            )
            for place, element in zip(
                signatures, xml.parse(holder).iter(signed_bodies.DS("SignedInfo")), strict=True
            )
        }
        self._whole = _Pieces(body, sealed | message | signatures | {"digest": digest})

    def _prove(self, keys: XmlKeys) -> None:
        """What is rendered is what the codecs read."""
        for body, lookup in (
            (self.plain("sip:a&b@example.org", MESSAGE), None),
            (self.protected("sip:a&b@example.org", MESSAGE, keys), lambda key_id: keys),
        ):
            read = mc_bodies.read(
                multipart.decode(self.content_type, body), lookup, protected=lookup is not None
            )
            if read.info.request_uri != "sip:a&b@example.org":
                raise InvalidValue("a body that does not read back as it is", code="server.template")

    def _check(self, message: bytes) -> None:
        if self._delimiter in message:
            raise InvalidValue("the boundary occurs in a message", code="mime.boundary")
