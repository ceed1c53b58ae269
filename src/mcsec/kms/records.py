"""The log of a KMS: who got what, when, by which token and why, as a chain of hashes without key octets.

A record is one line of JSON, hashed in the form in which it is exported, less its own digest (sorted names, no
spaces, ASCII, whole numbers).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from mcsec.errors import DecodeError, InvalidValue
from mcsec.keys import chain
from mcsec.keys.chain import Head

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


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An entry in its place. ``time`` is Unix microseconds."""

    sequence: int
    time: int
    domain: str
    act: Act
    actor: str
    identity: str
    period: int
    token: str
    reason: str
    previous: bytes
    digest: bytes = b""

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return self._sealed() | {"digest": self.digest.hex()}

    def _sealed(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "time": self.time,
            "domain": self.domain,
            "act": self.act,
            "actor": self.actor,
            "identity": self.identity,
            "period": self.period,
            "token": self.token,
            "reason": self.reason,
            "previous": self.previous.hex(),
        }

    def seal(self) -> bytes:
        """The hash that ``digest`` should be."""
        return hashlib.sha256(FORMAT.encode() + b"\n" + _line(self._sealed()).encode()).digest()


def start(domain: str) -> Head:
    """The head of an empty log."""
    return Head.start(domain, FORMAT)


def append(head: Head, domain: str, entries: Iterable[Entry], now: float) -> tuple[list[LogRecord], Head]:
    """Put entries in their places after ``head``; the records and the new head.

    :raises InvalidValue: a text is none.
    """
    records = []
    for entry in entries:
        if not all(
            isinstance(text, str) for text in (entry.actor, entry.identity, entry.token, entry.reason)
        ):
            raise InvalidValue("a record holds texts only")
        record = LogRecord(
            sequence=head.length,
            time=round(now * 1_000_000),
            domain=domain,
            act=entry.act,
            actor=entry.actor,
            identity=entry.identity,
            period=entry.period,
            token=entry.token,
            reason=entry.reason,
            previous=head.digest,
        )
        record = replace(record, digest=record.seal())
        records.append(record)
        head = Head(record.sequence + 1, record.digest)
    return records, head


def encode(record: LogRecord) -> str:
    """One line of JSON, without its line end."""
    return _line(record.to_dict())


def decode(line: str) -> LogRecord:
    """A record from its line; :func:`verify` says whether it can be believed.

    :raises DecodeError: not such a line.
    """
    try:
        plain = json.loads(line)
        if not isinstance(plain, dict) or set(plain) != {field.name for field in fields(LogRecord)}:
            raise ValueError("not the fields of a record")
        if not all(type(plain[name]) is int for name in ("sequence", "time", "period")):
            raise ValueError("a number is none")
        if not all(type(plain[name]) is str for name in ("domain", "actor", "identity", "token", "reason")):
            raise ValueError("a text is none")
        read = {
            "act": Act(plain["act"]),
            "previous": bytes.fromhex(plain["previous"]),
            "digest": bytes.fromhex(plain["digest"]),
        }
        return LogRecord(**(plain | read))
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"no record of {FORMAT}: {error}", code="kms.log-decode") from None


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
    before = Head(record.sequence, record.previous)
    return chain.verify([record], domain, start=before)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _line(plain: dict[str, Any]) -> str:
    return _ENCODER.encode(plain)
