"""Records chained by hashes, whatever they tell of: provenance of keys, issues of a KMS.

Each record holds the hash of the one before it, so nothing can be altered, left out or put in another order
without the rest ceasing to fit. The one thing a chain cannot show by itself is that its end was cut off: keep
its :class:`Head` somewhere else, and pass it to :func:`verify`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mcsec.errors import CheckFailed

__all__ = ["PROVENANCE", "ChainBroken", "Chained", "Fault", "Head", "verify"]

PROVENANCE = "mcsec-provenance/1"
"""The format of key provenance; enters every hash of its chain."""


class Chained(Protocol):
    """A record in a chain."""

    @property
    def sequence(self) -> int:
        """Its number, from 0."""

    @property
    def domain(self) -> str:
        """Who wrote the chain."""

    @property
    def previous(self) -> bytes:
        """The digest of the record before it."""

    @property
    def digest(self) -> bytes:
        """Its own."""

    def seal(self) -> bytes:
        """What ``digest`` should be."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain goes: the number of its records and the hash of the last. Worth keeping elsewhere."""

    length: int
    digest: bytes

    @classmethod
    def start(cls, domain: str, form: str = PROVENANCE) -> Head:
        """The head of an empty chain. It depends on format and domain, so that no chain can pass for another."""
        return cls(0, hashlib.sha256(f"{form}\n{domain}".encode()).digest())


class Fault(StrEnum):
    """What is wrong with a chain."""

    ALTERED = "the record is not what was written"
    MISSING = "records are missing before it"
    OUT_OF_ORDER = "it stands in the wrong place"
    UNLINKED = "it does not follow from the record before it"
    FOREIGN = "another domain wrote it"
    TRUNCATED = "the chain ends before the head that is known"
    FORKED = "the chain is not the one whose head is known"


class ChainBroken(CheckFailed):
    """A chain of records does not hold; ``sequence`` is the number of the first record where it shows."""

    code = "provenance.broken"

    def __init__(self, sequence: int, fault: Fault) -> None:
        super().__init__(
            f"record {sequence}: {fault.value}",
            code=f"provenance.{fault.name.lower().replace('_', '-')}",
            hint="keep the export, and compare it with a copy from elsewhere",
        )
        self.sequence = sequence
        self.fault = fault


def verify(records: Iterable[Chained], domain: str, *, start: Head, known: Head | None = None) -> Head:
    """Check a chain from ``start``; its head.

    ``known`` is a head noted elsewhere at some time: the chain must pass through it.

    :raises ChainBroken: with the first record where it shows. An alteration shows at the altered record,
        unless its digest was made anew: then at the one after it, or at ``known``.
    """
    head = start
    passed = known is None or known == head
    for record in records:
        if fault := _fault(record, head, domain):
            raise ChainBroken(record.sequence, fault)
        head = Head(record.sequence + 1, record.digest)
        if known is not None and head.length == known.length:
            if head != known:
                raise ChainBroken(record.sequence, Fault.FORKED)
            passed = True
    if not passed:
        raise ChainBroken(head.length, Fault.TRUNCATED)
    return head


def _fault(record: Chained, head: Head, domain: str) -> Fault | None:
    if record.seal() != record.digest:
        return Fault.ALTERED
    if record.domain != domain:
        return Fault.FOREIGN
    if record.sequence != head.length:
        return Fault.MISSING if record.sequence > head.length else Fault.OUT_OF_ORDER
    return None if record.previous == head.digest else Fault.UNLINKED
