"""A log of what an entity did, as a chain of hashes: who did what to whom, and why. No key octets, ever.

A record is one line of JSON, hashed in the form in which it is exported, less its own digest (sorted names, no spaces,
ASCII, whole numbers). ``form`` names the log's format and enters every hash, so that no log can pass for another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from mcsec.errors import DecodeError, InvalidValue
from mcsec.keys import chain
from mcsec.keys.chain import Head


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be noted: ``act`` in the words of its log, by ``actor``, about ``subject``."""

    act: str
    actor: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """An entry in its place. ``time`` is Unix microseconds."""

    sequence: int
    time: int
    domain: str
    form: str
    act: str
    actor: str
    subject: str
    detail: str
    previous: bytes
    digest: bytes = b""

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return self._sealed() | {"digest": self.digest.hex()}

    def _sealed(self) -> dict[str, Any]:
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "digest"}
        return plain | {"previous": self.previous.hex()}

    def seal(self) -> bytes:
        """The hash that ``digest`` should be."""
        return hashlib.sha256(_line(self._sealed()).encode()).digest()


def start(domain: str, form: str) -> Head:
    """The head of an empty log."""
    return Head.start(domain, form)


def append(
    head: Head, domain: str, form: str, entries: Iterable[Entry], now: float
) -> tuple[list[JournalRecord], Head]:
    """Put entries in their places after ``head``; the records and the new head.

    :raises InvalidValue: a text is none.
    """
    records = []
    for entry in entries:
        texts = (entry.act, entry.actor, entry.subject, entry.detail)
        if not all(isinstance(text, str) for text in texts):
            raise InvalidValue("a record holds texts only")
        record = JournalRecord(
            sequence=head.length,
            time=round(now * 1_000_000),
            domain=domain,
            form=form,
            act=entry.act,
            actor=entry.actor,
            subject=entry.subject,
            detail=entry.detail,
            previous=head.digest,
        )
        record = replace(record, digest=record.seal())
        records.append(record)
        head = Head(record.sequence + 1, record.digest)
    return records, head


def encode(record: JournalRecord) -> str:
    """One line of JSON, without its line end."""
    return _line(record.to_dict())


def decode(line: str) -> JournalRecord:
    """A record from its line; :func:`verify` says whether it can be believed.

    :raises DecodeError: not such a line.
    """
    try:
        plain = json.loads(line)
        if not isinstance(plain, dict) or set(plain) != {field.name for field in fields(JournalRecord)}:
            raise ValueError("not the fields of a record")
        if not all(type(plain[name]) is int for name in ("sequence", "time")):
            raise ValueError("a number is none")
        texts = ("domain", "form", "act", "actor", "subject", "detail", "previous", "digest")
        if not all(type(plain[name]) is str for name in texts):
            raise ValueError("a text is none")
        digests = {name: bytes.fromhex(plain[name]) for name in ("previous", "digest")}
        return JournalRecord(**(plain | digests))
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"no record of a log: {error}", code="journal.decode") from None


def verify(
    records: Iterable[JournalRecord],
    domain: str,
    form: str,
    *,
    since: Head | None = None,
    known: Head | None = None,
) -> Head:
    """Check a log from its beginning, or from the head ``since``; its head.

    :raises ChainBroken: with the first record where it shows.
    """
    return chain.verify(records, domain, start=start(domain, form) if since is None else since, known=known)


def head_after(line: str | None, domain: str, form: str) -> Head:
    """The head of a log whose last record is known.

    :raises ChainBroken: the record was altered. :raises DecodeError: it is no record.
    """
    if line is None:
        return start(domain, form)
    record = decode(line)
    return verify([record], domain, form, since=Head(record.sequence, record.previous))


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _line(plain: dict[str, Any]) -> str:
    return _ENCODER.encode(plain)
