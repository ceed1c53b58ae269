"""Server, GCS AS and BM-SC joined: bearers become announcements, and a bearer that goes leaves nobody without floor."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcsec.bmsc.service import Bmsc
from mcsec.client.events import BearerAnnounced, BearerCancelled, FloorHeard
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import KeyHeld
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig, Timings
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import BearerReleased, ListenersToUnicast
from mcsec.server.bearers.joint import Joint, Plan
from mcsec.server.bearers.on_demand import OnDemand
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.service import GcsAs
from mcsec.server.calls.events import BearerUnwanted, BearerWanted
from mcsec.server.signalling import OnBearer, Sent, ToClient
from mcsec.wire import rtcp
from mcsec.wire.mb2.messages import APPLICATION
from support.bmsc import config
from support.engines import idle
from support.mc_clients import Heard
from support.mc_server import ALICE, BEARER, BOB, GROUP, Running, clients, running
from support.nodes import BMSC, GCS, MCX, OPERATOR
from support.scripted_mcx import GENERAL
from support.sip_tls import TestAuthority
from support.waiting import until

pytestmark = pytest.mark.anyio

FAST = Timings(connect=2, capabilities=2, disconnect=1, redial=0.05, redial_most=0.2, request=2)
POLICY = BearerPolicy(retry_first=0.05, retry_most=0.2, heartbeat=0.5)
PLAN = Plan("one", Wish(areas=(1,)), *GENERAL)


class Domain:
    """A server with its bearer, and two clients that listen."""

    def __init__(self, mcx: Running, joint: Joint, gcs: GcsAs, bmsc: Bmsc, heard: dict[str, Heard]) -> None:
        self.mcx, self.joint, self.gcs, self.bmsc, self.heard = mcx, joint, gcs, bmsc, heard
        self.happened: list[Any] = []

    @property
    def engine(self) -> Any:
        return self.mcx.server.function.engine

    async def on_air(self) -> KeyId:
        """Waits until the bearer is announced and its key held by both; the MSCCK's identifier."""

        def ready() -> bool:
            air = self.joint.on_air.get("one")
            rotation = air and self.engine.keydown.msccks.get(str(air.tmgi))
            if not rotation or rotation.sending is None:
                return False
            return all(rotation.audience.holds(name, rotation.sending.key_id) for name in self.heard)

        await until(ready)
        found: KeyId = self.engine.keydown.msccks[str(self.joint.on_air["one"].tmgi)].sending.key_id
        return found

    def listen(self) -> None:
        for name in self.heard:
            self.engine.listens(name, self.joint.on_air["one"].tmgi, GROUP, time.time())

    async def say(self) -> list[Sent]:
        return await self.joint.floor(GROUP, idle())

    def check_told(self, sent: list[Sent]) -> None:
        """Each of the clients reads the message that came for it, and nothing is in clear."""
        alone = [one for one in sent if isinstance(one, ToClient)]
        assert {one.client for one in alone} == set(self.heard)
        for one in alone:
            assert one.key.key_id.tag is PurposeTag.CSK
            assert rtcp.encode(idle(ssrc=1))[8:] not in one.packet.octets
            client = self.heard[one.client].client
            told = client.engine.control_packet(
                one.packet.octets, Traffic.UNICAST_FLOOR, one.client, time.time()
            )
            assert FloorHeard in [type(event) for event in told]


@asynccontextmanager
async def domain(directory: Path) -> AsyncIterator[Domain]:
    authority = TestAuthority(directory)
    listener = Listener(address="127.0.0.1", port=0, tls=authority.server(BMSC, ask=True))
    found: Domain
    async with (
        running(directory) as mcx,
        clients(mcx) as add,
        Bmsc(config(), (listener,), timings=FAST) as bmsc,
        Joint(mcx.server, lambda event: found.happened.append(event), time.time) as joint,
    ):
        tls = authority.client(GCS)
        peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=bmsc.node.ports[0], tls=tls)
        node = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,), timings=FAST)
        heard = {name: add(name) for name in (ALICE, BOB)}
        async with GcsAs(node, BMSC, Bearers(POLICY), joint.happened) as gcs:
            found = Domain(mcx, joint, gcs, bmsc, heard)
            joint.attach(gcs)
            await mcx.server.make_musik(Scope.of(GROUP))
            for one in heard.values():
                await one.client.log_on([GROUP])
            joint.want(PLAN)
            await found.on_air()
            await until(lambda: len(mcx.of(KeyHeld)) >= 4)
            found.listen()
            yield found


async def test_a_bearer_on_the_air_is_announced_and_carries_the_floor(tmp_path: Path) -> None:
    async with domain(tmp_path) as here:
        (sent,) = await here.say()
        assert isinstance(sent, OnBearer)
        assert sent.key.key_id.tag is PurposeTag.MUSIK
        here.gcs.modify("one", Wish(areas=(1, 2)))
        tmgi = str(here.joint.on_air["one"].tmgi)
        await until(lambda: here.mcx.server.function.bearers[tmgi].areas == (1, 2))
        (sent,) = await here.say()
        assert isinstance(sent, OnBearer), "a change moves nobody"
        alice = here.heard[ALICE]
        await until(lambda: len(alice.of(BearerAnnounced)) > 1)


