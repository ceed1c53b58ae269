"""Calls in progress, written down so that a server that is started again, or another one, goes on with them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.store.group_commit import Write
from mcsec.store.server_tables import calls


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call of ``group``; ``tmgi`` is empty where it is on no bearer. ``description`` is its owner's, without keys."""

    call_id: str
    group: str
    since: float
    tmgi: str = ""
    description: str = "{}"


_PUT = upsert(calls)
_PUT = _PUT.on_conflict_do_update(
    index_elements=["call_id"],
    set_={name: _PUT.excluded[name] for name in ("group_id", "tmgi", "since", "description")},
)
_DROP = delete(calls).where(calls.c.call_id == bindparam("call"))


def put_call(call: StoredCall) -> Write:
    """A call that began or changed."""
    return Write(
        _PUT,
        {
            "call_id": call.call_id,
            "group_id": call.group,
            "tmgi": call.tmgi,
            "since": call.since,
            "description": call.description,
        },
    )


def drop_call(call_id: str) -> Write:
    """A call that ended."""
    return Write(_DROP, {"call": call_id})


def load_calls(connection: Connection) -> list[StoredCall]:
    """Every call in progress, the oldest first."""
    rows = connection.execute(select(calls).order_by(calls.c.since, calls.c.call_id))
    return [StoredCall(row.call_id, row.group_id, row.since, row.tmgi, row.description) for row in rows]
