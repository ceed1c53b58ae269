"""Where every key came from and what became of it: records chained by hashes (design 5.7).

Each record holds the hash of the one before it, so nothing can be altered, left out or put in another order
without the rest ceasing to fit. The one thing a chain cannot show by itself is that its end was cut off: keep
its :class:`Head` somewhere else, and pass it to :func:`verify`. :mod:`mcsec.keys.audit` answers questions
from the records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from mcsec.errors import CheckFailed, InvalidValue
from mcsec.keys import events
from mcsec.keys.events import KeyEvent
from mcsec.keys.key import Key
from mcsec.keys.records import FORMAT, Happening, Record, decode, encode

__all__ = ["Chain", "ChainBroken", "Fault", "Happening", "Head", "Record", "decode", "encode", "verify"]

_HAPPENINGS: dict[type[KeyEvent], Happening] = {
    events.KeyMade: Happening.MADE,
    events.KeyReceived: Happening.RECEIVED,
    events.KeyOffered: Happening.OFFERED,
    events.KeyHeld: Happening.HELD,
    events.KeyDeliveryRefused: Happening.DELIVERY_REFUSED,
    events.KeyInstalled: Happening.INSTALLED,
    events.KeyUpdated: Happening.UPDATED,
    events.KeyFirstUsed: Happening.FIRST_USED,
    events.KeySwitched: Happening.SWITCHED,
    events.KeyRetired: Happening.RETIRED,
    events.KeyRevoked: Happening.REVOKED,
    events.KeyDestroyed: Happening.DESTROYED,
}


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain goes: the number of its records and the hash of the last. Worth keeping elsewhere."""

    length: int
    digest: bytes

    @classmethod
    def start(cls, domain: str) -> Head:
        """The head of an empty chain. It depends on the domain, so that one chain cannot pass for another."""
        return cls(0, hashlib.sha256(f"{FORMAT}\n{domain}".encode()).digest())


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


class Chain:
    """Appends to a domain's chain. The caller writes each record down in the transaction of what it tells of.

    To go on after a restart, pass the head of what was written; several nodes of a domain take turns through
    the store.
    """

    def __init__(self, domain: str, head: Head | None = None) -> None:
        self.domain = domain
        self.head = head if head is not None else Head.start(domain)

    def append(
        self,
        happening: Happening,
        key: Key,
        *,
        now: float,
        signer: str = "",
        subject: str = "",
        traffic: str = "",
        reason: str = "",
    ) -> Record:
        """Note what happened to ``key``, of which only public facts are taken.

        :raises InvalidValue: a text is none.
        """
        if not all(isinstance(text, str) for text in (signer, subject, traffic, reason)):
            raise InvalidValue("a record holds texts only")
        open_record = Record(
            sequence=self.head.length,
            time=round(now * 1_000_000),
            happening=happening,
            key_id=key.key_id,
            scope=tuple(sorted(key.scope.names)),
            maker=key.maker,
            domain=self.domain,
            signer=signer,
            subject=subject,
            traffic=traffic,
            reason=reason,
            previous=self.head.digest,
        )
        record = replace(open_record, digest=open_record.seal())
        self.head = Head(record.sequence + 1, record.digest)
        return record

    def note(self, event: KeyEvent, key: Key, *, signer: str = "") -> Record | None:
        """Note an event of :mod:`mcsec.keys.events`; None where the chain does not keep its kind."""
        happening = _HAPPENINGS.get(type(event))
        if happening is None:
            return None
        if event.key_id != key.key_id:
            raise InvalidValue(f"the event is about {event.key_id}, not about {key!r}")
        told = event.describe()
        return self.append(
            happening,
            key,
            now=event.now,
            signer=signer or str(told.get("signer", "")),
            subject=str(told.get("subject", told.get("member", ""))),
            traffic=str(told.get("traffic", "")),
            reason=str(told.get("reason", "")),
        )


def verify(
    records: Iterable[Record], domain: str, *, start: Head | None = None, known: Head | None = None
) -> Head:
    """Check a chain from its beginning, or from ``start``; its head.

    ``known`` is a head noted elsewhere at some time: the chain must pass through it.

    :raises ChainBroken: with the first record where it shows. An alteration shows at the altered record,
    unless its
        digest was made anew: then at the one after it, or at ``known``.
    """
    head = start if start is not None else Head.start(domain)
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


def _fault(record: Record, head: Head, domain: str) -> Fault | None:
    if record.seal() != record.digest:
        return Fault.ALTERED
    if record.domain != domain:
        return Fault.FOREIGN
    if record.sequence != head.length:
        return Fault.MISSING if record.sequence > head.length else Fault.OUT_OF_ORDER
    return None if record.previous == head.digest else Fault.UNLINKED
