"""Deliveries whose answers are missing, slow or refusals: tried again, given up, recorded, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyDeliveryRefused, KeyHeld
from mcsec.keys.key import Maker, Scope, make
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import affiliation
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.events import DeliveryGivenUp, DeliveryRetried
from mcsec.server.users import User
from mcsec.store import server as written
from mcsec.store.deliveries import Claimed
from mcsec.store.server import StoredUser
from mcsec.store.server_tables import DeliveryState
from mcsec.wire.mc_sip import McpttWarning
from support.mc_server import GROUP, Running, running
from support.waiting import soon, until

pytestmark = pytest.mark.anyio
Answer = Callable[[Request], Response | Awaitable[Response]]


async def users(mcx: Running, count: int) -> None:
    """Users with CSKs, in the group."""
    function, now = mcx.server.function, time.time()
    writes = []
    for number in range(count):
        name = f"sip:many{number}@a.example"
        function.users.put(User(name, name, "urn:uuid:1", now + 3600, frozenset({GROUP})))
        writes.append(written.put_user(StoredUser(name, name, "urn:uuid:1", now + 3600)))
        writes += written.affiliate(name, [GROUP], [])
        function.engine.csks.held[name] = make(
            PurposeTag.CSK, scope=Scope.of(name), maker=Maker("a.example", name), now=now
        )
    await mcx.server.write(writes)


def deliver(
    directory: Path, answer: Answer, count: int = 1, *, attempts: int = 3, in_flight: int = 512
) -> Callable[[Callable[[Running], Awaitable[None]]], Awaitable[None]]:
    """Runs a server behind a SIP core that gives ``answer``."""

    async def with_server(check: Callable[[Running], Awaitable[None]]) -> None:
        def handle(request: Request, peer: Peer) -> Response | Awaitable[Response]:
            return answer(request)

        async with Endpoint(handle) as core:
            hop = Hop("TCP", "127.0.0.1", (await core.listen("TCP", "127.0.0.1"))[1])
            settings = DeliverySettings(in_flight, 16, 40.0, RetryPolicy(0.05, 0.1, attempts))
            async with running(
                directory, sip=EndpointSettings(outbound=hop), delivery=settings, default_musik=False
            ) as mcx:
                await users(mcx, count)
                await mcx.server.make_musik(Scope.of(GROUP))
                await check(mcx)

    return with_server


async def test_a_busy_client_is_asked_again(tmp_path: Path) -> None:
    statuses = iter((480, 503, 200))

    async def check(mcx: Running) -> None:
        await until(lambda: mcx.of(KeyHeld))
        assert [event.attempts for event in mcx.of(DeliveryRetried)] == [1, 2]  # type: ignore[attr-defined]
        assert await mcx.server.deliveries() == {"held": 1}

    await deliver(tmp_path, lambda request: make_response(request, next(statuses)))(check)


async def test_nobody_hears_of_a_held_key_before_the_disk_does(tmp_path: Path) -> None:
    found: list[int] = []

    async def check(mcx: Running) -> None:
        def look(event: Event) -> None:
            if isinstance(event, KeyHeld):
                with contextlib.closing(sqlite3.connect(tmp_path / "server.sqlite")) as file:
                    query = "SELECT state FROM mc_delivery WHERE key_id = ? AND mc_service_id = ?"
                    found.extend(*file.execute(query, (event.key_id.value, event.member)))

        mcx.server.hear(look)
        await until(lambda: len(found) == 40)

    await deliver(tmp_path, lambda request: make_response(request, 200), 40)(check)
    assert set(found) == {DeliveryState.HELD}


async def test_it_is_given_up_with_an_event(tmp_path: Path) -> None:
    async def check(mcx: Running) -> None:
        await until(lambda: mcx.of(DeliveryGivenUp))
        (event,) = mcx.of(DeliveryGivenUp)
        assert (event.attempts, event.reason) == (3, "480")  # type: ignore[attr-defined]
        assert await mcx.server.deliveries() == {"failed": 1}

    await deliver(tmp_path, lambda request: make_response(request, 480))(check)


async def test_a_refusal_is_recorded_with_its_reason(tmp_path: Path) -> None:
    def refuse(request: Request) -> Response:
        return make_response(request, 488, headers=[McpttWarning.MIKEY_FAILED.header("a.example")])

    async def check(mcx: Running) -> None:
        await until(lambda: mcx.of(KeyDeliveryRefused))
        (event,) = mcx.of(KeyDeliveryRefused)
        assert event.reason.startswith("488 136 authentication of the MIKEY-SAKE")  # type: ignore[attr-defined]
        assert await mcx.server.deliveries() == {"refused": 1}

    await deliver(tmp_path, refuse)(check)


async def test_no_more_are_in_flight_than_configured(tmp_path: Path) -> None:
    now, most = 0, 0

    async def slowly(request: Request) -> Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return make_response(request, 200)

    async def check(mcx: Running) -> None:
        await until(lambda: len(mcx.of(KeyHeld)) == 100)
        assert most <= 20
        assert most > 5

    await deliver(tmp_path, slowly, 100, in_flight=20)(check)


async def test_what_is_queued_is_not_in_memory(tmp_path: Path) -> None:
    alive: list[int] = []

    async def slowly(request: Request) -> Response:
        if len(alive) < 3:
            alive.append(sum(isinstance(one, Claimed) for one in gc.get_objects()))
        await asyncio.sleep(0.01)
        return make_response(request, 480)

    async def check(mcx: Running) -> None:
        await until(lambda: len(mcx.of(DeliveryRetried)) > 100)
        assert (await mcx.server.deliveries())["wanted"] > 1000
        alive.append(sum(isinstance(one, Claimed) for one in gc.get_objects()))
        # In flight, or answered and about to be written down; not one of those that wait.
        assert max(alive) < 200

    await deliver(tmp_path, slowly, 1500, in_flight=20, attempts=8)(check)


async def test_a_late_joiner_overtakes_the_queue(tmp_path: Path) -> None:
    order: list[str] = []

    async def slowly(request: Request) -> Response:
        order.append(request.uri)
        await asyncio.sleep(0.05)
        return make_response(request, 200)

    async def check(mcx: Running) -> None:
        function, now = mcx.server.function, time.time()
        late = User("sip:late@a.example", "sip:late@a.example", "urn:uuid:1", now + 3600)
        function.users.put(late)
        await mcx.server.write([written.put_user(StoredUser(late.impu, late.impu, "urn:uuid:1", now + 3600))])
        await mcx.server.carry_out(affiliation.affiliate(function, late, frozenset({GROUP}), now))
        await until(lambda: late.impu in order)
        assert len(order) < 60, "it did not wait for the two hundred"

    await deliver(tmp_path, slowly, 200, in_flight=8)(check)


async def test_who_gets_a_key_that_was_revoked_on_its_way_is_told(tmp_path: Path) -> None:
    revoked = asyncio.Event()
    asked = 0

    async def late(request: Request) -> Response:
        nonlocal asked
        asked += 1
        await revoked.wait()
        return make_response(request, 200)

    async def check(mcx: Running) -> None:
        await until(lambda: asked)
        (rotation,) = mcx.server.function.engine.keydown.rotations
        (epoch,) = rotation.epochs
        await mcx.server.revoke(epoch.key.key_id, "a test")
        revoked.set()
        # The key, and then that it is revoked.
        await until(lambda: asked == 2)

        async def settled() -> bool:
            return not await mcx.server.deliveries()

        await until(settled)
        assert not mcx.of(KeyHeld)

    await deliver(tmp_path, late)(check)


async def test_what_is_being_claimed_when_a_server_is_drained_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claiming, go = asyncio.Event(), asyncio.Event()

    async def check(mcx: Running) -> None:
        await until(lambda: len(mcx.of(KeyHeld)) == 20)
        source = mcx.server._source
        claim = source.claim

        async def slowly(*asked: Any) -> Any:
            claiming.set()
            await go.wait()
            return await claim(*asked)

        monkeypatch.setattr(source, "claim", slowly)
        await mcx.server.make_musik(Scope.of(GROUP))
        await soon(claiming.wait())
        draining = asyncio.ensure_future(mcx.server.drain(60.0))
        for _ in range(10):
            await asyncio.sleep(0)
        # Whoever ends the server then would leave what it is claiming to nobody.
        assert not draining.done()
        go.set()
        await draining
        assert await mcx.server.deliveries() == {"wanted": 20, "held": 20}

    await deliver(tmp_path, lambda request: make_response(request, 200), 20)(check)


async def test_a_server_that_is_drained_leaves_nothing_claimed(tmp_path: Path) -> None:
    go, asked = asyncio.Event(), 0

    async def wait(request: Request) -> Response:
        nonlocal asked
        asked += 1
        await go.wait()
        return make_response(request, 200)

    async def check(mcx: Running) -> None:
        await until(lambda: asked == 20)
        draining = asyncio.ensure_future(mcx.server.drain(60.0))
        await asyncio.sleep(0)
        go.set()
        await draining
        counts = await mcx.server.deliveries()
        assert set(counts) == {"wanted", "held"}
        assert counts["held"] == asked

    await deliver(tmp_path, wait, 100, in_flight=20)(check)
