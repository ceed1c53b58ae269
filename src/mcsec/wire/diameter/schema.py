"""One class's grammar as tables, and the two loops that write and read by them.

:mod:`mcsec.wire.diameter.typed` makes the tables. Reading reports the first thing that is wrong in the terms
    that an answer needs: Result-Code, and Failed-AVP with the groups around the offender (RFC 6733 7.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mcsec.errors import InvalidValue
from mcsec.wire.diameter.avp import HEAD, LENGTH_MASK, MANDATORY_BIT, VENDOR_BIT, VENDOR_HEAD, Avp
from mcsec.wire.diameter.datatypes import Decode
from mcsec.wire.diameter.dictionary import AvpDefinition, CommandDefinition
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import DICTIONARY
from mcsec.wire.diameter.violation import Violation

_READ_VENDOR_HEAD = VENDOR_HEAD.unpack_from


class Reader(NamedTuple):
    """How one member is read. ``flag_mask`` selects the flag bits that must equal ``flags``."""

    name: str
    repeats: bool
    most: int | None
    decode: Decode
    flag_mask: int
    flags: int


class Writer(NamedTuple):
    """How one member is written: ``write`` makes the whole AVP."""

    name: str
    repeats: bool
    least: int
    most: int | None
    write: Callable[[Any], bytes]
    avp: AvpDefinition


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one class. ``command`` is set for messages, ``first`` where an AVP must lead."""

    cls: type[Any]
    command: CommandDefinition | None
    first: AvpDefinition | None
    readers: dict[int, Reader]
    writers: tuple[Writer, ...]
    any_avp: bool

    def encode(self, message: Any) -> bytes:
        """The AVPs of ``message`` in the grammar's order, then its ``other`` ones.

        :raises InvalidValue: a value does not fit its format, or there are too few or too many.
        """
        parts: list[bytes] = []
        for name, repeats, least, most, write, _ in self.writers:
            value = getattr(message, name)
            if not repeats:
                if value is not None:
                    parts.append(write(value))
                elif least:
                    raise InvalidValue(f"{self.cls.__name__}.{name} is missing")
            elif value or least:
                if len(value) < least or (most is not None and len(value) > most):
                    raise InvalidValue(f"{self.cls.__name__}.{name} has {len(value)} values")
                parts += map(write, value)
        parts += [avp.encode() for avp in message.other]
        return b"".join(parts)

    def decode(self, octets: bytes, offset: int, end: int) -> Any:
        """An instance from ``octets[offset:end]``.

        :raises Violation: with offset, Result-Code and Failed-AVP.
        """
        if self.first is not None:
            self._check_first(octets, offset, end)
        values: dict[str, Any] = {}
        other: list[Avp] = []
        readers = self.readers
        while offset < end:
            if end - offset >= 12:
                # A vendor's header has 12 octets. An AVP without vendor and data has 8, and may be the last.
                key, word, vendor = _READ_VENDOR_HEAD(octets, offset)
            else:
                key, word, vendor = _last_head(octets, offset, end)
            if word & 0x80000000:
                key |= vendor << 32
                start = offset + 12
            else:
                start = offset + 8
            stop = offset + (word & LENGTH_MASK)
            if stop < start or stop > end:
                raise _does_not_fit(key, word, offset)
            reader = readers.get(key)
            if reader is None:
                other.append(self._unknown(_avp(key, word, octets[start:stop]), offset))
            else:
                name, repeats, most, decode, flag_mask, flags = reader
                if word & flag_mask != flags:
                    raise _wrong_flags(_avp(key, word, octets[start:stop]), offset)
                try:
                    value = decode(octets, start, stop)
                except Violation as violation:
                    raise violation.within(_avp(key, word, octets[start:stop])) from None
                if repeats:
                    items = values.setdefault(name, [])
                    if len(items) == most:
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
        assert self.first is not None
        if end - offset < 4 or int.from_bytes(octets[offset : offset + 4]) != self.first.code:
            name = self.first.name
            raise Violation(
                f"{name} does not stand first", ResultCode.MISSING_AVP, offset, example(self.first)
            )

    def _unknown(self, avp: Avp, offset: int) -> Avp:
        if avp.mandatory and not self.any_avp:
            name = _name(avp.code, avp.vendor)
            raise Violation(f"{name} is not understood here", ResultCode.AVP_UNSUPPORTED, offset, avp)
        return avp

    def _finish(self, values: dict[str, Any], end: int) -> None:
        """Required members are there, and repeated ones become tuples."""
        for name, repeats, least, _, _, avp in self.writers:
            if name not in values:
                if least:
                    raise Violation(f"{avp.name} is missing", ResultCode.MISSING_AVP, end, example(avp))
            elif repeats:
                values[name] = tuple(values[name])


def example(avp: AvpDefinition) -> Avp:
    """The AVP with the fewest zero octets its format allows, to stand for a missing one (RFC 6733 7.5)."""
    flags = MANDATORY_BIT if avp.m_bit.sent else 0
    return Avp(avp.code, bytes(avp.datatype.minimum), avp.vendor, flags)


def _avp(key: int, word: int, data: bytes) -> Avp:
    return Avp(key & 0xFFFFFFFF, data, key >> 32, word >> 24 & ~VENDOR_BIT)


def _name(code: int, vendor: int) -> str:
    known = DICTIONARY.find(code, vendor)
    return known.name if known else f"AVP {code} of vendor {vendor}"


def _last_head(octets: bytes, offset: int, end: int) -> tuple[int, int, int]:
    if end - offset >= 8:
        code, word = HEAD.unpack_from(octets, offset)
        if not word & 0x80000000:
            return code, word, 0
    raise Violation("an AVP header is cut off", ResultCode.INVALID_AVP_LENGTH, offset)


def _does_not_fit(key: int, word: int, offset: int) -> Violation:
    """Failed-AVP gets the header and the shortest payload: the real end is unknown (RFC 6733 7.1.5)."""
    known = DICTIONARY.by_key.get(key)
    stand_in = _avp(key, word, bytes(known.datatype.minimum if known else 0))
    text = f"the length {word & LENGTH_MASK} of {_name(stand_in.code, stand_in.vendor)} does not fit"
    return Violation(text, ResultCode.INVALID_AVP_LENGTH, offset, stand_in)


def _wrong_flags(avp: Avp, offset: int) -> Violation:
    text = f"{_name(avp.code, avp.vendor)} has flags {avp.flags:#04x}"
    return Violation(text, ResultCode.INVALID_AVP_BITS, offset, avp)


def _too_many(avp: Avp, offset: int) -> Violation:
    text = f"{_name(avp.code, avp.vendor)} stands too often"
    return Violation(text, ResultCode.AVP_OCCURS_TOO_MANY_TIMES, offset, avp)
