"""AVP data formats (RFC 6733 4.2, 4.3): each a pair of functions between octets and a Python value.

``decode(octets, start, stop)`` reads in place and raises :class:`Violation` without Failed-AVP, which the
caller adds; ``encode(value)`` gives the octets without padding and raises :class:`InvalidValue`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Any

from mcsec.errors import InvalidValue
from mcsec.ids import NTP_OF_UNIX_EPOCH
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.violation import Violation

Decode = Callable[[bytes, int, int], Any]
Encode = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class DataType:
    """A format. ``minimum`` is the fewest octets of a value; ``size`` is set when all values have as many.

    ``layout`` is what ``struct`` calls a number; it is empty for everything else.
    """

    name: str
    minimum: int
    size: int | None
    encode: Encode
    decode: Decode
    layout: str = ""


def wrong_length(name: str, length: int, start: int) -> Violation:
    """The error for ``length`` octets that cannot be a ``name``."""
    return Violation(f"{length} octets are no {name}", ResultCode.INVALID_AVP_LENGTH, start)


def wrong_value(text: str, start: int) -> Violation:
    """The error for octets of the right length that mean nothing."""
    return Violation(text, ResultCode.INVALID_AVP_VALUE, start)


def _number(name: str, layout: str) -> DataType:
    number = Struct(f">{layout}")
    pack, unpack, size = number.pack, number.unpack_from, number.size

    def encode(value: Any) -> bytes:
        try:
            return pack(value)
        except (struct.error, OverflowError) as error:
            raise InvalidValue(f"{value!r} is no {name}: {error}") from None

    def decode(octets: bytes, start: int, stop: int) -> Any:
        if stop - start != size:
            raise wrong_length(name, stop - start, start)
        return unpack(octets, start)[0]

    return DataType(name, size, size, encode, decode, layout)


UNSIGNED32 = _number("Unsigned32", "I")
UNSIGNED64 = _number("Unsigned64", "Q")
ENUMERATED = _number("Enumerated", "i")
FLOAT32 = _number("Float32", "f")


def octet_string(size: int | None = None) -> DataType:
    """OctetString, of exactly ``size`` octets if given."""
    name = "OctetString" if size is None else f"OctetString of {size}"

    def encode(value: bytes) -> bytes:
        if size is not None and len(value) != size:
            raise InvalidValue(f"{len(value)} octets are no {name}")
        return value

    def decode(octets: bytes, start: int, stop: int) -> bytes:
        if size is not None and stop - start != size:
            raise wrong_length(name, stop - start, start)
        return octets[start:stop]

    return DataType(name, size or 0, size, encode, decode)


OCTET_STRING = octet_string()
GROUPED = octet_string()


def _text(name: str, encoding: str, pattern: str | None) -> DataType:
    matches = re.compile(pattern).fullmatch if pattern else None

    def encode(value: str) -> bytes:
        if matches is not None and matches(value) is None:
            raise InvalidValue(f"{value!r} is no {name}")
        try:
            return value.encode(encoding)
        except UnicodeEncodeError:
            raise InvalidValue(f"{value!r} is no {name}") from None

    def decode(octets: bytes, start: int, stop: int) -> str:
        try:
            text = octets[start:stop].decode(encoding)
        except UnicodeDecodeError as error:
            raise wrong_value(f"not {encoding}", start + error.start) from None
        if matches is not None and matches(text) is None:
            raise wrong_value(f"no {name}", start)
        return text

    return DataType(name, 0, None, encode, decode)


UTF8_STRING = _text("UTF8String", "utf-8", None)
#: A fully qualified name or a realm. Underscores occur in the field and harm nothing.
DIAMETER_IDENTITY = _text("DiameterIdentity", "ascii", r"[A-Za-z0-9._-]{1,255}")
DIAMETER_URI = _text("DiameterURI", "ascii", r"aaas?://[\x21-\x7e]{1,1024}")
IP_FILTER_RULE = _text("IPFilterRule", "ascii", r"[\x20-\x7e]*")

Address = IPv4Address | IPv6Address
_FAMILY_IPV4, _FAMILY_IPV6 = b"\0\1", b"\0\2"


def _encode_address(value: Address) -> bytes:
    return (_FAMILY_IPV4 if value.version == 4 else _FAMILY_IPV6) + value.packed


def _decode_address(octets: bytes, start: int, stop: int) -> Address:
    if stop - start < 2:
        raise wrong_length("Address", stop - start, start)
    family, packed = octets[start : start + 2], octets[start + 2 : stop]
    if family == _FAMILY_IPV4:
        if len(packed) != 4:
            raise wrong_length("IPv4 Address", stop - start, start)
        return IPv4Address(packed)
    if family == _FAMILY_IPV6:
        if len(packed) != 16:
            raise wrong_length("IPv6 Address", stop - start, start)
        return IPv6Address(packed)
    raise wrong_value(f"address family {int.from_bytes(family)}", start)


#: IPv4 and IPv6 only. The example of a missing one is IPv4.
ADDRESS = DataType("Address", 6, None, _encode_address, _decode_address)

_NTP_ERA = 1 << 32
_NTP_HIGH_BIT = 1 << 31


def _encode_time(value: int) -> bytes:
    seconds = value + NTP_OF_UNIX_EPOCH
    if not _NTP_HIGH_BIT <= seconds < _NTP_ERA + _NTP_HIGH_BIT:
        raise InvalidValue(f"Unix time {value} is outside 1968 to 2104")
    return UNSIGNED32.encode(seconds % _NTP_ERA)


def _decode_time(octets: bytes, start: int, stop: int) -> int:
    if stop - start != 4:
        raise wrong_length("Time", stop - start, start)
    seconds: int = UNSIGNED32.decode(octets, start, stop)
    # A clear high bit is the era that begins in 2036 (RFC 5905, RFC 6733 4.3.1).
    return seconds - NTP_OF_UNIX_EPOCH + (0 if seconds & _NTP_HIGH_BIT else _NTP_ERA)


#: Whole seconds, Unix time.
TIME = DataType("Time", 4, 4, _encode_time, _decode_time)
