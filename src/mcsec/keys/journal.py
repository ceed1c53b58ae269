"""A log of what an entity did: who did what to whom, and why.

``form`` names the log's format and stands in every record, so that no log can pass for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcsec.keys import chain, logbook
from mcsec.keys.chain import Head
from mcsec.keys.logbook import Record, encode

__all__ = ["Entry", "JournalRecord", "append", "decode", "encode", "head_after", "start", "verify"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be noted: ``act`` in the words of its log, by ``actor``, about ``subject``."""

    act: str
    actor: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord(Record):
    """An entry in its place."""

    form: str
    act: str
    actor: str
    subject: str
    detail: str


def start(domain: str, form: str) -> Head:
    """The head of an empty log."""
    return Head.start(domain, form)


def append(
    head: Head, domain: str, form: str, entries: Iterable[Entry], now: float
) -> tuple[list[JournalRecord], Head]:
    """Put entries in their places after ``head``; the records and the new head.

    :raises InvalidValue: a text is none.
    """
    return logbook.append(head, entries, JournalRecord, now=now, domain=domain, form=form)


def decode(line: str) -> JournalRecord:
    """A record from its line; :func:`verify` says whether it can be believed.

    :raises DecodeError: not such a line.
    """
    return logbook.decode(line, JournalRecord, "journal.decode")


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
