"""What the fields of an I_MESSAGE mean, for people: one table, keyed by payload and field as the decoder
names them.

``tests/inspect/test_explain_mikey.py`` checks that no field the decoder reads is missing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mcsec.crypto.eccsi import SIGNATURE_OCTETS
from mcsec.crypto.sakke import SED_OCTETS
from mcsec.ids import PurposeTag
from mcsec.mikey.extensions import TAG_OCTETS
from mcsec.mikey.numbers import (
    CsId,
    ExtensionType,
    IdRole,
    IdType,
    MapType,
    PayloadType,
)
from mcsec.mikey.policy import PARAMETER_NAMES

#: The octets of each field that was read before, by the field's name.
Seen = dict[str, bytes]
Said = tuple[int | str, str]

_NTP_EPOCHS = (datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC))

_PAYLOADS: Mapping[int, str] = {
    PayloadType.LAST: "last payload",
    PayloadType.SIGN: "SIGN",
    PayloadType.T: "T",
    PayloadType.SP: "SP",
    PayloadType.RAND: "RAND",
    PayloadType.IDR: "IDR",
    PayloadType.GENERAL_EXTENSION: "general extension",
    PayloadType.SAKKE: "SAKKE",
}
_MAP_TYPES: Mapping[int, str] = {
    MapType.SRTP_ID: "SRTP-ID, of old senders; ignored",
    MapType.EMPTY: "empty map: the key's default profile",
    MapType.GENERIC_ID: "GENERIC-ID",
}
_SESSIONS: Mapping[int, str] = {
    CsId.MCPTT_PRIVATE_INITIATOR: "MCPTT private call, initiator; or MKFC, MSCCK",
    CsId.MCPTT_PRIVATE_RECEIVER: "MCPTT private call, receiver",
    CsId.MCVIDEO_PRIVATE_INITIATOR: "MCVideo private call, initiator",
    CsId.MCVIDEO_PRIVATE_RECEIVER: "MCVideo private call, receiver",
    CsId.MCPTT_GROUP: "MCPTT group call",
    CsId.MCVIDEO_GROUP: "MCVideo group call",
    CsId.CSK_MCPTT: "CSK, SRTCP for MCPTT",
    CsId.MUSIK_MCPTT: "MuSiK, SRTCP for MCPTT",
    CsId.CSK_MCVIDEO: "CSK, SRTCP for MCVideo",
    CsId.MUSIK_MCVIDEO: "MuSiK, SRTCP for MCVideo",
}
_ROLES: Mapping[int, str] = {
    IdRole.INITIATOR: "initiator's URI",
    IdRole.RESPONDER: "responder's URI",
    IdRole.INITIATOR_KMS: "URI of the initiator's KMS",
    IdRole.RESPONDER_KMS: "URI of the responder's KMS",
    IdRole.INITIATOR_UID: "initiator's UID, in place of its URI",
    IdRole.RESPONDER_UID: "responder's UID, in place of its URI",
}
_ID_TYPES: Mapping[int, str] = {IdType.NAI: "NAI", IdType.URI: "URI", IdType.BYTE_STRING: "byte string"}
_EXTENSIONS: Mapping[int, str] = {
    ExtensionType.SAKKE_TO_SELF: "SAKKE-to-self",
    ExtensionType.KEY_PARAMETERS: "3GPP key parameters",
}


@dataclass(frozen=True, slots=True)
class Field:
    """How one field is shown: ``say`` gives value and meaning; ``clause`` is where the field is specified."""

    clause: str = ""
    say: Callable[[bytes, Seen], Said] = lambda _octets, _seen: ("", "")


def _number(meaning: str = "") -> Callable[[bytes, Seen], Said]:
    return lambda octets, _seen: (int.from_bytes(octets), meaning)


def _named(names: Mapping[int, str]) -> Callable[[bytes, Seen], Said]:
    return lambda octets, _seen: (octets[0], names.get(octets[0], "not known"))


def _plain(meaning: str) -> Callable[[bytes, Seen], Said]:
    return lambda _octets, _seen: ("", meaning)


def _hex(meaning: str = "") -> Callable[[bytes, Seen], Said]:
    return lambda octets, _seen: (octets.hex(), meaning)


def _flags(octets: bytes, _seen: Seen) -> Said:
    top, low = divmod(octets[0], 0x80)
    prf = "PRF-HMAC-SHA-256" if low == 1 else f"PRF function {low}"
    return octets[0], f"V = {top}, {prf}"


def _counts(octets: bytes, _seen: Seen) -> Said:
    top, low = divmod(octets[0], 0x80)
    return octets[0], f"S = {top}, {low} policies"


def _key_id(octets: bytes, _seen: Seen) -> Said:
    tag = octets[0] >> 4
    if tag == PurposeTag.GMK:
        return octets.hex(), "GUK-ID of the receiver"
    name = f"{PurposeTag(tag).label}-ID" if tag in set(PurposeTag) else f"purpose tag {tag}, not defined"
    return octets.hex(), name


def _spi(octets: bytes, _seen: Seen) -> Said:
    return octets.hex(), "MKI: GMK-ID, then GUK-ID" if len(octets) == 8 else "MKI"


def _ntp(octets: bytes, _seen: Seen) -> Said:
    seconds = int.from_bytes(octets)
    time = _NTP_EPOCHS[seconds >> 31] + timedelta(seconds=seconds)
    return seconds, f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _fraction(octets: bytes, _seen: Seen) -> Said:
    return int.from_bytes(octets), f"{int.from_bytes(octets) / (1 << 32):.6f} s"


def _identity(octets: bytes, seen: Seen) -> Said:
    role = seen["ID role"][0]
    if role in set(IdRole) and IdRole(role).is_uid:
        return octets.hex(), "UID of this key period"
    return octets.decode("utf-8", "backslashreplace"), _ROLES.get(role, "")


def _policy_value(octets: bytes, seen: Seen) -> Said:
    number = seen["parameter type"][0]
    value = int.from_bytes(octets)
    if (number, value) == (0, 6):
        return value, "AES-GCM"
    return value, "octets" if number in (1, 4, 18, 19, 20) else PARAMETER_NAMES.get(number, "")


def _message_type(octets: bytes, _seen: Seen) -> Said:
    bits = ["DATA PAYLOAD" if octets[0] & 0x3F == 3 else f"message type {octets[0] & 0x3F}"]
    bits += ["encrypted"] if octets[0] & 0x40 else []
    bits += ["authenticated"] if octets[0] & 0x80 else []
    return octets[0], ", ".join(bits)


def _signature(octets: bytes, _seen: Seen) -> Said:
    kind, length = divmod(int.from_bytes(octets), 1 << 12)
    name = "ECCSI" if kind == 2 else f"signature type {kind}"
    return octets.hex(), f"{name}, {length} octets; signed is everything up to here"


Part = tuple[str, int, str]


def _sed_parts(length: int) -> list[Part]:
    if length != SED_OCTETS:
        return []
    return [("R", 257, "point [r]([b]P + Z)"), ("H", 16, "key, masked by the hash of g^r")]


def _signature_parts(length: int) -> list[Part]:
    if length != SIGNATURE_OCTETS:
        return []
    return [("r", 32, ""), ("s", 32, ""), ("PVT", 65, "the initiator's public validation point")]


def _sealed_parts(length: int) -> list[Part]:
    if length < TAG_OCTETS:
        return []
    return [
        ("ciphertext", length - TAG_OCTETS, "only the receiver can read it"),
        ("tag", TAG_OCTETS, ""),
    ]


#: Fields that are shown in parts: name, length and meaning of each, by the field's length. No parts: shown
#: whole.
PARTS: Mapping[str, Callable[[int], list[Part]]] = {
    "SAKKE data": _sed_parts,
    "signature": _signature_parts,
    "ciphertext and tag": _sealed_parts,
}

_NEXT = _named(_PAYLOADS)
_SAKKE_FIELDS = {
    "SAKKE parameters": Field("RFC 6509 4.2", _named({1: "parameter set 1"})),
    "ID scheme": Field("TS 33.180 E.5", _named({1: "tel URI with monthly keys", 2: "3GPP MCX hashed UID"})),
    "SAKKE length": Field("RFC 6509 4.2", _number("octets")),
    "SAKKE data": Field("RFC 6508 6.2.1"),
}

_TABLE: Mapping[str, Mapping[str, Field]] = {
    "HDR": {
        "version": Field("RFC 3830 6.1", _number()),
        "data type": Field("TS 33.180 E.1.2", _named({26: "SAKKE I_MESSAGE"})),
        "next payload": Field("RFC 3830 6.1", _NEXT),
        "V and PRF function": Field("TS 33.180 E.1.2", _flags),
        "CSB ID": Field("TS 33.180 5.2.2", _key_id),
        "#CS": Field("TS 33.180 E.1.2", _number("crypto sessions")),
        "CS ID map type": Field("TS 33.180 E.1.2", _named(_MAP_TYPES)),
        "CS ID": Field("TS 33.180 E.1.3", _named(_SESSIONS)),
        "prot type": Field("RFC 6043 6.1.1", _named({0: "SRTP"})),
        "S and #P": Field("RFC 6043 6.1.1", _counts),
        "policies": Field("RFC 6043 6.1.1", _hex("numbers of SP payloads")),
        "session data length": Field("RFC 6043 6.1.1", _number("octets")),
        "session data": Field("RFC 6043 6.1.1", _hex()),
        "SPI length": Field("RFC 6043 6.1.1", _number("octets")),
        "SPI": Field("TS 33.180 E.1.3", _spi),
        "policy": Field("RFC 3830 6.1.1", _number()),
        "SSRC": Field("RFC 3830 6.1.1", _hex()),
        "ROC": Field("RFC 3830 6.1.1", _number()),
    },
    "T": {
        "next payload": Field("RFC 3830 6.6", _NEXT),
        "TS type": Field("RFC 3830 6.6", _named({0: "NTP-UTC"})),
        "NTP seconds": Field("RFC 3830 6.6", _ntp),
        "NTP fraction": Field("RFC 3830 6.6", _fraction),
    },
    "RAND": {
        "next payload": Field("RFC 3830 6.11", _NEXT),
        "RAND length": Field("RFC 3830 6.11", _number("octets")),
        "RAND": Field("RFC 3830 6.11", _plain("input of the SRTP derivation, the same for every receiver")),
    },
    "IDR": {
        "next payload": Field("RFC 6043 6.6", _NEXT),
        "ID role": Field("TS 33.180 E.7", _named(_ROLES)),
        "ID type": Field("RFC 6043 6.6", _named(_ID_TYPES)),
        "ID length": Field("RFC 6043 6.6", _number("octets")),
        "ID data": Field("TS 33.180 F.2.1", _identity),
    },
    "SP": {
        "next payload": Field("RFC 3830 6.10", _NEXT),
        "policy": Field("RFC 3830 6.10", _number()),
        "prot type": Field("RFC 3830 6.10", _named({0: "SRTP"})),
        "parameters length": Field("RFC 3830 6.10", _number("octets")),
        "parameter type": Field("RFC 3830 6.10.1", _named(PARAMETER_NAMES)),
        "parameter length": Field("RFC 3830 6.10.1", _number("octets")),
        "parameter value": Field("TS 33.180 E.1.3", _policy_value),
    },
    "SAKKE": _SAKKE_FIELDS | {"next payload": Field("RFC 6509 4.2", _NEXT)},
    "general extension": {
        "next payload": Field("RFC 3830 6.15", _NEXT),
        "extension type": Field("TS 33.180 annex E", _named(_EXTENSIONS)),
        "extension length": Field("RFC 3830 6.15", _number("octets")),
        "extension data": Field("RFC 3830 6.15", _plain("not known; ignored")),
    },
    "SAKKE-to-self": _SAKKE_FIELDS
    | {"next payload (ignored)": Field("TS 33.180 E.5", _number("means nothing here"))},
    "key parameters": {
        "message type": Field("TS 33.180 8.5.4", _message_type),
        "date and time": Field("TS 33.180 8.5.4", _number("ignored")),
        "payload ID": Field("TS 33.180 E.6.1", _number("ignored")),
        "payload sequence number": Field("TS 33.180 E.6.1", _number("ignored")),
        "payload algorithm": Field("TS 33.180 8.5.4", _named({1: "AEAD_AES_128_GCM", 2: "AEAD_AES_256_GCM"})),
        "IV": Field("TS 33.180 8.5.4", _plain("GCM IV of 16 octets")),
        "DPPK-ID": Field("TS 33.180 E.6.1", _hex("the CSB ID again")),
        "IEI": Field("TS 33.180 E.6.1", _number("ignored")),
        "element length": Field("TS 33.180 E.6.1", _number("octets, with the tag")),
        "ciphertext and tag": Field("TS 33.180 8.5.4"),
    },
    "SIGN": {
        "S type and length": Field("TS 33.180 E.1.2", _signature),
        "signature": Field("RFC 6507 3.3"),
    },
}

#: Every field by payload and name.
FIELDS: Mapping[tuple[str, str], Field] = {
    (scope, name): field for scope, fields in _TABLE.items() for name, field in fields.items()
}
