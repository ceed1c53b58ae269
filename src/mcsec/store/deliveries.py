"""Who is to hold which key, written down: one row for each client and key, claimed in batches (design 7).

Methods that give a :class:`Write` change nothing themselves; :class:`~mcsec.store.group_commit.GroupCommit` does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Executable, Select, bindparam, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.ids import KeyId
from mcsec.store.group_commit import Write
from mcsec.store.server_tables import NEVER, NO_PATH, DeliveryState, affiliations, deliveries, nodes, users

#: The reason of an accepted delivery by which the client was told of a revocation.
REVOKED = "revoked"
#: Order in which deliveries are claimed: who just came goes before a domain that is being rekeyed.
LATE_JOINER, BULK = 0, 1


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process is to make: its row, for whom, of which key, and the how manieth attempt."""

    row: int
    mc_service_id: str
    key_id: KeyId
    attempt: int


def _wish() -> Executable:
    statement = upsert(deliveries)
    return statement.on_conflict_do_update(
        index_elements=["key_id", "mc_service_id"],
        set_={
            "state": DeliveryState.WANTED,
            "due": statement.excluded.due,
            "urgency": statement.excluded.urgency,
            "attempts": 0,
            "reason": "",
        },
    )


_WISH = _wish()
_SETTLE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("row"))
    .values(state=bindparam("state_"), due=bindparam("due_"), reason=bindparam("reason_"))
)
# Whoever is on duty may have changed a row meanwhile: its client came anew, its key is gone.
_SETTLE_SENT = _SETTLE.where(
    deliveries.c.state == DeliveryState.SENT, deliveries.c.attempts == bindparam("attempt")
)
_AGAIN = (
    update(deliveries)
    .where(deliveries.c.key_id == bindparam("key"), deliveries.c.state == DeliveryState.HELD)
    .values(state=DeliveryState.WANTED, due=bindparam("due_"), attempts=0, urgency=BULK)
)
_PARK = (
    update(deliveries)
    .where(deliveries.c.mc_service_id == bindparam("user"), deliveries.c.state < DeliveryState.HELD)
    .values(state=DeliveryState.WANTED, due=NEVER)
)
_GIVE_BACK = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("row"),
        deliveries.c.state == DeliveryState.SENT,
        deliveries.c.attempts == bindparam("attempt"),
    )
    .values(state=DeliveryState.WANTED, due=bindparam("due_"), attempts=deliveries.c.attempts - 1)
)
_RESUME = (
    update(deliveries)
    .where(
        deliveries.c.mc_service_id == bindparam("user"),
        deliveries.c.state == DeliveryState.WANTED,
        deliveries.c.due == NEVER,
    )
    .values(due=bindparam("due_"))
)
_UNPARK = (
    update(deliveries)
    .where(
        deliveries.c.mc_service_id == bindparam("user"),
        deliveries.c.state != DeliveryState.HELD,
        deliveries.c.state != DeliveryState.ACCEPTED,
    )
    .values(state=DeliveryState.WANTED, due=bindparam("due_"), attempts=0, urgency=LATE_JOINER)
)


_UNSTICK = (
    update(deliveries)
    .where(
        deliveries.c.state < DeliveryState.HELD,
        deliveries.c.due > bindparam("latest"),
        deliveries.c.due < NEVER,
    )
    .values(due=bindparam("due_"))
)
_OPEN_ROWS = (
    select(deliveries.c.id)
    .where(
        deliveries.c.state < DeliveryState.HELD,
        deliveries.c.due <= bindparam("now"),
        deliveries.c.urgency <= bindparam("class"),
    )
    .order_by(deliveries.c.urgency, deliveries.c.due)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True, of=deliveries)
)
_ROUTED_ROWS = _OPEN_ROWS.where(
    select(users.c.mc_service_id)
    .where(
        users.c.mc_service_id == deliveries.c.mc_service_id,
        users.c.path != NO_PATH,
        users.c.expires > bindparam("now"),
    )
    .exists()
)


