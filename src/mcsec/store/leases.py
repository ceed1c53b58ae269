"""What one process at a time does: sending on a bearer, deciding on keys (design 7).

A lease ends by itself when its holder is gone. ``term`` goes up with every new holder, so that what an earlier one does
late can be told. Between machines the database's clock counts (:func:`take_now`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, extract, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.store.server_tables import leases


@dataclass(frozen=True, slots=True)
class Lease:
    """``name`` is ``holder``'s until ``until`` (Unix seconds), for the ``term``-th time that it changed hands."""

    name: str
    holder: str
    term: int
    until: float


def take(connection: Connection, name: str, holder: str, now: float, seconds: float) -> Lease | None:
    """The lease, taken or prolonged by ``seconds``; None: another one holds it."""
    statement = upsert(leases).values(name=name, holder=holder, term=1, until=now + seconds)
    same = leases.c.holder == statement.excluded.holder
    row = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "holder": statement.excluded.holder,
                "until": statement.excluded.until,
                "term": case((same, leases.c.term), else_=leases.c.term + 1),
            },
            where=or_(same, leases.c.until <= now),
        ).returning(leases.c.term)
    ).first()
    return None if row is None else Lease(name, holder, row.term, now + seconds)


def take_now(connection: Connection, name: str, holder: str, seconds: float) -> Lease | None:
    """As :func:`take`, by the clock of the database, so that the clocks of machines may differ."""
    return take(connection, name, holder, clock(connection), seconds)


def clock(connection: Connection) -> float:
    """What the clock of the database says, in Unix seconds."""
    if connection.dialect.name != "postgresql":
        return time.time()
    return float(connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one())


def give_back(connection: Connection, name: str, holder: str) -> None:
    """The holder stops by itself: the next one need not wait."""
    connection.execute(
        leases.update().where(leases.c.name == name, leases.c.holder == holder).values(until=0)
    )


def holder(connection: Connection, name: str, *, lock: bool = False) -> Lease | None:
    """Who had the lease last; None: nobody ever. ``lock``: it changes hands only after this transaction."""
    wanted = select(leases).where(leases.c.name == name)
    row = connection.execute(wanted.with_for_update(read=True) if lock else wanted).one_or_none()
    return None if row is None else Lease(row.name, row.holder, row.term, row.until)


def forget(connection: Connection, name: str) -> None:
    """What the lease was for is gone."""
    connection.execute(delete(leases).where(leases.c.name == name))
