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
from mcsec.wire.diameter.schema import Reader, Schema
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
        codecs = {name: _codec(member, hints[name]) for name, member in wanted.items()}
        _SCHEMAS[made] = Schema(
            made,
            row,
            members,
            {member.avp.key: _reader(name, member, codecs[name][1]) for name, member in wanted.items()},
            tuple((name, _writer(member.avp, codecs[name][0]), member) for name, member in wanted.items()),
            any_avp,
        )
        return made

    return decorate


def _field_name(avp: AvpDefinition) -> str:
    return avp.name.lower().replace("-", "_")


def _reader(name: str, member: Member, decode: Decode) -> Reader:
    m_bit = member.avp.m_bit
    mask = RESERVED_BITS | (MANDATORY_BIT if m_bit.strict else 0)
    flags = MANDATORY_BIT if m_bit.strict and m_bit.sent else 0
    return Reader(name, member.repeats, member.most, decode, mask << 24, flags << 24)


def _writer(avp: AvpDefinition, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """``encode`` with the AVP's header before it and padding after it."""
    code, vendor = avp.code, avp.vendor
    flags = (MANDATORY_BIT if avp.m_bit.sent else 0) | (VENDOR_BIT if vendor else 0)
    overhead = VENDOR_HEAD.size if vendor else HEAD.size

    def head(length: int) -> bytes:
        word = flags << 24 | overhead + length
        return VENDOR_HEAD.pack(code, word, vendor) if vendor else HEAD.pack(code, word)

    size = avp.datatype.size
    if size is not None:
        prefix, suffix = head(size), PADDING[size & 3]
        return lambda value: prefix + encode(value) + suffix

    def write(value: Any) -> bytes:
        body = encode(value)
        if len(body) > LENGTH_MASK - overhead:
            raise InvalidValue(f"{avp.name} has more than 16 MiB")
        return head(len(body)) + body + PADDING[len(body) & 3]

    return write


def _codec(member: Member, hint: Any) -> tuple[Callable[[Any], bytes], Decode]:
    """How the Python type that ``hint`` gives this member is written and read."""
    inner = _inner_type(member, hint)
    base = member.avp.datatype
    if inner in _SCHEMAS:
        schema = _SCHEMAS[inner]
        return schema.encode, schema.decode
    if isinstance(inner, type) and issubclass(inner, IntEnum | IntFlag):
        return base.encode, _enumerated(inner, base.decode)
    if hasattr(inner, "decode") and hasattr(inner, "encode") and inner not in (str, bytes):
        return _octets_of(base.encode), _value(inner.decode, base.decode)
    if member.avp.members or (base is OCTET_STRING and inner is not bytes):
        raise TypeError(f"{inner!r} is no type for {member.avp.name}")
    return base.encode, base.decode


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
    def decode(octets: bytes, start: int, stop: int) -> Any:
        value = number(octets, start, stop)
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
