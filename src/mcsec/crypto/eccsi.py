"""ECCSI (RFC 6507, P-256 with SHA-256): signatures that an identity and a KMS's public key suffice to check.

==========================  =========================  ======================================================
class                       held by                    what it does
==========================  =========================  ======================================================
``EccsiMasterSecret`` KSAK  the KMS                    ``extract`` an identity's SSK and PVT; KPAK
``EccsiPublicKey`` KPAK     everybody                  ``verify`` signatures; ``validate_ssk`` after delivery
``EccsiSigner`` SSK, PVT    the owner of an identity   ``sign``: 129 octets (r, s, PVT)
==========================  =========================  ======================================================

``verify`` returns nothing and raises :class:`~mcsec.errors.CheckFailed` for every fault of a signature, its size and
form included: it comes from a peer. So do ``validate_ssk`` and the constructor of ``EccsiSigner`` for what came from a
KMS. With q - s in place of s a signature stays valid: it does not name a message.

``sign`` draws its nonce j from the operating system and hashes it with SSK and message, so that a weak generator or a
machine resumed twice from one image does not repeat a nonce. Signing and the KMS's operations run in constant time.
"""

from mcsec._core import EccsiMasterSecret, EccsiPublicKey, EccsiSigner

__all__ = [
    "POINT_OCTETS",
    "SCALAR_OCTETS",
    "SIGNATURE_OCTETS",
    "EccsiMasterSecret",
    "EccsiPublicKey",
    "EccsiSigner",
]

#: Octets of KPAK and PVT: 04, x, y.
POINT_OCTETS = 65
#: Octets of KSAK and SSK.
SCALAR_OCTETS = 32
#: Octets of a signature: r, s, PVT.
SIGNATURE_OCTETS = 129
