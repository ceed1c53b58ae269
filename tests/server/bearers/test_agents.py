"""A GCS AS behind two Diameter agents: one goes in mid-call, and nobody notices; both go, and the bearer is lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from mcsec.bmsc.engine import Engine
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig, Timings
from mcsec.net.diameter.node import DiameterNode
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import (
    BearerActive,
    BearerLost,
    BearerModified,
    ListenersToUnicast,
    MessageRefused,
    PathDown,
    PathUp,
)
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.service import GcsAs
from mcsec.wire.mb2.messages import APPLICATION, Gaa, Gar
from support.bmsc import config
from support.nodes import BMSC, GCS, MCX, OPERATOR
from support.waiting import until

pytestmark = pytest.mark.anyio

AGENTS = ("agent1.transit.example", "agent2.transit.example")
TRANSIT = "transit.example"
FAST = Timings(connect=2, capabilities=2, disconnect=1, redial=0.05, redial_most=0.2, request=2)
POLICY = BearerPolicy(retry_first=0.05, retry_most=0.2, heartbeat=0.2)


class Network:
    """A BM-SC behind two agents: each passes requests on and answers in the BM-SC's name."""

    def __init__(self) -> None:
        self.bmsc = Engine(config(), (9001, 9002), 7)
        self.agents: dict[str, DiameterNode] = {}
        self.seen: list[tuple[str, Gar]] = []
        self.events: list[Any] = []

    def serve(self, agent: str, gar: Gar) -> Gaa:
        self.seen.append((agent, gar))
        gaa = self.bmsc.handle(gar, time.time()).gaa
        assert gaa is not None
        self.bmsc.outputs()
        return gaa

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def network() -> AsyncIterator[tuple[Network, GcsAs]]:
    made = Network()
    async with AsyncExitStack() as stack:
        peers = []
        for name in AGENTS:
            agent = DiameterNode(
                NodeConfig(
                    host=name,
                    realm=TRANSIT,
                    applications=(APPLICATION,),
                    peers=(PeerConfig(host=GCS, realm=MCX, require_tls=False),),
                    listeners=(Listener(address="127.0.0.1", port=0),),
                    timings=FAST,
                )
            )
            agent.serve(Gar, lambda gar, name=name: made.serve(name, gar))
            # Our node is no agent and refuses what is for others; these are to pass it on.
            agent._engine._arrivals._check_destination = lambda request: None  # type: ignore[method-assign]
            await agent.start()
            stack.push_async_callback(agent.abort)
            made.agents[name] = agent
            peers.append(
                PeerConfig(
                    host=name,
                    realm=TRANSIT,
                    address="127.0.0.1",
                    port=agent.ports[0],
                    require_tls=False,
                    realms=frozenset({OPERATOR}),
                )
            )
        node = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=tuple(peers), timings=FAST)
        gcs_as = GcsAs(node, BMSC, Bearers(POLICY), made.events.append, realm=OPERATOR)
        await stack.enter_async_context(gcs_as)
        yield made, gcs_as


async def test_one_way_is_enough() -> None:
    async with network() as (made, gcs_as):
        await until(lambda: len(made.of(PathUp)) == 2)
        gcs_as.want("one", Wish((1,)))
        await until(lambda: made.of(BearerActive))
        first, gar = made.seen[0]
        assert (gar.destination_host, gar.destination_realm) == (BMSC, OPERATOR)
        await made.agents[first].abort()
        await until(lambda: made.of(PathDown))
        gcs_as.modify("one", Wish((1, 2)))
        await until(lambda: made.of(BearerModified))
        assert made.seen[-1][0] != first
        assert made.of(BearerLost) == []
        (other,) = set(AGENTS) - {first}
        await made.agents[other].abort()
        await until(lambda: made.of(BearerLost))
        (moved,) = made.of(ListenersToUnicast)
        assert not moved.then_release


async def test_what_a_peer_must_not_send_is_told() -> None:
    async with network() as (made, gcs_as):
        await until(lambda: len(made.of(PathUp)) == 2)
        gcs_as.want("one", Wish((1,)))
        await until(lambda: made.of(BearerActive))
        line = next(iter(made.agents[AGENTS[0]]._lines.values()))
        # A GNR (8388663) of MB2-C without a single AVP: the answer says 5005, and nothing changes.
        header = bytes.fromhex("01000014c080003701000077") + bytes(8)
        line.transport.write(header)
        await until(lambda: made.of(MessageRefused))
        assert made.of(MessageRefused)[0].host == AGENTS[0]
        assert gcs_as.node.counters[made.of(MessageRefused)[0].code] == 1
        assert gcs_as.find("one").state.on_air
