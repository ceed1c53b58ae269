"""What records say about a time: which keys protected what, who made them, who held them, and who was in control."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from mcsec.ids import KeyId
from mcsec.keys.audit import Statement, state_control
from mcsec.keys.key import Maker
from mcsec.keys.records import Happening, Record

__all__ = ["Asked", "KeyFacts", "Report", "report"]

#: Above every time, and below infinity.
_NEVER = 4e12
_ENDS = (Happening.RETIRED, Happening.REVOKED, Happening.DESTROYED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is about: a time (Unix seconds), and at most one bearer, group and client; empty: all."""

    since: float = 0.0
    until: float = _NEVER
    bearer: str = ""
    group: str = ""
    client: str = ""


@dataclass(slots=True)
class KeyFacts:
    """One key, as far as records tell.

    ``made``: in which record its making is, None: in none. ``uses``: the records of its first uses, by traffic and
    subject. ``held``: since when who held it. ``ended``: when it was last sent under; None: it still may be.
    """

    key_id: KeyId
    maker: Maker
    scope: tuple[str, ...]
    made: Record | None = None
    uses: dict[tuple[str, str], Record] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    ended: Record | None = None

    def concerns(self, asked: Asked) -> bool:
        """Whether it protected something at the time that is asked about, for whom that is asked about."""
        used = [record for (_, subject), record in self.uses.items() if asked.bearer in ("", subject)]
        if not any(_seconds(record) <= asked.until for record in used):
            return False
        if self.ended is not None and _seconds(self.ended) < asked.since:
            return False
        if asked.group and self.scope and asked.group not in self.scope:
            return False
        return not asked.client or self.held.get(asked.client, inf) <= asked.until


@dataclass(frozen=True, slots=True)
class Report:
    """``keys`` in the order of their first use. ``evidence``: the records that carry ``statement``."""

    domain: str
    asked: Asked
    keys: tuple[KeyFacts, ...]
    statement: Statement
    evidence: tuple[Record, ...]


def report(records: Iterable[Record], domain: str, asked: Asked) -> Report:
    """The report; verify the chain first. Holds facts of every key in memory, never the records themselves."""
    known: dict[KeyId, KeyFacts] = {}
    for record in records:
        facts = known.get(record.key_id)
        if facts is None:
            facts = known[record.key_id] = KeyFacts(record.key_id, record.maker, record.scope)
        _take(facts, record)
    concerned = [facts for facts in known.values() if facts.concerns(asked)]
    concerned.sort(key=lambda facts: min(record.sequence for record in facts.uses.values()))
    evidence = [
        record
        for facts in concerned
        for record in (facts.made, *facts.uses.values())
        if record is not None and (record.happening is Happening.MADE or asked.bearer in ("", record.subject))
    ]
    evidence.sort(key=lambda record: record.sequence)
    return Report(domain, asked, tuple(concerned), state_control(evidence, domain), tuple(evidence))


def _take(facts: KeyFacts, record: Record) -> None:
    if record.happening is Happening.MADE:
        facts.made = facts.made or record
    elif record.happening is Happening.FIRST_USED:
        facts.uses.setdefault((record.traffic, record.subject), record)
    elif record.happening is Happening.HELD:
        for member in record.members or (record.subject,):
            facts.held.setdefault(member, _seconds(record))
    elif record.happening is Happening.DELIVERY_REFUSED:
        facts.refused.setdefault(record.subject, record.reason)
    elif record.happening in _ENDS:
        facts.ended = facts.ended or record


def _seconds(record: Record) -> float:
    return record.time / 1_000_000
