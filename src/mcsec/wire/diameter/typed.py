"""Typed groups and messages: a dictionary row and a dataclass, joined once into fast tables.

A class takes its grammar from the dictionary by name and adds the Python types::

    @grouped("TMGI-Deallocation-Response")
    class TmgiDeallocationResponse(Group):
        tmgi: Tmgi
        tmgi_deallocation_result: TmgiDeallocationResult | None = None

The field of an AVP is its name in lower case with underscores. ``{X}`` is annotated ``T``, ``[X]`` is ``T |
None``, whatever may repeat is ``tuple[T, ...]``. A class whose fields are not exactly the grammar's members
is refused when it is defined, and a misspelt attribute when it is used. ``T`` is the format's own type, a
group, an ``IntEnum`` or ``IntFlag`` for numbers, or for octets any class with ``encode`` and ``decode``.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from struct import Struct
from struct import error as StructError
from types import NoneType
from typing import Any, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.diameter.avp import (
    HEAD,
    LENGTH_MASK,
    MANDATORY_BIT,
    PADDING,
    RESERVED_BITS,
    VENDOR_BIT,
    VENDOR_HEAD,
    Avp,
)
from mcsec.wire.diameter.datatypes import OCTET_STRING, Decode, wrong_value
from mcsec.wire.diameter.dictionary import AvpDefinition, CommandDefinition, Member
from mcsec.wire.diameter.schema import Reader, Schema, Writer
from mcsec.wire.diameter.table import DICTIONARY

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What every group and message has: the AVPs that its grammar does not name, none of them mandatory."""

    other: tuple[Avp, ...] = ()


_SCHEMAS: dict[type[Any], Schema] = {}


def schema_of(cls: type[Any]) -> Schema:
    """The tables of a class made by :func:`grouped` or :func:`command`."""
    return _SCHEMAS[cls]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def grouped(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator: a frozen, slotted dataclass for the grouped AVP ``name``."""
    return _joined(DICTIONARY.by_name[name].members, None, any_avp=name == "Failed-AVP")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def command(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator: a frozen, slotted dataclass for the command ``name``."""
    row = DICTIONARY.commands[name]
    return _joined(row.members, row, any_avp=row.any_avp)


def _joined(grammar: str, row: CommandDefinition | None, *, any_avp: bool) -> Callable[[type[T]], type[T]]:
    def decorate(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        hints = get_type_hints(made)
        members = DICTIONARY.members(grammar)
        wanted = {_field_name(member.avp): member for member in members}
        present = {field.name for field in fields(made)} - {"other"}  # type: ignore[arg-type]  # T is any class
        if present != set(wanted):
            raise TypeError(f"{cls.__name__} and its grammar differ in {sorted(present ^ set(wanted))}")
        readers: dict[int, Reader] = {}
        writers: list[Writer] = []
        for name, member in wanted.items():
            write, decode = _codec(member, hints[name])
            readers[member.avp.key] = _reader(name, member, decode)
            writers.append(Writer(name, member.repeats, member.least, member.most, write, member.avp))
        first = members[0].avp if members and members[0].first else None
        _SCHEMAS[made] = Schema(made, row, first, readers, tuple(writers), any_avp)
        return made

    return decorate


def _field_name(avp: AvpDefinition) -> str:
    return avp.name.lower().replace("-", "_")


def _reader(name: str, member: Member, decode: Decode) -> Reader:
    m_bit = member.avp.m_bit
    mask = RESERVED_BITS | (MANDATORY_BIT if m_bit.strict else 0)
    flags = MANDATORY_BIT if m_bit.strict and m_bit.sent else 0
    return Reader(name, member.repeats, member.most, decode, mask << 24, flags << 24)


def _codec(member: Member, hint: Any) -> tuple[Callable[[Any], bytes], Decode]:
    """How a member is written, header and all, and how its data is read into the type that ``hint`` gives."""
    avp, inner = member.avp, _inner_type(member, hint)
    base = avp.datatype
    if inner in _SCHEMAS:
        schema = _SCHEMAS[inner]
        return _writer(avp, schema.encode), schema.decode
    if isinstance(inner, type) and issubclass(inner, IntEnum | IntFlag):
        return _number_writer(avp), _enumerated(inner, base.decode)
    if hasattr(inner, "decode") and hasattr(inner, "encode") and inner not in (str, bytes):
        return _writer(avp, _octets_of(base.encode)), _value(inner.decode, base.decode)
    if avp.members or (base is OCTET_STRING and inner is not bytes):
        raise TypeError(f"{inner!r} is no type for {avp.name}")
    return _number_writer(avp) if base.layout else _writer(avp, base.encode), base.decode


def _flags(avp: AvpDefinition) -> int:
    return (MANDATORY_BIT if avp.m_bit.sent else 0) | (VENDOR_BIT if avp.vendor else 0)


def _writer(avp: AvpDefinition, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """``encode`` with the AVP's header before it and padding after it."""
    code, vendor, flags = avp.code, avp.vendor, _flags(avp) << 24
    overhead = VENDOR_HEAD.size if vendor else HEAD.size

    def write(value: Any) -> bytes:
        body = encode(value)
        length = overhead + len(body)
        if length > LENGTH_MASK:
            raise InvalidValue(f"{avp.name} has more than 16 MiB")
        head = VENDOR_HEAD.pack(code, flags | length, vendor) if vendor else HEAD.pack(code, flags | length)
        return head + body + PADDING[length & 3]

    return write


def _number_writer(avp: AvpDefinition) -> Callable[[Any], bytes]:
    """Header and number in one step, as most AVPs are numbers and none of those is padded."""
    layout, encode = avp.datatype.layout, avp.datatype.encode
    head = VENDOR_HEAD if avp.vendor else HEAD
    pack = Struct(f"{head.format}{layout}").pack
    word = _flags(avp) << 24 | head.size + (avp.datatype.size or 0)
    first = (avp.code, word, avp.vendor) if avp.vendor else (avp.code, word)

    def write(value: Any) -> bytes:
        try:
            return pack(*first, value)
        except (StructError, OverflowError):
            return encode(value)  # which says what is wrong with it

    return write


def _inner_type(member: Member, hint: Any) -> Any:
    """``T``, from the annotation that the grammar asks for."""
    parts = get_args(hint)
    if member.repeats and get_origin(hint) is tuple and parts[1:] == (...,):
        return parts[0]
    if not member.repeats and bool(member.least) != (NoneType in parts):
        rest = tuple(part for part in parts if part is not NoneType)
        return functools.reduce(operator.or_, rest) if rest else hint
    raise TypeError(f"{hint!r} does not say how often {member.avp.name} may stand")


def _enumerated(cls: type[IntEnum] | type[IntFlag], number: Decode) -> Decode:
    known: dict[int, Any] = {member.value: member for member in cls}

    def decode(octets: bytes, start: int, stop: int) -> Any:
        value = number(octets, start, stop)
        member = known.get(value)
        if member is not None:
            return member
        try:
            return cls(value)
        except ValueError:
            raise wrong_value(f"{value} is no {cls.__name__}", start) from None

    return decode


def _octets_of(check: Callable[[bytes], bytes]) -> Callable[[Any], bytes]:
    return lambda value: check(value.encode())


def _value(make: Callable[[bytes], Any], octet_string: Decode) -> Decode:
    def decode(octets: bytes, start: int, stop: int) -> Any:
        data = octet_string(octets, start, stop)
        try:
            return make(data)
        except DecodeError as error:
            raise wrong_value(str(error), start + error.offset) from None

    return decode
