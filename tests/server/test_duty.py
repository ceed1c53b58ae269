"""Of several servers on one PostgreSQL one is on duty; whoever lost it sends nothing and commits nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text

from mcsec.crypto.secret import Secret
from mcsec.errors import WrongState
from mcsec.keys.events import Event
from mcsec.keys.key import Scope
from mcsec.server import duty
from mcsec.server.duty import Duty
from mcsec.server.events import DutyLost, DutyTaken, StandingBy
from mcsec.server.function import FunctionSettings
from mcsec.server.service import McServer, ServiceSettings
from mcsec.store import audit
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.kek import Kek
from mcsec.store.server_tables import leases
from support.mc_server import DOMAIN, identity
from support.postgresql import PROGRAM, PostgreSql, postgresql
from support.waiting import soon, until

pytestmark = [pytest.mark.anyio, pytest.mark.peer(PROGRAM)]
KEK = Kek(Secret(bytes(32)))


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgreSql]:
    with postgresql() as found:
        yield found


class Node:
    """One server's database and turn."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.events: list[Event] = []
        self.ahead = 0.0
        self.duty = Duty(database, self.events.extend, lambda: time.monotonic() + self.ahead)

    async def silent(self) -> None:
        """Its lease is over, by its own clock and by that of the database: it hangs, or nothing reaches that."""
        self.ahead += duty.LEASE
        async with self.database.begin() as connection:
            await connection.execute(leases.update().values(until=0))

    async def reaches_the_database(self) -> bool:
        """What was kept of connections to a database that was stopped is thrown away with the first error."""
        try:
            async with self.database.read():
                return True
        except StoreError:
            return False

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[McServer]:
        settings = ServiceSettings(FunctionSettings(DOMAIN, f"sip:mcptt@{DOMAIN}"))
        async with McServer(
            self.database,
            identity(),
            settings,
            verify=None,  # type: ignore[arg-type]
            may_join=lambda user, group: True,
            duty=self.duty,
        ) as server:
            yield server

    def told(self) -> list[type[Event]]:
        return [type(event) for event in self.events]


@contextlib.asynccontextmanager
async def nodes(uri: str, number: int) -> AsyncIterator[list[Node]]:
    databases = [await Database.open(Address(uri=uri), KEK) for _ in range(number)]
    try:
        yield [Node(database) for database in databases]
    finally:
        for database in databases:
            await database.close()


async def test_one_is_on_duty_and_gives_it_back(cluster: PostgreSql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "LEASE", 100.0)
    async with nodes(cluster.database(), 2) as (one, two):
        await one.duty.wait()
        waiting = asyncio.ensure_future(two.duty.wait())
        await until(lambda: two.told())
        await asyncio.sleep(0.1)
        assert (one.duty.ours, two.duty.ours, waiting.done()) == (True, False, False)
        assert (one.told(), two.told()) == ([DutyTaken], [StandingBy])
        await one.duty.give_back()
        await soon(waiting)
        assert (one.duty.ours, two.duty.ours) == (False, True)


async def test_whoever_cannot_prolong_its_lease_stops_before_the_end(
    cluster: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty, "LEASE", 1000.0)
    monkeypatch.setattr(duty, "_MARGIN", 100.0)
    async with nodes(cluster.database(), 1) as (one,):
        await one.duty.wait()
        one.ahead = 800.0
        assert one.duty.ours
        # Another one may have it in 100 s at the earliest; what is sent now may leave late.
        one.ahead = 950.0
        assert not one.duty.ours


async def test_a_lease_ends_by_itself(cluster: PostgreSql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "LEASE", 0.5)
    async with nodes(cluster.database(), 2) as (one, two):
        before = time.monotonic()
        await one.duty.wait()
        await two.duty.wait()
        assert time.monotonic() - before > 0.49
        assert not one.duty.ours


async def test_whoever_is_cut_off_in_a_transaction_holds_nobody_up(
    cluster: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty, "LEASE", 0.5)
    async with nodes(cluster.database(), 2) as (one, two):
        await one.duty.wait()
        with contextlib.suppress(StoreError):
            async with one.database.begin() as connection:
                # The last that the database hears of it: it has the lock of the lease, and does not commit.
                await connection.run_sync(one.duty.fence)
                monkeypatch.setattr(duty, "LEASE", 100.0)
                await soon(two.duty.wait())
        assert two.duty.ours


async def test_a_silent_one_is_followed_and_can_do_nothing_any_more(
    cluster: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough that a slow machine loses no duty; that a lease ends is what the test says.
    monkeypatch.setattr(duty, "LEASE", 100.0)
    async with nodes(cluster.database(), 2) as (one, two):
        await one.duty.wait()
        async with one.serving() as first:
            await first.make_musik(Scope.of("sip:g@a.example"))
            await one.silent()
            await two.duty.wait()
            assert not one.duty.ours
            with pytest.raises(WrongState):
                await first.send(lambda now: "a packet")
            assert first.send_now(lambda now: "a packet") is None
            # Even if its clock stood still, nothing that it writes counts.
            one.ahead = -3600.0
            with pytest.raises(StoreError) as caught:
                await first.make_musik(Scope.of("sip:other@a.example"))
            assert caught.value.code == "store.not-on-duty"
            async with two.serving() as second:
                await second.make_musik(Scope.of("sip:third@a.example"))
                assert await second.send(lambda now: "a packet") == "a packet"
        async with two.database.read() as connection:
            head = await connection.run_sync(lambda c: audit.verify(c, DOMAIN))
            scopes = (await connection.execute(text("SELECT scope FROM mc_key"))).scalars().all()
        assert head.length > 0
        assert set(scopes) == {"[]", '["sip:g@a.example"]', '["sip:third@a.example"]'}


async def test_duty_is_kept_while_the_server_is_well_and_lost_when_the_database_is_gone(
    cluster: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty, "LEASE", 100.0)
    monkeypatch.setattr(duty, "_PROLONG", 0.05)
    async with nodes(cluster.database(), 1) as (one,):
        await one.duty.wait()
        keeping = asyncio.ensure_future(one.duty.keep())
        for _ in range(3):
            # The lease that it has is over soon, and prolonged before.
            one.ahead += 60.0
            await until(lambda: one.duty._until - (time.monotonic() + one.ahead) > 90.0)
            assert one.duty.ours
        cluster.stop()
        try:
            one.ahead += 100.0
            await soon(one.duty.lost.wait())
        finally:
            cluster.start()
        await keeping
        assert one.told() == [DutyTaken, DutyLost]
        await until(one.reaches_the_database)
        await one.silent()
        # When the database is back, whoever is started next is on duty at once.
        again = Node(one.database)
        await soon(again.duty.wait())
