"""Deliveries for the server on duty are made of what the store says, and of what the KMS said last."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import select

from mcsec.crypto.secret import Secret
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.key import Maker, Scope, make
from mcsec.keys.lifecycle import Epoch
from mcsec.net.sip.peer import Hop
from mcsec.server.delivering import DeliverySettings
from mcsec.server.from_store import FromStore, Sender
from mcsec.server.function import FunctionSettings
from mcsec.server.sources import REVOKED_USER
from mcsec.store import deliveries, server
from mcsec.store.address import Address
from mcsec.store.database import Database
from mcsec.store.deliveries import BULK
from mcsec.store.group_commit import GroupCommit
from mcsec.store.kek import Kek
from mcsec.store.server import StoredUser
from mcsec.store.server_tables import DeliveryState
from mcsec.store.server_tables import deliveries as deliveries_table
from support.mc_server import DOMAIN, PSI, identity
from support.sharing import name

pytestmark = pytest.mark.anyio
REFUSED = select(deliveries_table.c.mc_service_id, deliveries_table.c.reason).where(
    deliveries_table.c.state == DeliveryState.REFUSED
)


async def test_a_revoked_user_is_given_no_key_by_another_server_either(tmp_path: Path) -> None:
    now, own = time.time(), identity(name(0))
    musik = make(PurposeTag.MUSIK, scope=Scope(), maker=Maker(DOMAIN, PSI), now=now)
    events: list[Event] = []
    database = await Database.open(Address(path=tmp_path / "domain.sqlite"), Kek(Secret(bytes(32))))
    try:
        async with GroupCommit(database) as writer:
            users = [StoredUser(name(number), name(number), "urn:uuid:1", now + 600) for number in range(2)]
            await writer.write(
                [
                    *map(server.put_user, users),
                    server.put_epoch(Epoch(musik), 0, database.wrapper),
                    *(deliveries.wish(user.mc_service_id, musik.key_id, now - 10, BULK) for user in users),
                ]
            )
            source = FromStore(
                database,
                writer,
                Sender(own.initiator, own.clients),
                Hop("TCP", "127.0.0.1", 5060),
                FunctionSettings(DOMAIN, PSI),
                DeliverySettings(),
                "127.0.0.1",
                events.extend,
            )
            builds, writes = (await source.claim(10, now, 30.0, BULK)).prepare(now)
            assert [one.uri for build in builds for one in build()] == [name(1)]
            await writer.write(writes)
            rows = await writer.run(lambda connection: connection.execute(REFUSED).all())
            assert rows == [(name(0), REVOKED_USER)]
            # Refused for good: nobody tries again.
            assert not (await source.claim(10, now + 3600, 30.0, BULK)).prepare(now)[1]
    finally:
        await database.close()
    assert events == []
