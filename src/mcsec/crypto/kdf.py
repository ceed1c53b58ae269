"""How keys come from keys: the derivations of MIKEY (RFC 3830 4.1) and of TS 33.180 annex F, by name.

Two functions are underneath, both in the native core: ``mikey_prf`` with HMAC-SHA-256, and ``kdf`` of TS 33.220 B.2.
Inputs and outputs are :class:`~mcsec.crypto.secret.Secret` objects; derived keys that no specification reads as text
never become ``bytes`` here.
"""

from __future__ import annotations

from enum import Enum, IntEnum

from mcsec._core import Secret, kdf, mikey_prf
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId

__all__ = [
    "Fc",
    "Half",
    "MikeyConstant",
    "authentication_key",
    "dpck",
    "encryption_key",
    "guk_id",
    "kdf",
    "master_key",
    "master_salt",
    "mikey_derive",
    "mikey_prf",
    "xml_confidentiality_key",
    "xml_integrity_key",
]

_KEY_ID_RANDOM_MASK = (1 << 28) - 1
_KEY_OCTETS = 16
_HASH_OCTETS = 32


class MikeyConstant(IntEnum):
    """What the MIKEY PRF makes: the first four octets of its label (RFC 3830 4.1.3, 4.1.4)."""

    TEK = 0x2AD01C64
    AUTHENTICATION = 0x1B5C7973
    ENCRYPTION = 0x15798CEF
    SALT = 0x39A2C14B


class Fc(IntEnum):
    """What the KDF makes: its first octet (TS 33.180 F.1)."""

    USER_SALT = 0x50
    XML_CONFIDENTIALITY = 0x51
    XML_INTEGRITY = 0x52
    PAYLOAD_CIPHER = 0x53


class Half(Enum):
    """Which half of the 32 octets of the KDF a 128-bit key is; an open point of docs/readings/crypto.md."""

    LOW = "low"
    HIGH = "high"


def mikey_derive(
    constant: MikeyConstant, tgk: Secret, cs_id: int, csb_id: bytes, rand: bytes, length: int
) -> Secret:
    """One derivation of MIKEY: PRF(TGK, constant || CS-ID || CSB-ID || RAND), ``length`` octets.

    :param cs_id: number of the crypto session, one octet.
    :param csb_id: four octets: the key ID, or for a GMK the sender's own GUK-ID.
    :param rand: RAND of the message that brought the key.
    :raises InvalidValue: CS-ID or CSB-ID has not its size.
    """
    if not 0 <= cs_id <= 0xFF:
        raise InvalidValue(f"CS-ID {cs_id} is not one octet", clause="RFC 3830 4.1.3")
    if len(csb_id) != 4:
        raise InvalidValue(f"a CSB-ID of {len(csb_id)} octets", clause="RFC 3830 4.1.3")
    label = constant.to_bytes(4) + cs_id.to_bytes(1) + csb_id + rand
    return mikey_prf(tgk, label, length)


def master_key(tgk: Secret, cs_id: int, csb_id: bytes, rand: bytes, length: int = _KEY_OCTETS) -> Secret:
    """The SRTP or SRTCP master key, which is MIKEY's TEK (RFC 3830 4.1.3). Parameters: :func:`mikey_derive`."""
    return mikey_derive(MikeyConstant.TEK, tgk, cs_id, csb_id, rand, length)


def master_salt(tgk: Secret, cs_id: int, csb_id: bytes, rand: bytes, length: int = 12) -> Secret:
    """The SRTP or SRTCP master salt (RFC 3830 4.1.3): 12 octets for AEAD, 14 for the older ciphers."""
    return mikey_derive(MikeyConstant.SALT, tgk, cs_id, csb_id, rand, length)


def authentication_key(tgk: Secret, cs_id: int, csb_id: bytes, rand: bytes, length: int) -> Secret:
    """A MIKEY authentication key (RFC 3830 4.1.3). SRTP derives its own from master key and salt."""
    return mikey_derive(MikeyConstant.AUTHENTICATION, tgk, cs_id, csb_id, rand, length)


def encryption_key(tgk: Secret, cs_id: int, csb_id: bytes, rand: bytes, length: int) -> Secret:
    """A MIKEY encryption key (RFC 3830 4.1.3). Not the SRTP master key, for which some have taken it."""
    return mikey_derive(MikeyConstant.ENCRYPTION, tgk, cs_id, csb_id, rand, length)


def guk_id(gmk: Secret, key_id: KeyId, uri: str) -> KeyId:
    """GMK-ID to one user's GUK-ID, and back: the same step (TS 33.180 F.1.3, 5.2.3).

    The low 28 bits of KDF(GMK, 0x50, MC service ID) are added without carry; the purpose tag stays.

    :param uri: MC service ID of the receiving user.
    """
    user_salt = int.from_bytes(kdf(gmk, Fc.USER_SALT, [_text(uri)]).tail(4).reveal())
    return KeyId(key_id.value ^ user_salt & _KEY_ID_RANDOM_MASK)


def xml_confidentiality_key(xpk: Secret, xpk_id: KeyId, uri: str, half: Half = Half.LOW) -> Secret:
    """The key that encrypts XML between one user and the server, from XPK = CSK or SPK (TS 33.180 F.1.4).

    :param uri: MC service user ID.
    :param half: which half of the KDF's output, where XPK has 128 bits.
    :raises InvalidValue: XPK has neither 128 nor 256 bits.
    """
    return _xml_key(Fc.XML_CONFIDENTIALITY, xpk, xpk_id, uri, half)


def xml_integrity_key(xpk: Secret, xpk_id: KeyId, uri: str, half: Half = Half.LOW) -> Secret:
    """The key that signs XML between one user and the server. See :func:`xml_confidentiality_key`."""
    return _xml_key(Fc.XML_INTEGRITY, xpk, xpk_id, uri, half)


def dpck(dppk: Secret, dppk_id: KeyId) -> Secret:
    """The key that encrypts a payload (key parameters, MCData) under DPPK, 16 octets (TS 33.180 F.1.5).

    :param dppk: the key that is shared; for key parameters the key that travels with them.
    :param dppk_id: its ID; four octets enter the derivation.
    """
    return kdf(dppk, Fc.PAYLOAD_CIPHER, [dppk_id.encode()]).tail(_KEY_OCTETS)


def _xml_key(fc: Fc, xpk: Secret, xpk_id: KeyId, uri: str, half: Half) -> Secret:
    if len(xpk) not in (_KEY_OCTETS, _HASH_OCTETS):
        raise InvalidValue(f"an XPK of {len(xpk)} octets", clause="TS 33.180 F.1.4")
    derived = kdf(xpk, fc, [_text(uri), xpk_id.encode()])
    return derived.tail(len(xpk)) if half is Half.LOW else derived.head(len(xpk))


def _text(uri: str) -> bytes:
    try:
        return uri.encode()
    except UnicodeEncodeError:
        raise InvalidValue("a URI that is no Unicode text", clause="TS 33.220 B.2.1") from None
