"""What an MCX server writes down survives, deliveries are claimed once, indexes are reserved once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from mcsec.crypto.secret import Secret
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import KeyMade
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.lifecycle import Epoch, Step
from mcsec.keys.provenance import Chain, Record, verify
from mcsec.keys.records import decode
from mcsec.keys.reservation import Reserve
from mcsec.store import deliveries, server
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.deliveries import Claimed
from mcsec.store.group_commit import GroupCommit
from mcsec.store.kek import Kek, WrapError
from mcsec.store.server import StoredUser
from mcsec.store.server_load import load, records
from mcsec.store.server_tables import DeliveryState
from support.postgresql import PROGRAM, PostgreSql
from support.waiting import patience, until

NOW = 1_795_435_200.0
GROUP = "sip:rescue@b.example"
MAKER = Maker("a.example", "mcx.a.example")
KEK = Kek(Secret(bytes(32)))


@contextlib.asynccontextmanager
async def opened(address: Address) -> AsyncIterator[tuple[Database, GroupCommit]]:
    database = await Database.open(address, KEK)
    try:
        async with GroupCommit(database) as writer:
            yield database, writer
    finally:
        await database.close()


def musik(*groups: str) -> Key:
    scope = Scope.of(*groups) if groups else Scope()
    return make(PurposeTag.MUSIK, scope=scope, maker=MAKER, now=NOW, lifetime=3600)


def user(number: int) -> StoredUser:
    name = f"u{number}@a.example"
    return StoredUser(
        f"sip:{name}", f"sip:impu-{name}", f"urn:uuid:{number}", NOW + 60, "sip:1.2.3.4", ("<sip:p;lr>",)
    )


async def claim(writer: GroupCommit, now: float, most: int = 10, lease: float = 30) -> list[Claimed]:
    found = await writer.run(lambda connection: deliveries.claim(connection, most, now, now + lease))
    assert isinstance(found, list)
    return found


@pytest.mark.anyio
async def test_everything_is_there_after_a_restart(address: Address) -> None:
    key, csk = musik(GROUP), make(PurposeTag.CSK, scope=Scope.of("sip:u1@a.example"), maker=MAKER, now=NOW)
    epoch = Epoch(key, since=NOW).after(Step.OFFER, NOW, until=NOW + 30)
    chain = Chain("a.example")
    made = chain.note(KeyMade(NOW, key.key_id), key)
    assert isinstance(made, Record)
    async with opened(address) as (database, writer):
        await writer.write(
            [
                server.put_user(user(1)),
                server.put_csk("sip:u1@a.example", csk, database.wrapper),
                *server.affiliate("sip:u1@a.example", [GROUP], []),
                server.put_epoch(epoch, 0, database.wrapper),
                server.listening("sip:u1@a.example", "t", GROUP, True),
                server.put_bearer("t", "{}"),
                deliveries.wish("sip:u1@a.example", key.key_id, NOW),
                server.append(made),
            ]
        )
        (row,) = await claim(writer, NOW)
        await writer.write([deliveries.settle(row.row, DeliveryState.HELD)])
    async with opened(address) as (database, _):
        state = await load(database)
        async with database.read() as connection:
            lines = await records(connection)
    assert state.users == [user(1)]
    assert state.csks == {"sip:u1@a.example": csk}
    assert state.epochs == [epoch]
    assert state.epochs[0].key.rand == key.rand
    assert state.groups == {"sip:u1@a.example": {GROUP}}
    assert state.holders == {key.key_id: {"sip:u1@a.example"}}
    assert state.listeners == [("sip:u1@a.example", "t", GROUP)]
    assert state.bearers == {"t": "{}"}
    assert state.head == verify([decode(line) for line in lines], "a.example") == chain.head


@pytest.mark.anyio
async def test_keys_lie_wrapped_and_bound_to_their_rows(address: Address) -> None:
    one, other = musik(GROUP), musik("sip:other@b.example")
    async with opened(address) as (database, writer):
        for place, key in enumerate((one, other)):
            await writer.write([server.put_epoch(Epoch(key), place, database.wrapper)])
        if address.path is not None:
            octets = b"".join(path.read_bytes() for path in address.path.parent.iterdir())
            assert one.secret.reveal() not in octets
        async with database.begin() as connection:
            await connection.execute(
                text(
                    "update mc_key set wrapped = (select wrapped from mc_key where key_id = :one) where key_id = :two"
                ),
                {"one": one.key_id.value, "two": other.key_id.value},
            )
        with pytest.raises(WrapError):
            await load(database)


@pytest.mark.anyio
async def test_a_delivery_is_claimed_once_until_its_lease_ends(address: Address) -> None:
    key = musik(GROUP)
    async with opened(address) as (_, writer):
        await writer.write([server.put_user(user(number)) for number in range(5)])
        await writer.write(
            [
                write
                for number in range(4)
                for write in server.affiliate(user(number).mc_service_id, [GROUP], [])
            ]
        )
        await writer.write([deliveries.wish_for_many(key.key_id, [GROUP], NOW)])
        first = await claim(writer, NOW, most=3)
        second = await claim(writer, NOW)
        assert len(first) == 3
        assert {row.mc_service_id for row in first + second} == {
            user(number).mc_service_id for number in range(4)
        }
        assert await claim(writer, NOW + 29) == []
        again = await claim(writer, NOW + 31)
        assert {row.row for row in again} == {row.row for row in first + second}
        assert {row.attempt for row in again} == {2}
        # Asking for all of them again changes nothing for those that are under way or done.
        await writer.write([deliveries.settle(again[0].row, DeliveryState.HELD)])
        await writer.write([deliveries.wish_for_many(key.key_id, [GROUP], NOW)])
        assert await writer.run(deliveries.count) == {"sent": 3, "held": 1}


@pytest.mark.anyio
async def test_late_joiners_go_first_and_the_absent_wait(address: Address) -> None:
    key = musik()
    async with opened(address) as (_, writer):
        await writer.write([server.put_user(user(number)) for number in range(50)])
        await writer.write([deliveries.wish_for_many(key.key_id, None, NOW)])
        await writer.write(
            [deliveries.park("sip:u7@a.example"), deliveries.wish("sip:late@a.example", key.key_id, NOW)]
        )
        assert [row.mc_service_id for row in await claim(writer, NOW, most=1)] == ["sip:late@a.example"]
        rows = await claim(writer, NOW, most=100)
        assert "sip:u7@a.example" not in {row.mc_service_id for row in rows}
        assert len(rows) == 49
        await writer.write([deliveries.unpark("sip:u7@a.example", NOW)])
        assert [row.mc_service_id for row in await claim(writer, NOW)] == ["sip:u7@a.example"]


@pytest.mark.anyio
async def test_no_index_is_reserved_twice_even_after_a_restart(address: Address) -> None:
    key_id = KeyId.random(PurposeTag.MUSIK)
    wish = Reserve(key_id, 0xFFFFFFFF, 100)
    blocks = []
    for _ in range(3):
        async with opened(address) as (_, writer):
            blocks += await writer.run(lambda connection: server.reserve_blocks(connection, [wish, wish]))
    spans = [(block.first, block.last) for block in blocks]
    assert spans == [(100 * number + 1, 100 * number + 100) for number in range(6)]


@pytest.mark.anyio
async def test_a_write_that_no_database_takes_fails_alone(address: Address) -> None:
    async with opened(address) as (database, writer):
        await writer.write([server.put_user(user(1))])
        clash = StoredUser("sip:other@a.example", user(1).impu, "c", NOW)
        good = writer.submit([server.put_user(user(2))])
        bad = writer.submit([server.put_user(clash)])
        also_good = writer.submit([server.put_user(user(3))])
        await asyncio.gather(good, also_good)
        with pytest.raises(StoreError):
            await bad
        assert {stored.mc_service_id for stored in (await load(database)).users} == {
            user(number).mc_service_id for number in (1, 2, 3)
        }


@pytest.mark.anyio
async def test_many_writers_share_a_transaction(address: Address) -> None:
    async with opened(address) as (_, writer):
        await asyncio.gather(*(writer.write([server.put_user(user(number))]) for number in range(200)))
        assert writer.transactions <= 3


def _limit(connection: Connection, pages: int | None) -> None:
    """The file may have so many pages; None: those that it has."""
    most = pages or connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count={most}")


@pytest.mark.anyio
async def test_nothing_is_lost_while_the_disk_is_full(tmp_path: Path) -> None:
    failures: list[StoreError] = []
    database = await Database.open(tmp_path / "server.sqlite", KEK)
    try:
        # The limit is the writer's own, so it is set on the connection that it uses.
        await database.transact(lambda connection: _limit(connection, None))
        async with GroupCommit(database, failures.append) as writer:
            done = writer.submit([server.put_user(user(number)) for number in range(500)])
            await until(lambda: failures)
            assert not done.done()
            assert writer.trouble is not None
            await database.transact(lambda connection: _limit(connection, 1_000_000))
            await done
            assert writer.trouble is None
            assert len((await load(database)).users) == 500
        assert {error.code for error in failures} == {"store.database"}
    finally:
        await database.close()


@pytest.mark.anyio
async def test_who_sends_waits_for_a_key_that_moves_and_for_nothing_else(address: Address) -> None:
    epoch = Epoch(musik(GROUP), since=NOW).after(Step.OFFER, NOW, until=NOW + 30)
    async with opened(address) as (database, writer):
        moves = writer.submit([server.put_epoch(epoch, 0, database.wrapper)])
        assert not moves.done()
        await writer.settled()
        assert moves.done()
        plain = writer.submit([server.put_user(user(1))])
        await writer.settled()
        assert not plain.done()
        given_up = writer.submit([server.put_epoch(epoch, 1, database.wrapper)])
        given_up.cancel()
        await writer.settled()
        assert plain.done()


@pytest.mark.anyio
async def test_a_destroyed_key_leaves_the_file(tmp_path: Path) -> None:
    key, address = musik(GROUP), Address(path=tmp_path / "server.sqlite")
    async with opened(address) as (database, writer):
        write = server.put_epoch(Epoch(key), 0, database.wrapper)
        wrapped = write.values["wrapped"]
        await writer.write([write])
    assert wrapped in (tmp_path / "server.sqlite").read_bytes()
    async with opened(address) as (_, writer):
        await writer.write(server.drop_key(key.key_id))
    assert not any(wrapped in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.anyio
@pytest.mark.peer(PROGRAM)
async def test_two_processes_claim_different_deliveries_at_the_same_time(cluster: PostgreSql) -> None:
    address, key = Address(uri=cluster.database()), musik()
    async with opened(address) as (one, writer), opened(address) as (two, _):
        await writer.write([server.put_user(user(number)) for number in range(20)])
        await writer.write([deliveries.wish_for_many(key.key_id, None, NOW)])
        async with one.begin() as first, two.begin() as second, patience():
            mine = await first.run_sync(lambda c: deliveries.claim(c, 8, NOW, NOW + 30))
            theirs = await second.run_sync(lambda c: deliveries.claim(c, 20, NOW, NOW + 30))
        rows = {claimed.row for claimed in mine}, {claimed.row for claimed in theirs}
        assert (len(rows[0]), len(rows[1]), rows[0] & rows[1]) == (8, 12, set())


@pytest.mark.anyio
@pytest.mark.peer(PROGRAM)
async def test_two_processes_never_reserve_the_same_indexes(cluster: PostgreSql) -> None:
    address, wish = Address(uri=cluster.database()), Reserve(KeyId.random(PurposeTag.MUSIK), 1, 10)
    async with opened(address) as (_, one), opened(address) as (_, two):
        found = await asyncio.gather(
            *(
                writer.run(lambda connection: server.reserve_blocks(connection, [wish]))
                for _ in range(20)
                for writer in (one, two)
            )
        )
    firsts = sorted(block.first for (block,) in found)
    assert firsts == [10 * number + 1 for number in range(40)]


@pytest.mark.anyio
async def test_many_wishes_are_reserved_together(address: Address) -> None:
    """More than one statement takes; each wish has its own block, in the order in which they were made."""
    wishes = [Reserve(KeyId(0x2000_0000 + number % 700), number % 700, 10) for number in range(1100)]
    async with opened(address) as (_, writer):
        blocks = await writer.run(lambda connection: server.reserve_blocks(connection, wishes))
        assert await writer.run(lambda connection: server.reserve_blocks(connection, [])) == []
    assert [(block.key_id, block.ssrc) for block in blocks] == [(one.key_id, one.ssrc) for one in wishes]
    assert [block.first for block in blocks] == [1] * 700 + [11] * 400
