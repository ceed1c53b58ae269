"""Sharp tools, for test vectors only: randomness that the caller fixes.

A j that is known or used for two messages gives the SSK away; a v that is known gives KSAK away. Nothing outside
tests and ``mcsec vectors`` may import this module.
"""

from __future__ import annotations

from mcsec import _core
from mcsec._core import EccsiMasterSecret, EccsiSigner, Secret

__all__ = ["eccsi_extract", "eccsi_sign"]


def eccsi_extract(master: EccsiMasterSecret, identity: bytes, v: Secret) -> tuple[Secret, bytes]:
    """(SSK, PVT) of ``identity`` from a given ``v`` of 32 octets (RFC 6507 5.1.1).

    :raises InvalidValue: v is not in [1, q - 1], or gives no key.
    """
    return _core.hazmat_eccsi_extract(master, identity, v)


def eccsi_sign(signer: EccsiSigner, message: bytes, j: Secret) -> bytes:
    """Signature of ``message`` with a given ``j`` of 32 octets (RFC 6507 5.2.1).

    :raises InvalidValue: j is not in [1, q - 1], or gives no signature.
    """
    return _core.hazmat_eccsi_sign(signer, message, j)
