"""A BM-SC in a process of its own is killed with -9 in mid-call; clients are on real multicast."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from mcsec.client.events import FloorHeard, ListeningReported
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.net.diameter.config import NodeConfig, PeerConfig, Timings
from mcsec.net.multicast import MulticastGroup, MulticastReceiver
from mcsec.net.tls import client_context
from mcsec.net.unicast import UnicastEndpoint
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import BearerActive, ListenersToUnicast
from mcsec.server.bearers.joint import Joint, Plan
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.service import GcsAs
from mcsec.server.bearers.transmitter import Transmitter
from mcsec.server.signalling import OnBearer, ToClient
from mcsec.wire.mb2.messages import APPLICATION
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel
from support.bmsc_process import DOMAIN, BmscProcess, bmsc_process
from support.engines import idle
from support.mc_clients import Heard
from support.mc_server import ALICE, BOB, GROUP, Running, clients, running
from support.scripted_mcx import AREA, MDSI
from support.waiting import until

pytestmark = pytest.mark.anyio

FAST = Timings(connect=30, capabilities=30, disconnect=1, redial=0.05, redial_most=0.2, request=30)
POLICY = BearerPolicy(retry_first=0.05, retry_most=0.2, heartbeat=0.5)
GENERAL = MulticastGroup(IPv4Address("239.192.7.3"), 42201)
FLOOR = MulticastGroup(IPv4Address("239.192.7.3"), 42202)
MEDIA = MulticastGroup(IPv4Address("239.192.7.3"), 42204)
#: Between floor messages.
BEAT = 0.02


@dataclass
class Call:
    """A group call on a bearer, a floor message every few milliseconds, and everything that could be overheard."""

    mcx: Running
    joint: Joint
    transmitter: Transmitter
    bmsc: BmscProcess
    heard: dict[str, Heard]
    ears: dict[str, UnicastEndpoint] = field(default_factory=dict)
    server: UnicastEndpoint | None = None
    happened: list[Any] = field(default_factory=list)
    overheard: list[bytes] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    by_unicast: dict[str, list[float]] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def open_ears(self) -> None:
        """A unicast socket for each client."""
        for name, one in self.heard.items():

            def on_unicast(octets: bytes, _source: object, name: str = name, one: Heard = one) -> None:
                self.overheard.append(octets)
                told = one.client.engine.control_packet(octets, Traffic.UNICAST_FLOOR, name, time.time())
                if any(isinstance(event, FloorHeard) for event in told):
                    self.by_unicast.setdefault(name, []).append(time.time())

            self.ears[name] = await UnicastEndpoint.open(on_unicast)
        self.server = await UnicastEndpoint.open(lambda _octets, _source: None)

    def close_ears(self) -> None:
        for ear in [*self.ears.values(), self.server]:
            if ear is not None:
                ear.close()

    async def map(self) -> None:
        """The call is on the bearer; when this returns, its listeners said that they hear it there."""
        engine, tmgi = self.mcx.server.function.engine, self.joint.on_air["one"].tmgi
        message = MapGroupToBearer(
            ssrc=engine.ssrc(Traffic.SUBCHANNEL_CONTROL, tmgi),
            group_id=GROUP,
            tmgi=tmgi,
            subchannel=MbmsSubchannel(2, 3, MEDIA.address, MEDIA.port, FLOOR.port),
        )
        sent = await self.mcx.server.send(lambda now: engine.subchannel(tmgi, message, now))
        assert isinstance(sent, OnBearer)
        self.transmitter.send("one", sent.packet, (GENERAL.address, GENERAL.port))
        await until(
            lambda: all(
                any(event.listening and event.group == GROUP for event in one.of(ListeningReported))
                for one in self.heard.values()
            )
        )

    async def talk(self) -> None:
        """Floor messages, wherever the joint wants them, for ever."""
        assert self.server is not None
        while True:
            message = idle(next(self.numbers))
            for one in await self.joint.floor(GROUP, message):
                assert isinstance(one, OnBearer | ToClient), one
                self.said.append(one.packet.octets)
                if isinstance(one, ToClient):
                    assert one.key.key_id.tag is PurposeTag.CSK
                    self.server.send(one.packet, self.ears[one.client].address)
                elif "one" in self.joint.on_air:
                    self.transmitter.send("one", one.packet, (FLOOR.address, FLOOR.port))
            await asyncio.sleep(BEAT)

    def on_bearer(self) -> bool:
        """Whether everybody heard floor control on the bearer since the last :meth:`forget`."""
        return all(one.of(FloorHeard) for one in self.heard.values())

    def forget(self) -> None:
        self.by_unicast.clear()
        for one in self.heard.values():
            one.events.clear()


@asynccontextmanager
async def call(directory: Path) -> AsyncIterator[Call]:
    found: Call
    async with (
        bmsc_process(directory / "a", AREA) as bmsc,
        running(directory) as mcx,
        clients(mcx) as add,
        Joint(mcx.server, lambda event: found.happened.append(event), time.time) as joint,
        Transmitter(mcx.server, joint, (IPv4Address("127.0.0.1"), 5000), sign_of_life=0.1) as transmitter,
    ):
        found = Call(mcx, joint, transmitter, bmsc, {name: add(name) for name in (ALICE, BOB)})
        tls = directory / "a" / "tls"
        peer = PeerConfig(
            host=f"bmsc.{DOMAIN}",
            realm=DOMAIN,
            address="127.0.0.1",
            port=bmsc.port,
            tls=client_context(tls / "ca.pem", certificate=tls / "server.pem", key=tls / "server.key"),
        )
        node = NodeConfig(host=MDSI, realm=DOMAIN, applications=(APPLICATION,), peers=(peer,), timings=FAST)
        gcs_as = GcsAs(node, peer.host, Bearers(POLICY), joint.happened)
        joint.attach(gcs_as)
        tap = MulticastReceiver(lambda octets, _source, _group: found.overheard.append(octets))
        with tap:
            for group in (GENERAL, FLOOR, MEDIA):
                tap.join(group)
            async with gcs_as:
                await found.open_ears()
                await mcx.server.make_musik(Scope.of(GROUP))
                for one in found.heard.values():
                    await one.client.log_on([GROUP])
                joint.want(Plan("one", Wish((AREA,)), GENERAL.address, GENERAL.port))
                await until(lambda: joint.listeners("one") == 2)
                await found.map()
                talking = asyncio.create_task(found.talk())
                try:
                    yield found
                finally:
                    talking.cancel()
                    (ended,) = await asyncio.gather(talking, return_exceptions=True)
                    found.close_ears()
                assert isinstance(ended, asyncio.CancelledError), ended


async def test_floor_goes_on_by_unicast_and_the_bearer_comes_back_by_itself(tmp_path: Path) -> None:
    async with call(tmp_path) as here:
        await until(here.on_bearer)
        assert here.by_unicast == {}, "everybody hears the bearer"
        here.forget()
        await here.bmsc.kill()
        await until(lambda: any(isinstance(event, ListenersToUnicast) for event in here.happened))
        (detected,) = [event.now for event in here.happened if isinstance(event, ListenersToUnicast)]
        await until(lambda: len(here.by_unicast) == len(here.heard))
        # At once; a slow machine may take its time for it.
        assert max(times[0] for times in here.by_unicast.values()) - detected < 20.0
        assert "one" not in here.joint.on_air
        here.happened.clear()

        await here.bmsc.start()
        await until(lambda: any(isinstance(event, BearerActive) for event in here.happened))
        await until(lambda: here.joint.listeners("one") == 2)
        here.forget()
        await here.map()
        await until(here.on_bearer)
        (bearer,) = (await here.bmsc.told("status"))["bearers"]
        assert bearer["state"] == "active"
        # The signs, the maps and the floor control, on the bearer and beside it: nothing was in clear.
        assert len(here.overheard) > 20
        clear = {b"MCPT", b"MCMC"}
        assert [octets for octets in here.overheard if octets[8:12] in clear] == []
        known = set(here.said)
        heard_floor = [octets for octets in here.overheard if octets in known]
        assert heard_floor
