"""A next hop that is gone for longer than clients are given: nobody is given up, everybody is served in the end."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from mcsec.keys.events import Event, KeyHeld
from mcsec.keys.key import Scope
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import BadMessage, NoAnswer, Unreachable
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.timers import Timings
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.events import DeliveryGivenUp, DeliveryRetried, NextHopBack, NextHopGone
from mcsec.server.reaching import ProbePolicy, Reaching
from support.mc_server import GROUP, Running, running
from support.sharing import users
from support.simulated_loop import simulated
from support.waiting import until

CORE = Hop("TCP", "192.0.2.1", 5060)
PROXY = Hop("UDP", "192.0.2.2", 5060)
GONE, SILENT = Unreachable("refused"), NoAnswer("not in time")


class Air:
    """An endpoint as far as probes go: ``said`` is what every one comes to, ``asked`` when each was sent."""

    def __init__(self, outbound: Hop | None = CORE) -> None:
        self.settings = EndpointSettings(outbound=outbound)
        self.said: Exception | None = GONE
        self.asked: list[float] = []
        self.under_way = 0
        self.requests: list[Request] = []

    async def request(self, request: Request, target: Hop) -> Response:
        loop = asyncio.get_running_loop()
        assert self.under_way == 0, "one probe at a time"
        self.under_way += 1
        self.asked.append(loop.time())
        self.requests.append(request)
        try:
            if isinstance(self.said, NoAnswer):
                await asyncio.sleep(self.settings.timings.lifetime)
            if self.said is not None:
                raise self.said
            return make_response(request, 483)
        finally:
            self.under_way -= 1


class Hops:
    """What is known of next hops, and what was told."""

    def __init__(self, air: Air) -> None:
        self.told: list[Event] = []
        self.lost: list[Outcome] = []
        self.judged: list[Outcome] = []
        self.reaching = Reaching(
            cast(Endpoint, air),
            "sip:mcptt@a.example",
            ProbePolicy(1.0, 30.0),
            self.told.extend,
            asyncio.get_running_loop().time,
            self.known,
        )

    def known(self, outcomes: list[Outcome], lost: bool) -> None:
        (self.lost if lost else self.judged).extend(outcomes)

    def came(self, error: Exception | None, delivery: Delivery | None = None) -> bool | None:
        to = delivery or Delivery("sip:alice@a.example", b"")
        outcome = Outcome(to, 480 if error is None else None, error=cast(Unreachable, error))
        return self.reaching.look(outcome)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.told]


def test_an_hour_of_probes_and_back() -> None:
    async def story() -> None:
        air = Air()
        hops = Hops(air)
        assert hops.came(GONE) is True
        assert hops.reaching.closed
        assert not hops.reaching.admits(Delivery("sip:bob@a.example", b""))
        # What was on the way when it went says nothing new.
        assert hops.came(GONE) is True
        assert hops.came(SILENT) is True
        await asyncio.sleep(3600.0)
        gaps = [later - earlier for earlier, later in zip(air.asked, air.asked[1:], strict=False)]
        assert air.asked[0] == pytest.approx(1.0)
        assert gaps[:5] == pytest.approx([2.0, 4.0, 8.0, 16.0, 30.0])
        assert set(map(round, gaps[4:])) == {30}
        assert hops.names == ["NextHopGone"]
        assert hops.reaching.closed
        air.said = None
        await asyncio.sleep(31.0)
        assert hops.names == ["NextHopGone", "NextHopBack"]
        gone, back = hops.told
        assert isinstance(gone, NextHopGone)
        assert isinstance(back, NextHopBack)
        assert (gone.hop, gone.reason) == ("TCP 192.0.2.1:5060", "sip.unreachable")
        assert 3600.0 <= back.seconds <= 3631.0
        assert not hops.reaching.closed
        asked = len(air.asked)
        await asyncio.sleep(600.0)
        assert len(air.asked) == asked
        probe = air.requests[0]
        assert (probe.method, probe.uri) == ("OPTIONS", "sip:192.0.2.1:5060")
        assert probe.headers.get("Max-Forwards") == "0"

    simulated(story())


def test_a_hop_that_breaks_under_every_delivery_is_not_tried_every_second() -> None:
    async def story() -> None:
        air = Air()
        air.said = None
        hops = Hops(air)
        for _ in range(20):
            assert hops.came(GONE) is True
            while hops.reaching.closed:
                await asyncio.sleep(1.0)
        assert asyncio.get_running_loop().time() > 400.0
        # A delivery that is answered, however, makes up for it.
        assert hops.came(None) is False
        before = asyncio.get_running_loop().time()
        hops.came(GONE)
        while hops.reaching.closed:
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - before < 2.0

    simulated(story())


def test_silence_is_the_clients_where_the_hop_was_heard_or_answers() -> None:
    async def story() -> None:
        air = Air()
        air.said = None
        hops = Hops(air)
        # Nothing was heard: the hop is asked, and nothing is sent to it meanwhile. It answers.
        assert hops.came(SILENT) is None
        assert hops.reaching.closed
        await asyncio.sleep(0.1)
        assert len(hops.judged) == 1
        assert not hops.reaching.closed
        # It was heard just now.
        assert hops.came(SILENT) is False
        assert len(air.asked) == 1
        assert hops.told == []
        await asyncio.sleep(60.0)
        assert hops.came(SILENT) is None
        await asyncio.sleep(0.1)
        assert (len(air.asked), len(hops.judged), len(hops.lost)) == (2, 2, 0)
        # What is wrong with one delivery is not the hop's fault.
        assert hops.came(BadMessage("no URI")) is False

    simulated(story())


def test_a_silent_hop_gets_one_delivery_with_each_probe() -> None:
    async def story() -> None:
        air = Air()
        air.said = SILENT
        hops = Hops(air)
        one = Delivery("sip:alice@a.example", b"")
        assert hops.came(SILENT) is None
        assert hops.came(SILENT) is None
        await asyncio.sleep(33.0)
        assert (len(hops.lost), hops.names) == (2, ["NextHopGone"])
        # It may be one that answers no OPTIONS: one delivery may go, and no second one.
        assert hops.reaching.trying
        assert hops.reaching.admits(one)
        assert hops.reaching.closed
        assert not hops.reaching.admits(one)
        assert hops.came(SILENT) is True
        await asyncio.sleep(34.0)
        assert hops.reaching.trying
        assert hops.reaching.admits(one)
        # Any answer counts, also one that is no use for the delivery itself.
        assert hops.came(None) is False
        assert hops.names == ["NextHopGone", "NextHopBack"]
        assert not hops.reaching.closed
        assert not hops.reaching.trying

    simulated(story())


def test_what_was_kept_is_given_back_at_the_end() -> None:
    async def story() -> None:
        air = Air()
        air.said = SILENT
        hops = Hops(air)
        hops.came(SILENT)
        await asyncio.sleep(0.1)
        await hops.reaching.close()
        assert len(hops.lost) == 1
        assert air.under_way == 0

    simulated(story())


def test_without_a_core_a_proxy_counts_and_a_client_does_not() -> None:
    async def story() -> None:
        hops = Hops(Air(None))
        own = Delivery("sip:alice@192.0.2.9", b"", Hop("TCP", "192.0.2.9", 5060))
        flow = Delivery("sip:alice@192.0.2.9", b"", Peer("TCP", "192.0.2.9", 5060, 1), None, ("<sip:x;lr>",))
        behind = Delivery("sip:alice@192.0.2.9", b"", PROXY, None, ("<sip:192.0.2.2;lr>",))
        for one in (own, flow):
            assert hops.came(GONE, one) is False
            assert hops.reaching.admits(one)
            assert hops.reaching.wait(one) == 0.0
        assert hops.came(GONE, behind) is True
        # The others are served, so what waits for this one is put off.
        assert not hops.reaching.closed
        assert not hops.reaching.admits(behind)
        assert hops.reaching.wait(behind) > 0.0
        assert hops.reaching.admits(own)
        await hops.reaching.close()

    simulated(story())


# --- a whole server


class Place:
    """The port of a SIP core, kept while the core is not there: whoever connects is refused."""

    def __init__(self, bound: socket.socket) -> None:
        self.port: int = bound.getsockname()[1]
        self.messages: Counter[str] = Counter()
        self.probes = 0

    def handle(self, request: Request, peer: Peer) -> Response:
        if request.method == "OPTIONS":
            self.probes += 1
        else:
            self.messages[request.uri] += 1
        return make_response(request, 200)

    def core(self) -> Endpoint:
        return Endpoint(self.handle)


@contextmanager
def place() -> Iterator[Place]:
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield Place(bound)


def settings(at: Place, attempts: int = 1) -> dict[str, object]:
    """One attempt is all that a client is given; the core is asked in quick succession."""
    return {
        "transports": (),
        "sip": EndpointSettings(outbound=Hop("TCP", "127.0.0.1", at.port)),
        "delivery": DeliverySettings(
            in_flight=8, batch=8, retry=RetryPolicy(0.01, 0.01, attempts), probe=ProbePolicy(0.02, 0.05)
        ),
        "default_musik": False,
    }


async def waiting(mcx: Running, count: int) -> None:
    async def there() -> bool:
        return await mcx.server.deliveries() == {"wanted": count}

    await until(there)


async def served(mcx: Running, count: int) -> None:
    await until(lambda: len(mcx.of(KeyHeld)) == count)
    assert await mcx.server.deliveries() == {"held": count}
    assert not mcx.of(DeliveryGivenUp)
    assert not mcx.of(DeliveryRetried)


@pytest.mark.anyio
async def test_a_core_that_is_gone_for_long_costs_nobody_a_key(tmp_path: Path) -> None:
    with place() as at:
        async with running(tmp_path, **settings(at)) as mcx:  # type: ignore[arg-type]  # passed on
            asked = 0
            request = mcx.server.endpoint.request

            async def counted(*arguments: object, **options: object) -> Response:
                nonlocal asked
                asked += 1
                return await request(*arguments, **options)  # type: ignore[arg-type]  # passed on

            mcx.server.endpoint.request = counted  # type: ignore[method-assign]  # to count
            await users(mcx.server, 40)
            await mcx.server.make_musik(Scope.of(GROUP))
            await until(lambda: asked >= 20)
            assert len(mcx.of(NextHopGone)) == mcx.server.events["NextHopGone"] == 1
            # What had left is given back, and nothing is claimed while the core is gone.
            await waiting(mcx, 40)
            async with at.core() as core:
                await core.listen("TCP", "127.0.0.1", at.port)
                await served(mcx, 40)
                assert set(at.messages.values()) == {1}
                assert len(mcx.of(NextHopBack)) == 1
                assert at.probes == 1


@pytest.mark.anyio
async def test_a_core_that_goes_in_the_middle_and_comes_back(tmp_path: Path) -> None:
    with place() as at:
        async with running(tmp_path, **settings(at)) as mcx:  # type: ignore[arg-type]  # passed on
            await users(mcx.server, 60)
            async with at.core() as core:
                await core.listen("TCP", "127.0.0.1", at.port)
                await mcx.server.make_musik(Scope.of(GROUP))
                await until(lambda: at.messages)
            await until(lambda: mcx.of(NextHopGone) or len(mcx.of(KeyHeld)) == 60)
            async with at.core() as core:
                await core.listen("TCP", "127.0.0.1", at.port)
                # Who was sent the key when the connection broke may get it again; nobody else does.
                await served(mcx, 60)


@pytest.mark.anyio
async def test_a_core_that_says_nothing_at_all(tmp_path: Path) -> None:
    """It takes connections, as a hung process does; 64 T1 pass until a request counts as not answered."""
    with place() as at, socket.socket() as hung:
        hung.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hung.bind(("127.0.0.1", at.port))
        hung.listen(8)
        # When it is back, an answer may come later than 64 T1 on a machine that is loaded.
        found = settings(at, attempts=100)
        found["sip"] = EndpointSettings(
            outbound=Hop("TCP", "127.0.0.1", at.port), timings=Timings(t1=0.005, t2=0.04)
        )
        async with running(tmp_path, **found) as mcx:  # type: ignore[arg-type]  # passed on
            await users(mcx.server, 20)
            await mcx.server.make_musik(Scope.of(GROUP))
            await until(lambda: mcx.of(NextHopGone))
            # The connection that it had taken ends with it.
            taken, _ = hung.accept()
            hung.close()
            taken.close()
            async with at.core() as core:
                await core.listen("TCP", "127.0.0.1", at.port)
                await until(lambda: len(mcx.of(KeyHeld)) == 20)
                assert await mcx.server.deliveries() == {"held": 20}
                assert not mcx.of(DeliveryGivenUp)
