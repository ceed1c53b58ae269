"""A store moves between databases, goes into a sealed backup and comes back, and says that it did."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from mcsec.crypto.secret import Secret
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, Scope, make
from mcsec.keys.lifecycle import Epoch
from mcsec.store import backup, deliveries, life, moving, server
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.group_commit import GroupCommit
from mcsec.store.kek import Kek, WrapError
from mcsec.store.rekey import rekey
from mcsec.store.server_load import load
from mcsec.store.server_tables import users
from support.postgresql import PROGRAM, PostgreSql

pytestmark = pytest.mark.anyio
NOW = 1_795_435_200.0
KEK, OTHER, RECOVERY = (Kek(Secret(bytes([number]) * 32)) for number in range(3))
MAKER = Maker("a.example", "mcx.a.example")
KEY = make(PurposeTag.MUSIK, scope=Scope(), maker=MAKER, now=NOW, lifetime=3600)


@contextlib.asynccontextmanager
async def opened(where: Address, kek: Kek = KEK) -> AsyncIterator[Database]:
    database = await Database.open(where, kek)
    try:
        yield database
    finally:
        await database.close()


async def fill(database: Database, many: int = 1500) -> None:
    async with GroupCommit(database) as writer:
        await writer.write([server.put_epoch(Epoch(KEY), 0, database.wrapper)])
        await writer.write(
            server.put_user(server.StoredUser(f"sip:u{n}", f"sip:i{n}", "c", NOW)) for n in range(many)
        )
        await writer.write([deliveries.wish_for_many(KEY.key_id, None, NOW)])


async def wait_for_another(database: Database) -> None:
    async with GroupCommit(database) as writer:
        await writer.write([deliveries.wish("sip:another", KEY.key_id, NOW)])


@pytest.mark.peer(PROGRAM)
async def test_a_domain_moves_to_postgresql(tmp_path: Path, cluster: PostgreSql) -> None:
    file, there = Address(path=tmp_path / "server.db"), Address(uri=cluster.database())
    async with opened(file) as database:
        await fill(database)
        before = await load(database)
    source, target = await Database.reach(file), await Database.reach(there)
    carried = await moving.copy(source, target)
    assert (carried["mc_user"], carried["mc_delivery"], carried["data_key"]) == (1500, 1500, 1)
    with pytest.raises(StoreError) as caught:
        await moving.copy(source, target)
    assert caught.value.code == "store.not-empty"
    await source.close()
    await target.close()
    async with opened(there) as database:
        after = await load(database)
        assert (after.epochs, after.users) == (before.epochs, before.users)
        # Numbers that the database gives go on after those that came with the copy.
        await wait_for_another(database)


async def test_a_backup_of_a_store_that_is_written_to_is_of_one_moment(
    address: Address, tmp_path: Path
) -> None:
    async with opened(address) as database:
        await fill(database, 100)

        def pair(connection: Connection, number: int) -> None:
            for half in ("a", "b"):
                row = {"mc_service_id": f"{half}{number}", "impu": f"{half}{number}", "client_id": "pair"}
                connection.execute(insert(users).values(expires=NOW, contact="", path="[]", **row))

        async def write() -> None:
            for number in range(60):
                await database.transact(lambda connection, number=number: pair(connection, number))

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.02)
        await backup.write(address, tmp_path / "sealed", KEK, RECOVERY)
        await writing
    octets = (tmp_path / "sealed").read_bytes()
    assert KEY.secret.reveal() not in octets
    assert b"sip:u1" not in octets
    back = Address(path=tmp_path / "back.db")
    await backup.restore(tmp_path / "sealed", back, OTHER, RECOVERY, NOW)
    async with opened(back, OTHER) as database:
        state = await load(database)
        assert [epoch.key for epoch in state.epochs] == [KEY]
        halves = [user.mc_service_id for user in state.users if user.client_id == "pair"]
        assert len(halves) % 2 == 0
        assert (await database.transact(life.begin)).doubtful


async def test_a_backup_goes_back_into_either_database(address: Address, tmp_path: Path) -> None:
    file = Address(path=tmp_path / "first.db")
    async with opened(file) as database:
        await fill(database, 10)
        name = (await database.transact(life.begin)).name
    await backup.write(file, tmp_path / "sealed", KEK, RECOVERY)
    await backup.restore(tmp_path / "sealed", address, OTHER, RECOVERY, NOW)
    async with opened(address, OTHER) as database:
        assert len((await load(database)).users) == 10
        present = await database.transact(life.begin)
        assert (present.name, present.restored, present.doubtful) == (name, 1, True)
        (told,) = await database.transact(life.history)
        assert (told.reason, told.time) == ("restored from a backup", NOW)
        await database.transact(lambda connection: life.note_answered(connection, 1))
        assert not (await database.transact(life.begin)).doubtful
    with pytest.raises(StoreError) as caught:
        await backup.restore(tmp_path / "sealed", address, OTHER, RECOVERY, NOW)
    assert caught.value.code == "store.not-empty"


async def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    file = Address(path=tmp_path / "first.db")
    async with opened(file) as database:
        await fill(database, 10)
    with pytest.raises(WrapError):
        await backup.write(file, tmp_path / "sealed", OTHER, RECOVERY)
    with pytest.raises(StoreError):
        await backup.write(Address(path=tmp_path / "nowhere.db"), tmp_path / "sealed", KEK, RECOVERY)
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"first.db"}


async def test_a_log_that_was_left_behind_is_not_applied_to_what_is_restored(tmp_path: Path) -> None:
    file, back = Address(path=tmp_path / "first.db"), Address(path=tmp_path / "back.db")
    async with opened(file) as database:
        await fill(database, 10)
    await backup.write(file, tmp_path / "sealed", KEK, RECOVERY)
    (tmp_path / "back.db-wal").write_bytes(b"of another life")
    with pytest.raises(StoreError, match="exists") as caught:
        await backup.restore(tmp_path / "sealed", back, KEK, RECOVERY, NOW)
    assert "-wal" in caught.value.hint
    assert not (tmp_path / "back.db").exists()


@pytest.mark.parametrize("fresh", [False, True])
async def test_another_wrapping_key(address: Address, fresh: bool) -> None:
    async with opened(address) as database:
        await fill(database, 3)
    database = await Database.reach(address)
    try:
        with pytest.raises(WrapError):
            await rekey(database, OTHER, RECOVERY)
        assert await rekey(database, KEK, OTHER, fresh=fresh) == 1 + fresh
    finally:
        await database.close()
    with pytest.raises(WrapError) as caught:
        await Database.open(address, KEK)
    assert caught.value.code == "store.kek-wrong"
    async with opened(address, OTHER) as database:
        assert [epoch.key for epoch in (await load(database)).epochs] == [KEY]
        later = make(PurposeTag.MSCCK, scope=Scope.of("t"), maker=MAKER, now=NOW)
        async with GroupCommit(database) as writer:
            await writer.write([server.put_epoch(Epoch(later), 1, database.wrapper)])
    async with opened(address, OTHER) as database:
        assert [epoch.key for epoch in (await load(database)).epochs] == [KEY, later]
        async with database.read() as connection:
            wrapped = (await connection.execute(select(server.keys.c.wrapped))).scalars().all()
    assert len({blob[1:9] for blob in wrapped}) == 1 + fresh
