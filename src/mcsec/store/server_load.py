"""Everything an MCX server wrote down, read back after a restart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from mcsec.errors import DecodeError
from mcsec.ids import KeyId
from mcsec.keys.key import Key, Maker, Scope
from mcsec.keys.lifecycle import Epoch, KeyState
from mcsec.keys.provenance import Head
from mcsec.keys.records import decode
from mcsec.store.database import Database, StoreError
from mcsec.store.server import StoredUser, csk_place, key_place
from mcsec.store.server_tables import (
    DeliveryState,
    affiliations,
    barred,
    bearers,
    csks,
    deliveries,
    keys,
    listeners,
    provenance,
    users,
)
from mcsec.store.wrapping import Wrapper


@dataclass(slots=True)
class ServerState:
    """What was written down. ``groups`` by user; ``holders`` by key; ``listeners`` are (user, TMGI, group or "");
    ``barred`` are (user, group).
    """

    users: list[StoredUser] = field(default_factory=list)
    csks: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    holders: dict[KeyId, set[str]] = field(default_factory=dict)
    listeners: list[tuple[str, str, str]] = field(default_factory=list)
    barred: set[tuple[str, str]] = field(default_factory=set)
    bearers: dict[str, str] = field(default_factory=dict)
    head: Head | None = None


async def load(database: Database) -> ServerState:
    """Read it all.

    :raises WrapError: a key was changed or moved. :raises StoreError: what lies there is not ours.
    """
    state = ServerState()
    wrapper = database.wrapper
    async with database.read() as connection:
        for row in await connection.execute(select(users)):
            path = tuple(json.loads(row.path))
            state.users.append(
                StoredUser(row.mc_service_id, row.impu, row.client_id, row.expires, row.contact, path)
            )
        for row in await connection.execute(select(csks)):
            state.csks[row.mc_service_id] = csk(row, wrapper)
        for row in await connection.execute(select(affiliations)):
            state.groups.setdefault(row.mc_service_id, set()).add(row.group_id)
        for row in await connection.execute(select(keys).order_by(keys.c.place)):
            state.epochs.append(epoch(row, wrapper))
        holding = deliveries.c.state == DeliveryState.HELD
        found = await connection.execute(
            select(deliveries.c.key_id, deliveries.c.mc_service_id).where(holding)
        )
        for key_id, user in found:
            state.holders.setdefault(KeyId(key_id), set()).add(user)
        for row in await connection.execute(select(listeners)):
            state.listeners.append((row.mc_service_id, row.tmgi, row.group_id))
        for row in await connection.execute(select(barred)):
            state.barred.add((row.mc_service_id, row.group_id))
        for row in await connection.execute(select(bearers)):
            state.bearers[row.tmgi] = row.description
        state.head = await _head(connection)
    return state


async def records(connection: AsyncConnection, first: int = 0, most: int = 1000) -> list[str]:
    """Lines of provenance, from sequence number ``first`` on."""
    rows = await connection.execute(
        select(provenance.c.line)
        .where(provenance.c.sequence >= first)
        .order_by(provenance.c.sequence)
        .limit(most)
    )
    return list(rows.scalars())


async def _head(connection: AsyncConnection) -> Head | None:
    row = await connection.execute(select(provenance.c.line).order_by(provenance.c.sequence.desc()).limit(1))
    line = row.scalar()
    if line is None:
        return None
    try:
        record = decode(line)
    except DecodeError as error:
        raise StoreError(
            f"the last record of provenance is none: {error}",
            code="store.provenance",
            hint="restore from a backup",
        ) from None
    return Head(record.sequence + 1, record.digest)


def csk(row: Any, wrapper: Wrapper) -> Key:
    """The CSK in a row.

    :raises WrapError: it was changed or moved.
    """
    key_id = KeyId(row.key_id)
    secret = wrapper.unwrap(row.wrapped, csk_place(row.mc_service_id, key_id))
    maker = Maker(row.maker_domain, row.maker_entity)
    scope = Scope.of(row.mc_service_id)
    return Key(key_id, secret, row.rand, scope, maker, row.created, row.activation, row.expiry)


def epoch(row: Any, wrapper: Wrapper) -> Epoch:
    """The key of the domain in a row, and where it is in its life.

    :raises WrapError: it was changed or moved.
    """
    key_id = KeyId(row.key_id)
    secret = wrapper.unwrap(row.wrapped, key_place(key_id))
    maker = Maker(row.maker_domain, row.maker_entity)
    scope = Scope(frozenset(json.loads(row.scope)))
    key = Key(key_id, secret, row.rand, scope, maker, row.created, row.activation, row.expiry)
    return Epoch(key, KeyState[row.state], row.since, row.until, row.blocking)
