"""Servers that share a store: which are there, and what each of them does.

A node says so again and again; one that is gone is not there any more when its time is over, by the database's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.store import leases
from mcsec.store.server_tables import nodes

#: Seconds that a node counts as there after it said so; and for which it is remembered.
THERE, REMEMBERED = 3.0, 3600.0


class Task(StrEnum):
    """What a node does."""

    ON_DUTY = "on duty"
    DELIVERING = "delivering"
    STANDING_BY = "standing by"


@dataclass(frozen=True, slots=True)
class Node:
    """A server: ``place`` is for people, ``since`` and ``until`` are of the database's clock.

    ``ahead``: by how many seconds its clock is ahead of that. ``delivered``: keys that clients took from it.
    """

    node: str
    place: str
    task: Task
    since: float
    until: float
    ahead: float
    delivered: int


_SAY = upsert(nodes)
_SAY = _SAY.on_conflict_do_update(
    index_elements=["node"],
    set_={name: _SAY.excluded[name] for name in ("task", "until", "ahead", "delivered")},
)


def say(
    connection: Connection,
    node: str,
    place: str,
    task: Task,
    delivered: int,
    own_clock: Callable[[], float],
) -> list[Node]:
    """A node is there and does ``task``; who is, itself among them."""
    before = own_clock()
    now = leases.clock(connection)
    # The database looked at its clock somewhere between.
    ahead = (before + own_clock()) / 2 - now
    connection.execute(delete(nodes).where(nodes.c.until < now - REMEMBERED))
    connection.execute(
        _SAY,
        {
            "node": node,
            "place": place,
            "task": task.value,
            "since": now,
            "until": now + THERE,
            "ahead": ahead,
            "delivered": delivered,
        },
    )
    return there(connection, now)


def there(connection: Connection, now: float | None = None) -> list[Node]:
    """The nodes that are there; ``now``: what the database's clock says, where that is known."""
    at = leases.clock(connection) if now is None else now
    rows = connection.execute(select(nodes).where(nodes.c.until > at).order_by(nodes.c.since, nodes.c.node))
    return [Node(**(dict(row) | {"task": Task(row["task"])})) for row in rows.mappings()]


def leave(connection: Connection, node: str) -> None:
    """A node ends by itself."""
    connection.execute(delete(nodes).where(nodes.c.node == node))
