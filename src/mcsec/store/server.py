"""What an MCX server writes down, and how: statements over :mod:`mcsec.store.server_tables`.

Methods that give a :class:`Write` change nothing themselves; :class:`~mcsec.store.group_commit.GroupCommit` does.
:mod:`mcsec.store.server_load` reads everything back after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Executable, Table, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.ids import KeyId
from mcsec.keys.key import Key
from mcsec.keys.lifecycle import Epoch
from mcsec.keys.records import Record, encode
from mcsec.keys.reservation import Block, Reserve, reserve
from mcsec.store.group_commit import Write
from mcsec.store.server_tables import (
    affiliations,
    barred,
    bearers,
    csks,
    deliveries,
    keys,
    listeners,
    marks,
    provenance,
    users,
)
from mcsec.store.wrapping import Place, Wrapper


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user as written down: identities, end of the authorisation, and where its client is.

    ``contact`` is empty where the SIP core knows; ``path`` are the values of Path, as received.
    """

    mc_service_id: str
    impu: str
    client_id: str
    expires: float
    contact: str = ""
    path: tuple[str, ...] = ()


def _put(table: Table) -> Executable:
    statement = upsert(table)
    own = [column.name for column in table.columns if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={name: statement.excluded[name] for name in own},
    )


_PUT_USER = _put(users)
_PUT_CSK = _put(csks)
_PUT_KEY = _put(keys)
_PUT_BEARER = _put(bearers)
#: Marks that are moved by one statement; each takes two parameters, which databases count.
_TOGETHER = 500
_FIRST_MARK = upsert(marks).on_conflict_do_nothing()
_MOVE_MARK = (
    update(marks)
    .where(marks.c.key_id == bindparam("key"), marks.c.ssrc == bindparam("source"))
    .values(last=bindparam("to"))
)
_ADD_AFFILIATION = upsert(affiliations).on_conflict_do_nothing()
_ADD_LISTENER = upsert(listeners).on_conflict_do_nothing()
_BAR = upsert(barred).on_conflict_do_nothing()
_UNBAR = delete(barred).where(
    barred.c.mc_service_id == bindparam("user"), barred.c.group_id == bindparam("group")
)
_ADD_RECORD = insert(provenance)
_BY_USER = {
    table: delete(table).where(table.c.mc_service_id == bindparam("user"))
    for table in (users, csks, affiliations, listeners, deliveries)
}
_LEAVE_GROUP = delete(affiliations).where(
    affiliations.c.mc_service_id == bindparam("user"), affiliations.c.group_id == bindparam("group")
)
_STOP_LISTENING = delete(listeners).where(
    listeners.c.mc_service_id == bindparam("user"),
    listeners.c.tmgi == bindparam("bearer"),
    listeners.c.group_id == bindparam("group"),
)
_DROP_KEY = delete(keys).where(keys.c.key_id == bindparam("key"))
_DROP_DELIVERIES = delete(deliveries).where(deliveries.c.key_id == bindparam("key"))
_DROP_BEARER = delete(bearers).where(bearers.c.tmgi == bindparam("bearer"))


def put_user(user: StoredUser) -> Write:
    """A user, new or changed."""
    return Write(
        _PUT_USER,
        {
            "mc_service_id": user.mc_service_id,
            "impu": user.impu,
            "client_id": user.client_id,
            "expires": user.expires,
            "contact": user.contact,
            "path": json.dumps(user.path),
        },
    )


def drop_user(user: str) -> list[Write]:
    """Everything of a user that logged off, its CSK first."""
    return [
        Write(_BY_USER[table], {"user": user}) for table in (csks, affiliations, listeners, deliveries, users)
    ]


def affiliate(user: str, joined: Iterable[str], left: Iterable[str]) -> list[Write]:
    """Groups that a user joined and left."""
    return [
        *(Write(_LEAVE_GROUP, {"user": user, "group": group}) for group in sorted(left)),
        *(Write(_ADD_AFFILIATION, {"mc_service_id": user, "group_id": group}) for group in sorted(joined)),
    ]


def bar(user: str, group: str, *, joins: bool = False) -> Write:
    """A user is not to join a group any more; ``joins``: it may again."""
    if joins:
        return Write(_UNBAR, {"user": user, "group": group})
    return Write(_BAR, {"mc_service_id": user, "group_id": group})


