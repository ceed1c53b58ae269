"""Servers on one PostgreSQL deliver at once: every client once, holders known to the one on duty, whoever sent."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from mcsec.client import keydown
from mcsec.keys.events import KeyDeliveryRefused, KeyHeld, KeyInstalled, KeyRevoked
from mcsec.keys.key import Scope
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.message import Request, Response
from mcsec.server.events import DeliveryRetried, NodeCame, NodeGone, UpkeepFailed
from mcsec.server.presence import Presence
from mcsec.store import audit, deliveries
from mcsec.store.address import Address
from mcsec.store.database import Database
from mcsec.store.deliveries import BULK
from mcsec.store.nodes import Task
from mcsec.store.server_tables import deliveries as table
from mcsec.wire import mc_bodies, multipart
from mcsec.wire.mc_sip import McpttWarning
from mcsec.wire.xmlsec import XmlKeys
from support.mc_clients import engine
from support.mc_server import BEARER, DOMAIN, GROUP
from support.postgresql import PROGRAM, PostgreSql, postgresql
from support.sharing import IN_FLIGHT, KEK, Server, a_server, name, settings, sip_core, two_servers, users
from support.waiting import patience, until

pytestmark = [pytest.mark.anyio, pytest.mark.peer(PROGRAM)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgreSql]:
    with postgresql() as found:
        yield found


def held(server: Server) -> list[str]:
    return sorted(event.member for event in server.events if isinstance(event, KeyHeld))


async def settled(server: Server, **counts: int) -> None:
    """Until deliveries are in these states."""

    async def there() -> bool:
        return await server.mcx.deliveries() == counts

    await until(there)


async def test_both_deliver_and_nobody_is_served_twice(cluster: PostgreSql) -> None:
    async with sip_core() as core, two_servers(cluster.database(), settings(core)) as (one, two):
        core.answer = core.when_both_sent
        await users(one.mcx, 200)
        await one.mcx.make_musik(Scope.of(GROUP))
        await until(lambda: len(held(one)) == 200)
        everybody = sorted(name(number) for number in range(200))
        assert held(one) == sorted(core.times) == everybody
        assert set(core.times.values()) == {1}
        assert 0 < one.delivered < 200
        await until(lambda: one.delivered + one.others() == 200)
        await settled(one, held=200)
        (rotation,) = one.mcx.function.engine.keydown.rotations
        (epoch,) = rotation.epochs
        assert all(rotation.audience.holds(user, epoch.key.key_id) for user in everybody)
        # The one that only delivers knows nothing and decides nothing.
        assert held(two) == []
        await one.stop()
        await until(lambda: two.serving)
        (rotation,) = two.mcx.function.engine.keydown.rotations
        assert all(rotation.audience.holds(user, epoch.key.key_id) for user in everybody)


async def test_what_the_other_sends_opens_and_a_revocation_follows(cluster: PostgreSql) -> None:
    async with sip_core() as core, two_servers(cluster.database(), settings(core)) as (one, _):
        csks = await users(one.mcx, 1)
        await one.mcx.drain(5.0)
        await one.mcx.make_musik(Scope.of(GROUP))
        await until(lambda: held(one) == [name(0)])
        (rotation,) = one.mcx.function.engine.keydown.rotations
        assert rotation.sending is not None
        await one.mcx.revoke(rotation.sending.key_id, "a test")
        await settled(one)
        client, csk = engine(name(0)), csks[name(0)]
        keys = XmlKeys.derive(csk.secret, csk.key_id, name(0))
        told = []
        for request in core.came:
            parts = multipart.decode(request.headers.get("Content-Type") or "", request.body)
            body = mc_bodies.read(parts, lambda key_id: keys, protected=True)
            assert body.info.request_uri == name(0)
            told += keydown.take(body, client, time.time())
        assert [type(event) for event in told][:2] == [KeyInstalled, KeyRevoked]
        assert len(core.came) == 2
        await until(lambda: one.others() == 2)


async def test_bearers_are_announced_by_the_other_too(cluster: PostgreSql) -> None:
    async with sip_core() as core, two_servers(cluster.database(), settings(core)) as (one, _):
        await users(one.mcx, 3)
        await one.mcx.drain(5.0)
        await one.mcx.announce(BEARER)
        await until(lambda: len(held(one)) == 3)
        assert all(b"application/sdp" in request.body for request in core.came)
        await one.mcx.withdraw(BEARER.tmgi)
        await settled(one)
        assert not any(b"application/sdp" in request.body for request in core.came[3:])
        assert len(core.came) == 6
        await until(lambda: one.others() == 6)


async def test_refusals_and_silence_are_dealt_with(cluster: PostgreSql) -> None:
    def answer(request: Request) -> Response:
        if request.uri == name(0):
            return make_response(request, 488, headers=[McpttWarning.MIKEY_FAILED.header(DOMAIN)])
        return make_response(request, 480 if core.times[request.uri] < 3 else 200)

    async with sip_core() as core, two_servers(cluster.database(), settings(core)) as (one, two):
        core.answer = answer
        await users(one.mcx, 2)
        await one.mcx.drain(5.0)
        await one.mcx.make_musik(Scope.of(GROUP))
        await until(lambda: one.of(KeyDeliveryRefused) and held(one))
        await settled(one, held=1, refused=1)
        (refused,) = one.of(KeyDeliveryRefused)
        assert isinstance(refused, KeyDeliveryRefused)
        assert (refused.member, refused.reason[:8]) == (name(0), "488 136 ")
        assert held(one) == [name(1)]
        assert len(two.of(DeliveryRetried)) == 2


async def test_without_a_core_only_who_is_behind_a_proxy_is_reached_by_the_other(cluster: PostgreSql) -> None:
    async with sip_core() as proxy, two_servers(cluster.database(), settings(None)) as (one, _):
        await users(one.mcx, 2)
        await users(one.mcx, 1, f"<sip:127.0.0.1:{proxy.port};transport=tcp;lr>")
        await one.mcx.drain(5.0)
        await one.mcx.make_musik(Scope.of(GROUP))
        await settled(one, held=1, wanted=1)
        (request,) = proxy.came
        assert request.headers.get("Route") == f"<sip:127.0.0.1:{proxy.port};transport=tcp;lr>"
        await until(lambda: one.others() == 1)


async def test_what_a_killed_server_claimed_is_delivered_when_it_is_missed(cluster: PostgreSql) -> None:
    """Its leases last longer than the test waits."""
    uri = cluster.database()
    async with sip_core() as core, a_server(uri, settings(core)) as one:
        await until(lambda: one.serving)
        assert one.database is not None
        two = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "support.node_process", uri, str(core.port)),
            stdout=PIPE,
            cwd=Path(__file__).parents[1],
        )
        try:
            assert two.stdout is not None
            async with patience():
                while b"DeliveringToo" not in await two.stdout.readline():
                    pass
            await until(lambda: Task.DELIVERING in {node.task for node in one.presence.nodes.values()})
            (other,) = one.presence.nodes.keys() - {one.presence.node}
            core.answer = core.on_the_word
            await users(one.mcx, 60)
            await one.mcx.make_musik(Scope.of(GROUP))
            await until(lambda: len(core.came) > IN_FLIGHT, "both have sent")
        finally:
            two.kill()
            await two.wait()
        async with one.database.read() as connection:
            claimed = select(table.c.mc_service_id).where(table.c.node == other)
            theirs = set((await connection.execute(claimed)).scalars())
        assert theirs
        core.go.set()
        await until(lambda: len(held(one)) == 60)
        assert held(one) == sorted(core.times)
        (gone,) = one.of(NodeGone)
        assert gone.node == other  # type: ignore[attr-defined]
        assert {user for user, times in core.times.items() if times > 1} <= theirs
        await settled(one, held=60)


async def test_what_a_server_claimed_that_hangs_is_delivered_when_its_lease_ends(cluster: PostgreSql) -> None:
    uri = cluster.database()
    async with sip_core() as core, a_server(uri, settings(core)) as one:
        await until(lambda: one.serving)
        await users(one.mcx, 10)
        await one.mcx.drain(5.0)
        await one.mcx.make_musik(Scope.of(GROUP))
        # As one that says that it is there, and does nothing.
        assert one.database is not None
        claimed, now = time.monotonic(), time.time()
        async with one.database.begin() as connection:
            rows = await connection.run_sync(lambda c: deliveries.claim(c, 4, now, now + 2.0, BULK))
        async with a_server(uri, settings(core)):
            await until(lambda: len(held(one)) == 6)
            assert core.times.keys().isdisjoint(row.mc_service_id for row in rows)
            await until(lambda: len(held(one)) == 10)
            assert time.monotonic() - claimed >= 2.0
        assert set(core.times.values()) == {1}
        await settled(one, held=10)


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
async def test_clocks_that_differ_by_hours_disturb_nothing(cluster: PostgreSql, ahead: float) -> None:
    async with (
        sip_core() as core,
        two_servers(cluster.database(), settings(core), ahead=ahead) as (one, _),
    ):
        core.answer = core.when_both_sent
        await users(one.mcx, 100)
        await one.mcx.make_musik(Scope.of(GROUP))
        await until(lambda: len(held(one)) == 100)
        assert set(core.times.values()) == {1}
        await until(one.others)


async def test_how_clocks_differ_is_remembered_while_the_store_is_away(cluster: PostgreSql) -> None:
    database = await Database.open(Address(uri=cluster.database()), KEK)
    try:
        on_duty = Presence(database, lambda told: None, lambda: time.time() + 100.0)
        other = Presence(database, lambda told: None, lambda: time.time() + 7200.0)
        on_duty.task = Task.ON_DUTY
        await on_duty.say()
        await other.say()
        saying = asyncio.create_task(other.keep())
        cluster.stop()
        try:
            await until(lambda: not other.nodes)
            # What it claims now would be another's only two hours after it was killed.
            assert abs(other.by_the_one_on_duty() - time.time() - 100.0) < 60.0
        finally:
            cluster.start()
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
    finally:
        await database.close()


async def test_a_key_that_does_not_open_stops_only_that_server(cluster: PostgreSql) -> None:
    uri = cluster.database()
    async with sip_core() as core, two_servers(uri, settings(core)) as (one, two):
        await users(one.mcx, 20)
        await one.mcx.drain(5.0)
        assert two.database is not None
        # As after `mcsec store rekey --fresh`, which the other one was not started again for.
        two.database.wrapper._ciphers.clear()
        await one.mcx.make_musik(Scope.of(GROUP))
        await until(lambda: two.of(UpkeepFailed))
        await settled(one, wanted=20)
        assert not core.came
        async with a_server(uri, settings(core)):
            await until(lambda: len(held(one)) == 20)
        assert set(core.times.values()) == {1}


async def test_each_is_told_of_the_others(cluster: PostgreSql) -> None:
    uri = cluster.database()
    async with sip_core() as core, two_servers(uri, settings(core)) as (one, two):
        (came,) = [event for event in two.of(NodeCame) if event.task == "on duty"]  # type: ignore[attr-defined]
        assert came.node == one.presence.node  # type: ignore[attr-defined]
        await two.stop()
        await until(lambda: one.of(NodeGone))
        async with a_server(uri, settings(core)) as three:
            await until(lambda: "DeliveringToo" in three.told())
        assert not one.of(UpkeepFailed)


async def test_one_after_the_other_is_started_anew_while_keys_go_out(cluster: PostgreSql) -> None:
    uri = cluster.database()
    # So slowly that there is something to be delivered whoever is stopped.
    slow = {"rate": 75.0}
    async with sip_core() as core, two_servers(uri, settings(core, **slow)) as (one, two):
        core.answer = core.when_both_sent
        await users(one.mcx, 150)
        await one.mcx.make_musik(Scope.of(GROUP))
        await until(lambda: one.delivered and one.others())
        await two.stop()
        async with a_server(uri, settings(core, **slow)) as three:
            await until(lambda: "DeliveringToo" in three.told())
            await one.stop()
            await until(lambda: three.serving)
            async with a_server(uri, settings(core, **slow)):
                await settled(three, held=150)
            assert set(core.times.values()) == {1}
            assert len(core.times) == 150
            assert three.database is not None
            async with three.database.read() as connection:
                head = await connection.run_sync(lambda c: audit.verify(c, DOMAIN))
            assert head.length > 150 / 20
            (rotation,) = three.mcx.function.engine.keydown.rotations
            assert len(rotation.audience.members) == 150
