"""Whether a store is the one that was used last, or a copy of it from the past.

A copy of the past knows too little: packet indexes that were used, keys that were given, users who left. So every key
of ours is replaced before anything is sent, and what was replaced for is written down. Two things tell of it:
``mcsec restore`` says so in the store itself, and :mod:`mcsec.store.witness` finds a file that was copied back by hand.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from mcsec.store.tables import life, restorations

#: What :func:`note_answered` does, for a writer.
ANSWERED = update(life).where(life.c.answered < bindparam("number")).values(answered=bindparam("number"))


@dataclass(frozen=True, slots=True)
class Life:
    """``name``: for ever. ``restored``: how often it was; ``answered``: up to which time keys followed."""

    name: str
    restored: int = 0
    answered: int = 0

    @property
    def doubtful(self) -> bool:
        """Whether keys must be replaced before anything is sent."""
        return self.restored > self.answered


@dataclass(frozen=True, slots=True)
class Restoration:
    """A copy of the past was found: at ``time``, with ``length`` records of provenance where ``known`` are known."""

    number: int
    time: float
    length: int
    known: int
    reason: str


def begin(connection: Connection) -> Life:
    """The life of a store; a store that is made gets its name."""
    row = connection.execute(select(life)).one_or_none()
    if row is not None:
        return Life(row.name, row.restored, row.answered)
    name = secrets.token_hex(16)
    connection.execute(insert(life).values(id=1, name=name, restored=0, answered=0))
    return Life(name)


def note_restored(connection: Connection, length: int, known: int, reason: str, now: float) -> Life:
    """The store is a copy of the past: keys are to be replaced."""
    now_known = begin(connection)
    number = now_known.restored + 1
    connection.execute(update(life).values(restored=number))
    connection.execute(
        insert(restorations).values(number=number, time=now, length=length, known=known, reason=reason)
    )
    return Life(now_known.name, number, now_known.answered)


def note_answered(connection: Connection, number: int) -> None:
    """Every key was replaced because of the restorations up to ``number``; belongs into the same transaction."""
    connection.execute(ANSWERED, {"number": number})


def history(connection: Connection) -> list[Restoration]:
    """Every restoration, in order."""
    rows = connection.execute(select(restorations).order_by(restorations.c.number))
    return [Restoration(row.number, row.time, row.length, row.known, row.reason) for row in rows]
