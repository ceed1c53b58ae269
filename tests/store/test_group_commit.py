"""What is handed in is written once, whatever becomes of the way to the database in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from mcsec.crypto.secret import Secret
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.reservation import Block, Reserve
from mcsec.store import server
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.group_commit import GroupCommit, Write
from mcsec.store.kek import Kek
from mcsec.store.server_load import load
from mcsec.store.server_tables import provenance
from support.postgresql import PROGRAM, PostgreSql
from support.waiting import until

pytestmark = pytest.mark.anyio
needs_postgresql = pytest.mark.peer(PROGRAM)
KEK = Kek(Secret(bytes(32)))
WISH = Reserve(KeyId.random(PurposeTag.MUSIK), 1, 100)
_LINE = insert(provenance)


def line(number: int) -> Write:
    """What cannot be written twice."""
    return Write(_LINE, {"sequence": number, "line": "x"})


def user(number: int) -> Write:
    return server.put_user(server.StoredUser(f"sip:u{number}", f"sip:i{number}", "c", 0.0))


def reserve(connection: Connection) -> list[Block]:
    return server.reserve_blocks(connection, [WISH])


class Unheard:
    """A database whose answers are lost: of the ``which`` transactions, after the commit."""

    def __init__(self, database: Database, which: set[int]) -> None:
        self._transact, self._which, self._number = database.transact, which, 0
        database.transact = self.transact  # type: ignore[method-assign]

    async def transact(self, work: Callable[[Connection], Any]) -> Any:
        self._number += 1
        result = await self._transact(work)
        if self._number in self._which:
            raise StoreError("the connection was closed", passing=True)
        return result


@needs_postgresql
async def test_a_commit_whose_answer_was_lost_is_not_made_again(cluster: PostgreSql) -> None:
    database = await Database.open(Address(uri=cluster.database()), KEK)
    Unheard(database, {1, 2, 4})
    async with GroupCommit(database) as writer:
        blocks = (await writer.run(reserve)) + (await writer.run(reserve))
        await writer.write([line(0)])
    assert [(block.first, block.last) for block in blocks] == [(1, 100), (101, 200)]
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM mc_provenance"))).scalar() == 1
        assert (await connection.execute(text("SELECT count(*) FROM store_writer"))).scalar() == 0
    await database.close()


@needs_postgresql
async def test_postgresql_gone_for_a_while(cluster: PostgreSql) -> None:
    failures: list[StoreError] = []
    database = await Database.open(Address(uri=cluster.database()), KEK)
    async with GroupCommit(database, failures.append) as writer:
        await writer.write([user(0)])
        cluster.stop()
        try:
            waiting = [writer.submit([user(number)]) for number in range(1, 50)]
            await until(lambda: failures)
            assert not any(done.done() for done in waiting)
            assert writer.trouble is not None
        finally:
            cluster.start()
        await asyncio.gather(*waiting)
        assert writer.trouble is None
    assert len((await load(database)).users) == 50
    assert all(error.passing and error.hint for error in failures)
    await database.close()


async def test_who_is_refused_among_many_hears_it_alone(address: Address) -> None:
    database = await Database.open(address, KEK)
    async with GroupCommit(database) as writer:
        waiting = [writer.submit([line(number // 2)]) for number in range(10)]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(one, StoreError) for one in done] == [False, True] * 5
        # And then they share transactions again.
        before = writer.transactions
        await asyncio.gather(*(writer.write([user(number)]) for number in range(50)))
        assert writer.transactions - before <= 2
    await database.close()


@needs_postgresql
async def test_a_server_that_is_not_there_is_named(cluster: PostgreSql) -> None:
    directory = cluster.directory
    for uri, code, told in (
        (f"postgresql://mcsec@/t1?host={directory}/nowhere", "store.database", "PostgreSQL runs"),
        (f"postgresql://mcsec@/nowhere?host={directory}", "store.database", "createdb"),
        ("postgresql://mcsec:secret@127.0.0.1:1/x", "store.database", "PostgreSQL runs"),
    ):
        with pytest.raises(StoreError) as caught:
            await Database.open(Address(uri=uri), KEK)
        assert caught.value.code == code
        assert told in caught.value.hint
        assert "secret" not in caught.value.describe()


@needs_postgresql
async def test_commits_that_may_be_lost_are_refused(cluster: PostgreSql) -> None:
    uri = cluster.database()
    cluster.sql("ALTER ROLE mcsec SET synchronous_commit = off")
    try:
        with pytest.raises(StoreError) as caught:
            await Database.open(Address(uri=uri), KEK)
        assert caught.value.code == "store.not-durable"
    finally:
        cluster.sql("ALTER ROLE mcsec RESET synchronous_commit")
