"""Fields: the type-length-value rule, and what a field is (TS 24.380 8.1.3).

``ID (8 bits) | Length | value | zero padding to a multiple of 4``. Length counts the value only. It has 8
bits for IDs below 192 and 16 bits from 192 up. A receiver passes over IDs that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mcsec.errors import InvalidValue
from mcsec.wire.rtcp.profile import Profile, Release
from mcsec.wire.rtcp.reader import Reader

T = TypeVar("T")
_CLAUSE = "TS 24.380 8.1.3"
FIRST_LONG_ID = 192


class Layout(Protocol[T]):
    """How the value of a field is written. ``read`` takes exactly the value's octets from the reader."""

    def read(self, reader: Reader, profile: Profile) -> T:
        """The value; ``DecodeError`` when the octets are none."""

    def write(self, value: T, profile: Profile) -> bytes:
        """The octets; ``InvalidValue`` when the value does not fit."""


@dataclass(frozen=True, slots=True)
class Field:
    """One kind of field: its ID, the standard's name, and the attribute of messages that holds its value.

    A ``many`` field may occur more than once in a message; its attribute is a tuple.
    """

    id: int
    attribute: str
    name: str
    clause: str
    layout: Layout[Any]
    since: Release = Release.REL_13
    many: bool = False


@dataclass(frozen=True, slots=True)
class RawField:
    """A field kept as it came: unknown, or not one of its message's."""

    id: int
    value: bytes


@dataclass(frozen=True, slots=True)
class FieldHeader:
    """ID and Length, with the place of the ID for error messages."""

    id: int
    length: int
    offset: int


def read_field_header(reader: Reader) -> FieldHeader:
    """ID and Length under the cursor."""
    reader.clause = _CLAUSE
    offset = reader.position
    field_id = reader.uint(1, "field ID")
    length = reader.uint(_length_octets(field_id), "length", say=lambda value: f"{value} octets")
    return FieldHeader(field_id, length, offset)


def read_padding(reader: Reader, header: FieldHeader) -> None:
    """The zero octets that bring a field to a multiple of 4."""
    reader.zeros(-(reader.position - header.offset) % 4, "padding")


def write_field(field_id: int, value: bytes) -> bytes:
    """A whole field: ID, Length, value, padding.

    :raises InvalidValue: the value is longer than its Length can say.
    """
    if not 0 <= field_id <= 0xFF:
        raise InvalidValue("a field ID has 8 bits", code="rtcp.field-id")
    size = _length_octets(field_id)
    if len(value) >= 1 << 8 * size:
        raise InvalidValue(
            f"field {field_id}: {len(value)} octets do not fit a Length of {8 * size} bits",
            code="rtcp.field-length",
            clause=_CLAUSE,
        )
    octets = bytes((field_id,)) + len(value).to_bytes(size) + value
    return octets + bytes(-len(octets) % 4)


def _length_octets(field_id: int) -> int:
    return 2 if field_id >= FIRST_LONG_ID else 1