def _claiming(rows: Select[tuple[int]]) -> Executable:
    # A row of its own name is what PostgreSQL asks once, however it plans the rest.
    found = rows.cte("open_rows")
    return (
        update(deliveries)
        .where(deliveries.c.id.in_(select(found.c.id)))
        .values(
            state=DeliveryState.SENT,
            due=bindparam("lease"),
            attempts=deliveries.c.attempts + 1,
            node=bindparam("by"),
        )
        .returning(deliveries.c.id, deliveries.c.mc_service_id, deliveries.c.key_id, deliveries.c.attempts)
    )


_CLAIM, _CLAIM_ROUTED = _claiming(_OPEN_ROWS), _claiming(_ROUTED_ROWS)
_ANSWERED = (
    select(deliveries)
    .where(deliveries.c.state > DeliveryState.FAILED)
    .order_by(deliveries.c.id)
    .limit(bindparam("most"))
)
_NEXT_DUE = (
    select(deliveries.c.due)
    .where(deliveries.c.state < DeliveryState.HELD, deliveries.c.urgency == bindparam("class"))
    .order_by(deliveries.c.due)
    .limit(1)
)


def wish_for_many(key_id: KeyId, groups: Collection[str] | None, now: float) -> Write:
    """A delivery of a key to every user affiliated to one of ``groups`` (None: to every user).

    The database makes the rows; nothing here grows with their number. Who holds the key already is left alone.
    """
    source = select(
        users.c.mc_service_id,
        literal(key_id.value),
        literal(int(DeliveryState.WANTED)),
        literal(BULK),
        literal(now),
        literal(0),
        literal(""),
    ).where(users.c.mc_service_id.is_not(None))
    if groups is not None:
        affiliated = select(affiliations.c.mc_service_id).where(affiliations.c.group_id.in_(sorted(groups)))
        source = source.where(users.c.mc_service_id.in_(affiliated))
    columns = ["mc_service_id", "key_id", "state", "urgency", "due", "attempts", "reason"]
    return Write(upsert(deliveries).from_select(columns, source).on_conflict_do_nothing(), {}, alone=True)


def wish(user: str, key_id: KeyId, now: float, urgency: int = LATE_JOINER) -> Write:
    """A delivery of a key to one user, now."""
    return Write(
        _WISH,
        {
            "mc_service_id": user,
            "key_id": key_id.value,
            "state": int(DeliveryState.WANTED),
            "urgency": urgency,
            "due": now,
            "attempts": 0,
            "reason": "",
        },
    )


def wish_again(key_id: KeyId, now: float) -> Write:
    """Whoever holds the key is to be told of it again: its revocation, or a bearer that changed."""
    return Write(_AGAIN, {"key": key_id.value, "due_": now})


def unstick(now: float, horizon: float) -> Write:
    """Deliveries that would wait longer than any does, because the clock was set back, are due now."""
    return Write(_UNSTICK, {"latest": now + horizon, "due_": now})


def settle(row: int, state: DeliveryState, due: float = NEVER, reason: str = "") -> Write:
    """What became of a delivery; ``due`` says when it is to be tried again."""
    return Write(_SETTLE, {"row": row, "state_": int(state), "due_": due, "reason_": reason[:200]})


def settle_sent(row: Claimed, state: DeliveryState, due: float = NEVER, reason: str = "") -> Write:
    """As :func:`settle`, by a server that is not on duty: only where nobody else changed the row meanwhile."""
    values = {"row": row.row, "attempt": row.attempt, "state_": int(state), "due_": due}
    return Write(_SETTLE_SENT, values | {"reason_": reason[:200]})


def accepted(rows: Collection[int], revoked: bool) -> Write:
    """Clients said that they have what these deliveries brought; the server on duty is to note it.

    ``revoked``: what they were told of is that the key is revoked.
    """
    sent = update(deliveries).where(deliveries.c.id.in_(rows), deliveries.c.state == DeliveryState.SENT)
    reason = REVOKED if revoked else ""
    return Write(sent.values(state=int(DeliveryState.ACCEPTED), due=NEVER, reason=reason), {})


def give_back(row: Claimed, now: float) -> Write:
    """A delivery that was claimed and did not leave: whoever comes next may claim it at once."""
    return Write(_GIVE_BACK, {"row": row.row, "attempt": row.attempt, "due_": now})


