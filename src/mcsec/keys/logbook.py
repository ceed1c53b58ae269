"""Logs as chains of hashes: what their records share. No key octets, ever.

A record is one line of JSON, hashed in the form in which it is exported, less its own digest (sorted names, no spaces,
ASCII, whole numbers). A log defines its entries and its records, :class:`Record` with the fields of an entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from mcsec.errors import DecodeError, InvalidValue
from mcsec.keys.chain import Head

R = TypeVar("R", bound="Record")


class Entry(Protocol):
    """A dataclass of texts and whole numbers: what is to be noted."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An entry in its place. ``time`` is Unix microseconds; ``SALT`` enters the hash before the line."""

    SALT: ClassVar[bytes] = b""

    sequence: int
    time: int
    domain: str
    previous: bytes
    digest: bytes = b""

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return self._sealed() | {"digest": self.digest.hex()}

    def _sealed(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in _types(type(self)) if name != "digest"}
        return plain | {"previous": self.previous.hex()}

    def seal(self) -> bytes:
        """The hash that ``digest`` should be."""
        return hashlib.sha256(self.SALT + _line(self._sealed()).encode()).digest()


def append(
    head: Head, entries: Iterable[Entry], kind: Callable[..., R], *, now: float, **shared: str
) -> tuple[list[R], Head]:
    """Put entries in their places after ``head``; the records and the new head.

    :param kind: what a record is made with, from the fields of an entry, its place, and those all share.
    :raises InvalidValue: a text is none.
    """
    records = []
    for entry in entries:
        noted = {field.name: getattr(entry, field.name) for field in fields(entry)}
        if not all(isinstance(value, str | int) for value in noted.values()):
            raise InvalidValue("a record holds texts and whole numbers only")
        record = kind(
            sequence=head.length, time=round(now * 1_000_000), previous=head.digest, **shared, **noted
        )
        record = replace(record, digest=record.seal())
        records.append(record)
        head = Head(record.sequence + 1, record.digest)
    return records, head


def encode(record: Record) -> str:
    """One line of JSON, without its line end."""
    return _line(record.to_dict())


def decode(line: str, kind: type[R], code: str) -> R:
    """A record from its line; :func:`mcsec.keys.chain.verify` says whether it can be believed.

    :raises DecodeError: not such a line; with this ``code``.
    """
    types = _types(kind)
    try:
        plain = json.loads(line)
        if not isinstance(plain, dict) or set(plain) != set(types):
            raise ValueError("not the fields of a record")
        found: dict[str, Any] = {name: _read(plain[name], wanted) for name, wanted in types.items()}
        return kind(**found)
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"no record of a log: {error}", code=code) from None


def _read(value: object, wanted: type) -> object:
    if wanted is int:
        if type(value) is not int:
            raise ValueError("a number is none")
        return value
    if type(value) is not str:
        raise ValueError("a text is none")
    if wanted is bytes:
        return bytes.fromhex(value)
    return wanted(value) if issubclass(wanted, StrEnum) else value


def _types(kind: type[Record]) -> dict[str, type]:
    if kind not in _KNOWN_TYPES:
        hints = get_type_hints(kind)
        _KNOWN_TYPES[kind] = {field.name: hints[field.name] for field in fields(kind)}
    return _KNOWN_TYPES[kind]


_KNOWN_TYPES: dict[type[Record], dict[str, type]] = {}


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _line(plain: dict[str, Any]) -> str:
    return _ENCODER.encode(plain)