def listening(user: str, tmgi: str, group: str, listens: bool) -> Write:
    """Whether a user listens; ``group`` is empty for the general purpose subchannel."""
    if listens:
        return Write(_ADD_LISTENER, {"mc_service_id": user, "tmgi": tmgi, "group_id": group})
    return Write(_STOP_LISTENING, {"user": user, "bearer": tmgi, "group": group})


def put_bearer(tmgi: str, description: str) -> Write:
    """A bearer that is announced."""
    return Write(_PUT_BEARER, {"tmgi": tmgi, "description": description})


def drop_bearer(tmgi: str) -> Write:
    """A bearer whose end everybody was told."""
    return Write(_DROP_BEARER, {"bearer": tmgi})


def put_csk(user: str, key: Key, wrapper: Wrapper) -> Write:
    """A user's CSK, wrapped."""
    values = {"mc_service_id": user, "key_id": key.key_id.value} | _key_values(
        key, wrapper.wrap(key.secret, csk_place(user, key.key_id))
    )
    return Write(_PUT_CSK, values)


def put_epoch(epoch: Epoch, place: int, wrapper: Wrapper) -> Write:
    """A MuSiK or MSCCK, wrapped, and where it is in its life. ``place`` keeps the order of a scope's keys."""
    key = epoch.key
    values = {
        "key_id": key.key_id.value,
        "place": place,
        "scope": json.dumps(sorted(key.scope.names)),
        "state": epoch.state.name,
        "since": epoch.since,
        "until": epoch.until,
        "blocking": epoch.blocking,
    } | _key_values(key, wrapper.wrap(key.secret, key_place(key.key_id)))
    return Write(_PUT_KEY, values, firm=True)


def drop_key(key_id: KeyId) -> list[Write]:
    """A key that is destroyed, and who held it."""
    return [Write(_DROP_KEY, {"key": key_id.value}), Write(_DROP_DELIVERIES, {"key": key_id.value})]


def append(record: Record) -> Write:
    """One record of provenance."""
    return Write(_ADD_RECORD, {"sequence": record.sequence, "line": encode(record)})


def csk_place(user: str, key_id: KeyId) -> Place:
    """Where a CSK lies."""
    return Place("mc_csk", f"{user} {key_id}", key_id.tag.label)


def key_place(key_id: KeyId) -> Place:
    """Where a MuSiK or MSCCK lies."""
    return Place("mc_key", str(key_id), key_id.tag.label)


def _key_values(key: Key, wrapped: bytes) -> dict[str, object]:
    return {
        "wrapped": wrapped,
        "rand": key.rand,
        "maker_domain": key.maker.domain,
        "maker_entity": key.maker.entity,
        "created": key.created,
        "activation": key.activation,
        "expiry": key.expiry,
    }


def reserve_blocks(connection: Connection, wishes: Sequence[Reserve]) -> list[Block]:
    """SRTCP indexes for each wish; durable when the transaction is (design 5.4).

    The row of a key and an SSRC is held until then, so that two processes never get the same indexes. Many wishes take
    as many statements as one: a thousand clients of new calls want their first index in the same moment.
    """
    blocks: list[Block] = []
    for start in range(0, len(wishes), _TOGETHER):
        blocks += _reserve_together(connection, wishes[start : start + _TOGETHER])
    return blocks


def _reserve_together(connection: Connection, wishes: Sequence[Reserve]) -> list[Block]:
    # In one order everywhere, so that two processes that hold rows of one another never wait for ever.
    places = sorted({(wanted.key_id.value, wanted.ssrc) for wanted in wishes})
    connection.execute(_FIRST_MARK, [{"key_id": key, "ssrc": ssrc, "last": 0} for key, ssrc in places])
    held = connection.execute(
        select(marks.c.key_id, marks.c.ssrc, marks.c.last)
        .where(tuple_(marks.c.key_id, marks.c.ssrc).in_(places))
        .order_by(marks.c.key_id, marks.c.ssrc)
        .with_for_update()
    )
    last = {(row.key_id, row.ssrc): row.last for row in held}
    blocks = []
    for wanted in wishes:
        place = wanted.key_id.value, wanted.ssrc
        block = reserve(last[place], wanted)
        last[place] = block.last
        blocks.append(block)
    connection.execute(
        _MOVE_MARK, [{"key": key, "source": ssrc, "to": to} for (key, ssrc), to in last.items()]
    )
    return blocks
