"""Value layouts that more than one kind of field uses.

Each is a small frozen object with ``read`` and ``write`` (see :class:`mcsec.wire.rtcp.fields.Layout`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Generic, TypeVar

from mcsec.errors import InvalidValue
from mcsec.wire.rtcp.profile import Profile
from mcsec.wire.rtcp.reader import Reader

E = TypeVar("E", bound=IntEnum)
F = TypeVar("F", bound=IntFlag)


def unsigned(value: int, size: int, what: str) -> bytes:
    """``value`` in ``size`` octets.

    :raises InvalidValue: it does not fit.
    """
    if not 0 <= value < 1 << 8 * size:
        raise InvalidValue(f"{what} has {8 * size} bits", code="rtcp.value")
    return int(value).to_bytes(size)


def utf8(text: str, what: str) -> bytes:
    """``text`` in UTF-8.

    :raises InvalidValue: it holds surrogates, which no UTF-8 can.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"{what} cannot be written in UTF-8", code="rtcp.value") from None


def member(members: type[E], number: int) -> E | None:
    """The member with this number, if there is one."""
    try:
        return members(number)
    except ValueError:
        return None


def describe(members: type[E], number: int) -> str:
    """What a number stands for, for people: "queue full"."""
    found = member(members, number)
    return "not defined" if found is None else found.name.replace("_", " ").lower()


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned integer of ``size`` octets, then ``spare`` zero octets."""

    name: str
    size: int
    spare: int = 0
    say: Callable[[int], str] | None = None

    def read(self, reader: Reader, profile: Profile) -> int:
        """See :class:`Layout`."""
        value = reader.uint(self.size, self.name, say=self.say)
        reader.zeros(self.spare, "spare")
        return value

    def write(self, value: int, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return unsigned(value, self.size, self.name) + bytes(self.spare)


@dataclass(frozen=True, slots=True)
class Choice(Generic[E]):
    """One member of an enumeration in ``size`` octets, then ``spare`` zero octets; nothing else."""

    name: str
    members: type[E]
    size: int = 2
    spare: int = 0

    def read(self, reader: Reader, profile: Profile) -> E:
        """See :class:`Layout`."""
        start = reader.position
        number = reader.uint(self.size, self.name, say=self._say)
        value = member(self.members, number)
        if value is None:
            reader.fail(f"{self.name} {number} is not defined", start, code="rtcp.value")
        reader.zeros(self.spare, "spare")
        return value

    def write(self, value: E, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        if member(self.members, value) is None:
            raise InvalidValue(f"{self.name} {value} is not defined", code="rtcp.value")
        return unsigned(value, self.size, self.name) + bytes(self.spare)

    def _say(self, number: int) -> str:
        return describe(self.members, number)


@dataclass(frozen=True, slots=True)
class Switch:
    """A yes or no: 0 or 1 in ``size`` octets, then ``spare`` zero octets. Other numbers are refused."""

    name: str
    no: str
    yes: str
    size: int = 2
    spare: int = 0

    def read(self, reader: Reader, profile: Profile) -> bool:
        """See :class:`Layout`."""
        start = reader.position
        number = reader.uint(self.size, self.name, say=self._say)
        if number > 1:
            reader.fail(f"{self.name} {number} is not defined", start, code="rtcp.value")
        reader.zeros(self.spare, "spare")
        return bool(number)

    def write(self, value: bool, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return int(bool(value)).to_bytes(self.size) + bytes(self.spare)

    def _say(self, number: int) -> str:
        return (self.no, self.yes, "not defined")[min(number, 2)]


@dataclass(frozen=True, slots=True)
class Bits(Generic[F]):
    """A mask of 16 bits. Bits without a name are kept: a later release may have named them."""

    name: str
    flags: type[F]

    def read(self, reader: Reader, profile: Profile) -> F:
        """See :class:`Layout`."""
        return self.flags(reader.uint(2, self.name, say=self._say))

    def write(self, value: F, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return unsigned(value, 2, self.name)

    def _say(self, number: int) -> str:
        named = [flag for flag in self.flags if flag & number]
        names = [(flag.name or "").replace("_", " ").lower() for flag in named]
        if rest := number & ~sum(named):
            names.append(f"{rest:#06x} without a name")
        return ", ".join(names) or "none"


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI in UTF-8, as long as the field. It has no white space or control characters and is not empty."""

    name: str

    def read(self, reader: Reader, profile: Profile) -> str:
        """See :class:`Layout`."""
        return self.read_sized(reader, reader.remaining)

    def read_sized(self, reader: Reader, size: int) -> str:
        """The same with a length of its own."""
        start = reader.position
        value = reader.text(size, self.name)
        if not _is_uri(value):
            reader.fail(f"{self.name} is no URI", start, code="rtcp.uri")
        return value

    def write(self, value: str, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        if not _is_uri(value):
            raise InvalidValue(f"{self.name} is no URI", code="rtcp.uri")
        return utf8(value, self.name)


@dataclass(frozen=True, slots=True)
class UriList:
    """An octet with the number of URIs, then each with an octet of length before it."""

    name: str

    def read(self, reader: Reader, profile: Profile) -> tuple[str, ...]:
        """See :class:`Layout`."""
        item = Uri(self.name)
        values = []
        for _ in range(reader.uint(1, "number of entries")):
            size = reader.uint(1, "length of the entry")
            values.append(item.read_sized(reader, size))
        return tuple(values)

    def write(self, value: tuple[str, ...], profile: Profile) -> bytes:
        """See :class:`Layout`."""
        entries = [Uri(self.name).write(entry, profile) for entry in value]
        return unsigned(len(entries), 1, "number of entries") + b"".join(
            unsigned(len(entry), 1, f"length of a {self.name}") + entry for entry in entries
        )


@dataclass(frozen=True, slots=True)
class Text:
    """Text in UTF-8, as long as the field."""

    name: str

    def read(self, reader: Reader, profile: Profile) -> str:
        """See :class:`Layout`."""
        return reader.text(reader.remaining, self.name)

    def write(self, value: str, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return utf8(value, self.name)


@dataclass(frozen=True, slots=True)
class Opaque:
    """Octets that another decoder understands."""

    name: str

    def read(self, reader: Reader, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return reader.octets(reader.remaining, self.name)

    def write(self, value: bytes, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return bytes(value)


def _is_uri(text: str) -> bool:
    return bool(text) and not any(ord(character) <= 0x20 or ord(character) == 0x7F for character in text)
