"""One class's grammar as tables, and the two loops that write and read by them.

:mod:`mcsec.wire.diameter.typed` makes the tables. Reading reports the first thing that is wrong in the terms
    that an answer needs: Result-Code, and Failed-AVP with the groups around the offender (RFC 6733 7.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Any

from mcsec.errors import InvalidValue
from mcsec.wire.diameter.avp import HEAD, LENGTH_MASK, MANDATORY_BIT, VENDOR_BIT, Avp
from mcsec.wire.diameter.datatypes import Decode
from mcsec.wire.diameter.dictionary import AvpDefinition, CommandDefinition, Member
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import DICTIONARY
from mcsec.wire.diameter.violation import Violation

_READ_HEAD = HEAD.unpack_from
_READ_VENDOR = Struct(">I").unpack_from


@dataclass(frozen=True, slots=True)
class Reader:
    """How one member is read. ``flag_mask`` selects the flag bits that must equal ``flags``."""

    name: str
    repeats: bool
    most: int | None
    decode: Decode
    flag_mask: int
    flags: int


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one class. ``command`` is set for messages."""

    cls: type[Any]
    command: CommandDefinition | None
    members: tuple[Member, ...]
    readers: dict[int, Reader]
    writers: tuple[tuple[str, Callable[[Any], bytes], Member], ...]
    any_avp: bool

    def encode(self, message: Any) -> bytes:
        """The AVPs of ``message`` in the grammar's order, then its ``other`` ones.

        :raises InvalidValue: a value does not fit its format, or there are too few or too many.
        """
        parts: list[bytes] = []
        for name, write, member in self.writers:
            value = getattr(message, name)
            if not member.repeats:
                if value is not None:
                    parts.append(write(value))
                elif member.least:
                    raise InvalidValue(f"{self.cls.__name__}.{name} is missing")
            elif value or member.least:
                if not member.least <= len(value) or (member.most is not None and len(value) > member.most):
                    raise InvalidValue(f"{self.cls.__name__}.{name} has {len(value)} values")
                parts += map(write, value)
        parts += [avp.encode() for avp in message.other]
        return b"".join(parts)

    def decode(self, octets: bytes, offset: int, end: int) -> Any:
        """An instance from ``octets[offset:end]``.

        :raises Violation: with offset, Result-Code and Failed-AVP.
        """
        if self.members and self.members[0].first:
            self._check_first(octets, offset, end)
        values: dict[str, Any] = {}
        other: list[Avp] = []
        readers = self.readers
        while offset < end:
            if end - offset < 8:
                raise Violation("an AVP header is cut off", ResultCode.INVALID_AVP_LENGTH, offset)
            key, word = _READ_HEAD(octets, offset)
            start = offset + 8
            if word & 0x80000000:
                if end - offset < 12:
                    raise Violation("an AVP header is cut off", ResultCode.INVALID_AVP_LENGTH, offset)
                key |= _READ_VENDOR(octets, start)[0] << 32
                start += 4
            stop = offset + (word & LENGTH_MASK)
            if stop < start or stop > end:
                raise _does_not_fit(key, word, offset)
            reader = readers.get(key)
            if reader is None:
                avp = _avp(key, word, octets[start:stop])
                if avp.mandatory and not self.any_avp:
                    raise Violation(
                        f"{_name(key)} is not understood here", ResultCode.AVP_UNSUPPORTED, offset, avp
                    )
                other.append(avp)
            else:
                if word & reader.flag_mask != reader.flags:
                    raise Violation(
                        f"{_name(key)} has flags {word >> 24:#04x}",
                        ResultCode.INVALID_AVP_BITS,
                        offset,
                        _avp(key, word, octets[start:stop]),
                    )
                try:
                    value = reader.decode(octets, start, stop)
                except Violation as violation:
                    raise violation.within(_avp(key, word, octets[start:stop])) from None
                name = reader.name
                if reader.repeats:
                    items = values.setdefault(name, [])
                    if len(items) == reader.most:
                        raise _too_many(_avp(key, word, octets[start:stop]), offset)
                    items.append(value)
                elif name in values:
                    raise _too_many(_avp(key, word, octets[start:stop]), offset)
                else:
                    values[name] = value
            # Padding belongs to no AVP and its octets mean nothing; the last one's must still be there.
            offset = stop + (offset - stop & 3)
        if offset != end:
            raise Violation("the last AVP lacks its padding", ResultCode.INVALID_AVP_LENGTH, end)
        self._finish(values, end)
        if other:
            values["other"] = tuple(other)
        return self.cls(**values)

    def _check_first(self, octets: bytes, offset: int, end: int) -> None:
        first = self.members[0].avp
        if end - offset < 4 or int.from_bytes(octets[offset : offset + 4]) != first.code:
            raise Violation(
                f"{first.name} does not stand first", ResultCode.MISSING_AVP, offset, example(first)
            )

    def _finish(self, values: dict[str, Any], end: int) -> None:
        """Required members are there, and repeated ones become tuples."""
        for name, _, member in self.writers:
            if name not in values:
                if member.least:
                    avp = member.avp
                    raise Violation(f"{avp.name} is missing", ResultCode.MISSING_AVP, end, example(avp))
            elif member.repeats:
                values[name] = tuple(values[name])


def example(avp: AvpDefinition) -> Avp:
    """The AVP with the fewest zero octets its format allows, to stand for a missing one (RFC 6733 7.5)."""
    flags = MANDATORY_BIT if avp.m_bit.sent else 0
    return Avp(avp.code, bytes(avp.datatype.minimum), avp.vendor, flags)


def _avp(key: int, word: int, data: bytes) -> Avp:
    return Avp(key & 0xFFFFFFFF, data, key >> 32, word >> 24 & ~VENDOR_BIT)


def _name(key: int) -> str:
    known = DICTIONARY.by_key.get(key)
    return known.name if known else f"AVP {key & 0xFFFFFFFF} of vendor {key >> 32}"


def _does_not_fit(key: int, word: int, offset: int) -> Violation:
    """Failed-AVP gets the header and the shortest payload: the real end is unknown (RFC 6733 7.1.5)."""
    known = DICTIONARY.by_key.get(key)
    stand_in = _avp(key, word, bytes(known.datatype.minimum if known else 0))
    return Violation(
        f"the length {word & LENGTH_MASK} of {_name(key)} does not fit",
        ResultCode.INVALID_AVP_LENGTH,
        offset,
        stand_in,
    )


def _too_many(avp: Avp, offset: int) -> Violation:
    name = _name(avp.vendor << 32 | avp.code)
    return Violation(f"{name} stands too often", ResultCode.AVP_OCCURS_TOO_MANY_TIMES, offset, avp)
