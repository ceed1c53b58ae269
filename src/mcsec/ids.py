"""Identities: who and what a message speaks of. Values only; no keys, no I/O.

MC service IDs and group IDs are URIs, used and hashed exactly as written (TS 33.180 F.2.1), so they stay ``str``.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from mcsec.errors import DecodeError, InvalidValue

#: 1970-01-01 in seconds since 1900-01-01 (RFC 5905 6): MIKEY, key periods and Diameter count from there.
NTP_OF_UNIX_EPOCH = 2_208_988_800
_KEY_ID_RANDOM_BITS = 28


def host_of(uri: str) -> str:
    """The host of an MC service ID or server URI, lower case; empty where it has none (``tel:``) or two."""
    scheme, colon, rest = uri.partition(":")
    if not colon or "." in scheme or "@" in scheme:
        rest = uri
    elif scheme.lower() == "tel":
        return ""
    rest = rest.removeprefix("//").partition("/")[0]
    if rest.count("@") > 1:
        return ""
    host = rest.rpartition("@")[2]
    return host.partition(";")[0].partition("?")[0].partition(":")[0].lower()


class PurposeTag(IntEnum):
    """What a key is for: the top four bits of its 32-bit key ID (TS 33.180 annex G)."""

    GMK = 0
    PCK = 1
    CSK = 2
    SPK = 3
    MKFC = 4
    MSCCK = 5
    MUSIK = 6

    @property
    def label(self) -> str:
        """The standard's spelling, for people."""
        return "MuSiK" if self is PurposeTag.MUSIK else self.name


#: By value: a lookup, because a key ID is asked for its tag with every packet.
_TAGS = tuple(PurposeTag)


@dataclass(frozen=True, slots=True, order=True)
class KeyId:
    """A 32-bit key ID: purpose tag (4 bits), then 28 random bits (TS 33.180 5.2.2)."""

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value < 1 << 32:
            raise InvalidValue("a key ID has 32 bits")
        if self.value >> _KEY_ID_RANDOM_BITS > PurposeTag.MUSIK:
            raise InvalidValue(f"purpose tag {self.value >> _KEY_ID_RANDOM_BITS} is not defined")

    @classmethod
    def random(cls, tag: PurposeTag) -> Self:
        """A fresh key ID. The caller refuses one that is already live in its domain."""
        return cls(tag << _KEY_ID_RANDOM_BITS | secrets.randbits(_KEY_ID_RANDOM_BITS))

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Four octets from the wire.

        :raises DecodeError: wrong size or undefined purpose tag.
        """
        if len(octets) != 4:
            raise DecodeError(f"a key ID has 4 octets, not {len(octets)}")
        try:
            return cls(int.from_bytes(octets))
        except InvalidValue as error:
            raise DecodeError(str(error)) from None

    @property
    def tag(self) -> PurposeTag:
        """What the key is for."""
        return _TAGS[self.value >> _KEY_ID_RANDOM_BITS]

    def encode(self) -> bytes:
        """Four octets, big-endian: CSB ID and MKI."""
        return self.value.to_bytes(4)

    def __str__(self) -> str:
        return f"{self.value:08x}"


@dataclass(frozen=True, slots=True, order=True)
class Tmgi:
    """Temporary Mobile Group Identity (TS 24.008 10.5.6.13): MBMS service ID and PLMN, six octets on the wire."""

    service_id: int
    mcc: str
    mnc: str

    def __post_init__(self) -> None:
        if not 0 <= self.service_id < 1 << 24:
            raise InvalidValue("an MBMS service ID has 24 bits")
        if not (len(self.mcc) == 3 and self.mcc.isascii() and self.mcc.isdigit()):
            raise InvalidValue("an MCC has 3 digits")
        if not (len(self.mnc) in (2, 3) and self.mnc.isascii() and self.mnc.isdigit()):
            raise InvalidValue("an MNC has 2 or 3 digits")

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Six octets from the wire.

        :raises DecodeError: wrong size or a PLMN digit that is none.
        """
        if len(octets) != 6:
            raise DecodeError(f"a TMGI has 6 octets, not {len(octets)}")
        mcc2, mcc1 = divmod(octets[3], 16)
        mnc3, mcc3 = divmod(octets[4], 16)
        mnc2, mnc1 = divmod(octets[5], 16)
        mnc = [mnc1, mnc2] if mnc3 == 0xF else [mnc1, mnc2, mnc3]
        digits = [mcc1, mcc2, mcc3, *mnc]
        if max(digits) > 9:
            raise DecodeError("a PLMN digit is above 9", 3)
        text = "".join(map(str, digits))
        return cls(int.from_bytes(octets[:3]), text[:3], text[3:])

    def encode(self) -> bytes:
        """Six octets: service ID, then ``MCC2 MCC1``, ``MNC3 MCC3``, ``MNC2 MNC1`` in nibbles."""
        c1, c2, c3 = (int(digit) for digit in self.mcc)
        n1, n2 = (int(digit) for digit in self.mnc[:2])
        n3 = int(self.mnc[2]) if len(self.mnc) == 3 else 0xF
        return self.service_id.to_bytes(3) + bytes((c2 << 4 | c1, n3 << 4 | c3, n2 << 4 | n1))

    def __str__(self) -> str:
        return f"{self.service_id:06x}@{self.mcc}/{self.mnc}"