def free(there: Collection[str], seen: float, now: float) -> Write:
    """What nodes claimed that are not ``there`` any more is due now: nobody waits for their leases.

    ``seen``: when that was found, by the database's clock; who came later is there too. Who was only cut off, and sends
    nevertheless, delivers what is delivered again: that is harmless.
    """
    theirs = update(deliveries).where(
        # So that the index of what is open serves.
        deliveries.c.state < DeliveryState.HELD,
        deliveries.c.state == DeliveryState.SENT,
        deliveries.c.node.not_in(["", *sorted(there)]),
        deliveries.c.node.not_in(select(nodes.c.node).where(nodes.c.since >= seen)),
    )
    return Write(theirs.values(state=int(DeliveryState.WANTED), due=now), {}, alone=True)


def settle_held(rows: Collection[int]) -> Write:
    """Clients said that they have what these deliveries brought: one statement for all of them."""
    held = update(deliveries).where(deliveries.c.id.in_(rows))
    return Write(held.values(state=int(DeliveryState.HELD), due=NEVER, reason=""), {})


def drop_rows(rows: Collection[int]) -> Write:
    """Deliveries are of no use any more."""
    return Write(delete(deliveries).where(deliveries.c.id.in_(rows)), {})


def park(user: str) -> Write:
    """The user's client is not there: what it is to get waits."""
    return Write(_PARK, {"user": user})


def resume(user: str, now: float) -> Write:
    """The user's client can be reached again: what was parked is due; what was given up stays so."""
    return Write(_RESUME, {"user": user, "due_": now})


def unpark(user: str, now: float) -> Write:
    """The user's client is there (again): whatever it does not hold is delivered now."""
    return Write(_UNPARK, {"user": user, "due_": now})


def claim(
    connection: Connection,
    most: int,
    now: float,
    lease: float,
    urgency: int = BULK,
    *,
    routed: bool = False,
    node: str = "",
) -> list[Claimed]:
    """Take up to ``most`` deliveries that are due, the urgent ones first; nobody else gets them before ``lease``.

    ``urgency``: none that is less urgent. ``routed``: only those to clients that are reached by the way that Path gave
    (RFC 3327), so by any server. ``node``: who claims; empty: nobody who could be missed.

    Rows whose lease ended are taken again: whoever had them was killed, or gave up. Delivering twice is harmless.
    """
    claiming = _CLAIM_ROUTED if routed else _CLAIM
    values = {"most": most, "now": now, "lease": lease, "class": urgency, "by": node}
    taken = connection.execute(claiming, values)
    # Of one key there are many.
    keys = cache(KeyId)
    return [Claimed(row, user, keys(key_id), attempt) for row, user, key_id, attempt in taken]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client answered another server: that it has what ``row`` brought, or ``reason`` why not.

    ``revoked``: what the client was told of is that the key is revoked.
    """

    row: Claimed
    accepted: bool
    revoked: bool
    reason: str


def answered(connection: Connection, most: int) -> list[Answered]:
    """Up to ``most`` answers that other servers were given and the one on duty has not noted."""
    keys = cache(KeyId)
    return [
        Answered(
            Claimed(row.id, row.mc_service_id, keys(row.key_id), row.attempts),
            row.state == DeliveryState.ACCEPTED,
            row.state == DeliveryState.ACCEPTED and row.reason == REVOKED,
            row.reason,
        )
        for row in connection.execute(_ANSWERED, {"most": most})
    ]


def next_due(connection: Connection) -> float | None:
    """When the next delivery may be claimed."""
    found = (connection.execute(_NEXT_DUE, {"class": urgency}).scalar() for urgency in (LATE_JOINER, BULK))
    return min((due for due in found if due is not None and due < NEVER), default=None)


def count_by_key(connection: Connection) -> dict[KeyId, dict[str, int]]:
    """How many deliveries of each key are in which state."""
    columns = (deliveries.c.key_id, deliveries.c.state)
    found: dict[KeyId, dict[str, int]] = {}
    for key_id, state, number in connection.execute(select(*columns, func.count()).group_by(*columns)):
        found.setdefault(KeyId(key_id), {})[DeliveryState(state).name.lower()] = number
    return found


def count(connection: Connection) -> dict[str, int]:
    """How many deliveries are in which state."""
    rows = connection.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state))
    return {DeliveryState(state).name.lower(): number for state, number in rows}