async def test_a_bmsc_killed_in_mid_call_leaves_nobody_without_floor(tmp_path: Path) -> None:
    async with domain(tmp_path) as here:
        first = await here.on_air()
        # It comes back without its state, so the same TMGI may be given again.
        await here.bmsc.restart(keep_state=False, abruptly=True)
        await until(lambda: any(isinstance(event, ListenersToUnicast) for event in here.happened))
        here.check_told(await here.say())
        await until(lambda: here.heard[ALICE].of(BearerCancelled))
        await until(lambda: here.joint.on_air)
        await here.joint.settled()
        assert await here.on_air() != first
        # Until a client says that it hears the new bearer it keeps its unicast.
        here.check_told(await here.say())
        here.listen()
        (sent_one,) = await here.say()
        assert isinstance(sent_one, OnBearer)


async def test_a_bearer_that_is_given_up_is_empty_before_it_ends(tmp_path: Path) -> None:
    async with domain(tmp_path) as here:
        tmgi = here.joint.on_air["one"].tmgi
        here.joint.drop("one")
        assert here.bmsc.engine.bearers.all, "its listeners leave first"
        sent = await here.say()
        assert all(isinstance(one, ToClient) for one in sent)
        here.check_told(sent)
        await until(lambda: any(isinstance(event, BearerReleased) for event in here.happened))
        assert not here.bmsc.engine.bearers.all
        await here.joint.settled()
        assert here.mcx.server.function.bearers[str(tmgi)].withdrawn
        assert here.joint.on_air == {}
        # Whoever left the group meanwhile is told no more.
        await here.heard[BOB].client.affiliate([])
        assert [one.client for one in await here.say() if isinstance(one, ToClient)] == [ALICE]


async def test_what_was_announced_before_a_restart_serves_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, clients(mcx) as add:
        alice = add(ALICE)
        await mcx.server.make_musik(Scope.of(GROUP))
        await alice.client.log_on([GROUP])
        await mcx.server.announce(BEARER)
        await until(lambda: len(mcx.of(KeyHeld)) == 2)
        mcx.server.function.engine.listens(ALICE, BEARER.tmgi, GROUP, time.time())
        async with Joint(mcx.server, lambda event: None, time.time) as joint:
            await joint.settled()
            assert mcx.server.function.bearers[str(BEARER.tmgi)].withdrawn
            (sent,) = await joint.floor(GROUP, idle())
            assert isinstance(sent, ToClient)
            with pytest.raises(InvalidValue):
                joint.want(PLAN)


async def test_a_group_with_two_bearers_hears_each_message_once_on_each(tmp_path: Path) -> None:
    async with domain(tmp_path) as here:
        here.joint.want(Plan("two", Wish(areas=(2,)), GENERAL[0], GENERAL[1] + 10))
        await until(lambda: "two" in here.joint.on_air)
        await here.joint.settled()
        one, two = here.joint.on_air["one"].tmgi, here.joint.on_air["two"].tmgi
        rotation = here.engine.keydown.msccks[str(two)]
        await until(lambda: rotation.audience.holds(BOB, rotation.sending.key_id))
        here.engine.listens_no_more(BOB, one, None, time.time())
        here.engine.listens(BOB, two, GROUP, time.time())
        first, second = await here.say()
        assert isinstance(first, OnBearer)
        assert isinstance(second, OnBearer)
        assert first.packet.octets[4:8] != second.packet.octets[4:8], "each bearer has an SSRC of its own"
        here.joint.drop("two")
        on_one, to_bob = await here.say()
        assert isinstance(on_one, OnBearer)
        assert isinstance(to_bob, ToClient)
        assert to_bob.client == BOB


async def test_a_call_gets_a_bearer_when_one_pays_and_gives_it_up_after(tmp_path: Path) -> None:
    async with domain(tmp_path) as here:
        taken = Plan("one", Wish(areas=(1,)), *GENERAL)
        others = Plan("others", Wish(areas=(3,)), GENERAL[0], 42_020, frozenset({"sip:else@a.example"}))
        ours = Plan("call", Wish(areas=(2,)), GENERAL[0], 42_030)
        demand = OnDemand(here.joint, [taken, others, ours])
        demand.happened(BearerWanted(1.0, GROUP, 2))
        demand.happened(BearerWanted(2.0, GROUP, 3))
        await until(lambda: "call" in here.joint.on_air)
        await here.joint.settled()
        assert here.joint.names == {"one", "call"}
        assert here.gcs.find("call").describe()["kind"] == "dynamic"
        tmgi = str(here.joint.on_air["call"].tmgi)
        assert here.mcx.server.function.bearers[tmgi].groups == {GROUP}
        demand.happened(BearerUnwanted(3.0, GROUP))
        demand.happened(BearerUnwanted(4.0, GROUP))
        await here.joint.released("call")
        assert here.joint.names == {"one"}
        # It is there for the next call; one that an operator took away is missed by nobody.
        demand.happened(BearerWanted(5.0, GROUP, 2))
        await until(lambda: "call" in here.joint.on_air)
        here.joint.drop("call")
        await here.joint.released("call")
        demand.happened(BearerUnwanted(6.0, GROUP))
