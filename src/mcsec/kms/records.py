"""The log of a KMS: who got what, when, by which token and why, as a chain of hashes without key octets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from mcsec.keys import chain, logbook
from mcsec.keys.chain import Head
from mcsec.keys.logbook import Record, encode

__all__ = [
    "FORMAT",
    "NO_PERIOD",
    "Act",
    "Entry",
    "LogRecord",
    "append",
    "decode",
    "encode",
    "head_after",
    "start",
    "verify",
]

FORMAT = "mcsec-kms-log/1"
"""Enters every hash."""

#: ``period`` of a record that is about no key period.
NO_PERIOD = -1


class Act(StrEnum):
    """What a KMS or its operator did."""

    CREATED = "created"
    ISSUED = "issued"
    REISSUED = "reissued"
    PROTECTION_OFFERED = "protection-offered"
    PROTECTION_CONFIRMED = "protection-confirmed"
    PROTECTION_RETIRED = "protection-retired"
    REVOKED = "revoked"
    REINSTATED = "reinstated"
    PARTNER_TRUSTED = "partner-trusted"
    PARTNER_REVOKED = "partner-revoked"
    BACKED_UP = "backed-up"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be noted. ``actor`` is the subject of a token or ``operator``; ``token`` names it (``jti``)."""

    act: Act
    actor: str
    identity: str
    period: int = NO_PERIOD
    token: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord(Record):
    """An entry in its place."""

    SALT: ClassVar[bytes] = FORMAT.encode() + b"\n"

    act: Act
    actor: str
    identity: str
    period: int
    token: str
    reason: str


def start(domain: str) -> Head:
    """The head of an empty log."""
    return Head.start(domain, FORMAT)


def append(head: Head, domain: str, entries: Iterable[Entry], now: float) -> tuple[list[LogRecord], Head]:
    """Put entries in their places after ``head``; the records and the new head.

    :raises InvalidValue: a text is none.
    """
    return logbook.append(head, entries, LogRecord, now=now, domain=domain)


def decode(line: str) -> LogRecord:
    """A record from its line; :func:`verify` says whether it can be believed.

    :raises DecodeError: not such a line.
    """
    return logbook.decode(line, LogRecord, "kms.log-decode")


def verify(records: Iterable[LogRecord], domain: str, *, known: Head | None = None) -> Head:
    """Check a log from its beginning; its head.

    :raises ChainBroken: with the first record where it shows.
    """
    return chain.verify(records, domain, start=start(domain), known=known)


def head_after(line: str | None, domain: str) -> Head:
    """The head of a log whose last record is known.

    :raises ChainBroken: the record was altered.
    :raises DecodeError: it is no record.
    """
    if line is None:
        return start(domain)
    record = decode(line)
    return chain.verify([record], domain, start=Head(record.sequence, record.previous))
