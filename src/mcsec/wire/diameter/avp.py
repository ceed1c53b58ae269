"""AVPs as they stand in a message (RFC 6733 4.1): header, octets, padding. No meaning yet."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from mcsec.errors import DecodeError, InvalidValue

VENDOR_BIT = 0x80
MANDATORY_BIT = 0x40
#: The P bit (0x20) is obsolete and ignored; these have no meaning at all and are an error (RFC 6733 4.1).
RESERVED_BITS = 0x1F

HEAD = Struct(">II")
VENDOR_HEAD = Struct(">III")
LENGTH_MASK = 0xFFFFFF
#: Padding by length modulo 4.
PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


@dataclass(frozen=True, slots=True)
class Avp:
    """One AVP. ``vendor`` 0 is the IETF; the V bit follows from it. ``flags`` holds the M and P bits."""

    code: int
    data: bytes
    vendor: int = 0
    flags: int = MANDATORY_BIT

    @property
    def mandatory(self) -> bool:
        """Whether the receiver must understand this AVP."""
        return bool(self.flags & MANDATORY_BIT)

    def encode(self) -> bytes:
        """Header, data and padding."""
        header = VENDOR_HEAD.size if self.vendor else HEAD.size
        length = header + len(self.data)
        if length > LENGTH_MASK:
            raise InvalidValue("an AVP has at most 16 MiB")
        flags = self.flags & ~VENDOR_BIT
        if self.vendor:
            head = VENDOR_HEAD.pack(self.code, (flags | VENDOR_BIT) << 24 | length, self.vendor)
        else:
            head = HEAD.pack(self.code, flags << 24 | length)
        return head + self.data + PADDING[length & 3]


def decode_avps(octets: bytes, offset: int = 0) -> tuple[Avp, ...]:
    """All AVPs from ``offset`` to the end, one level deep, unknown ones too.

    :raises DecodeError: an AVP does not fit; ``offset`` is where it begins.
    """
    avps: list[Avp] = []
    end = len(octets)
    while offset < end:
        avp, following = decode_avp(octets, offset)
        avps.append(avp)
        offset = following
    return tuple(avps)


def decode_avp(octets: bytes, offset: int) -> tuple[Avp, int]:
    """The AVP at ``offset``, and the offset after its padding.

    :raises DecodeError: it does not fit.
    """
    end = len(octets)
    if end - offset < HEAD.size:
        raise DecodeError("an AVP header is cut off", offset)
    code, word = HEAD.unpack_from(octets, offset)
    start, vendor = offset + HEAD.size, 0
    if word >> 24 & VENDOR_BIT:
        if end - offset < VENDOR_HEAD.size:
            raise DecodeError("a vendor's AVP header is cut off", offset)
        start = offset + VENDOR_HEAD.size
        vendor = VENDOR_HEAD.unpack_from(octets, offset)[2]
    stop = offset + (word & LENGTH_MASK)
    if not start <= stop <= end:
        raise DecodeError(f"the AVP length {word & LENGTH_MASK} does not fit", offset)
    return Avp(code, octets[start:stop], vendor, word >> 24 & ~VENDOR_BIT), stop + (-stop + offset & 3)
