"""The GCS AS of ``server`` and this BM-SC, over Diameter with mutual TLS and MB2-U, through a life of a bearer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from mcsec.bmsc.faults import FailActivation, Fault, FaultTable, Operation
from mcsec.bmsc.radio import Emission
from mcsec.bmsc.service import Bmsc
from mcsec.crypto.srtp import ForwardedMedia
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig, Timings
from mcsec.net.mb2u import Mb2uSender
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import BearerActive, BearerLost, BmscRestarted
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.service import GcsAs
from mcsec.wire.mb2.messages import APPLICATION
from support.bmsc import config
from support.nodes import BMSC, GCS, MCX, OPERATOR
from support.sip_tls import TestAuthority
from support.waiting import until

pytestmark = pytest.mark.anyio

FAST = Timings(connect=30, capabilities=30, disconnect=1, redial=0.05, redial_most=0.2, request=30)
#: A TMGI that lives for a minute is refreshed after a second.
POLICY = BearerPolicy(refresh_before=59.0, retry_first=0.05, retry_most=0.2, heartbeat=0.5)
WISH = Wish(areas=(1,))
MEDIA = ForwardedMedia(bytes.fromhex("8000000000000000aabbccdd") + b"speech")
GROUP = (ip_address("239.1.2.3"), 40002)


class Both:
    def __init__(self, gcs: GcsAs, bmsc: Bmsc, events: list[Any], air: list[Emission]) -> None:
        self.gcs, self.bmsc, self.events, self.air = gcs, bmsc, events, air

    def count(self, kind: type[Any]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def broadcast(self) -> bytes:
        """What the clients hear of one packet of the GCS AS."""
        heard = len(self.air)
        mb2u = self.gcs.find("one").mb2u
        assert mb2u is not None
        with Mb2uSender(mb2u, source=(ip_address("10.0.0.1"), 4000)) as sender:
            sender.send(MEDIA, GROUP)
            await until(lambda: len(self.air) > heard)
        emission = self.air[-1]
        assert (emission.broadcast.address, emission.broadcast.port) == GROUP
        return emission.broadcast.payload


@asynccontextmanager
async def both(directory: Path, *faults: Fault, **options: Any) -> AsyncIterator[Both]:
    authority = TestAuthority(directory)
    events: list[Any] = []
    air: list[Emission] = []
    listener = Listener(address="127.0.0.1", port=0, tls=authority.server(BMSC, ask=True))
    bmsc = Bmsc(config(**options), (listener,), on_air=air.append, timings=FAST, faults=FaultTable(*faults))
    async with bmsc:
        peer = PeerConfig(
            host=BMSC, realm=OPERATOR, address="127.0.0.1", port=bmsc.node.ports[0], tls=authority.client(GCS)
        )
        node = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,), timings=FAST)
        async with GcsAs(node, BMSC, Bearers(POLICY), events.append) as gcs:
            gcs.want("one", WISH)
            yield Both(gcs, bmsc, events, air)


async def test_a_bearer_comes_and_carries(tmp_path: Path) -> None:
    async with both(tmp_path, activation=0.1) as pair:
        await until(lambda: pair.count(BearerActive))
        assert await pair.broadcast() == MEDIA.octets
        (bearer,) = pair.bmsc.engine.bearers.all
        assert bearer.areas == {1}
        pair.gcs.modify("one", Wish(areas=(2,)))
        await until(lambda: pair.bmsc.engine.bearers.all[0].areas == {2})
        pair.gcs.drop("one")
        pair.gcs.emptied("one")
        await until(lambda: not pair.bmsc.engine.bearers.all)


async def test_a_tmgi_is_refreshed_in_time(tmp_path: Path) -> None:
    async with both(tmp_path, tmgi_lifetime=60) as pair:
        await until(lambda: pair.count(BearerActive))
        (first,) = pair.bmsc.engine.state.holdings
        assert first.expiry is not None
        assert first.tmgi == pair.gcs.find("one").tmgi
        for later in (0.5, 1.5):
            await until(lambda later=later: pair.bmsc.engine.state.holdings[0].expiry > first.expiry + later)
        assert pair.count(BearerLost) == 0
        assert [holding.tmgi for holding in pair.bmsc.engine.state.holdings] == [first.tmgi]


async def test_a_bearer_comes_again_after_the_bmsc_lost_its_state(tmp_path: Path) -> None:
    async with both(tmp_path, state=tmp_path / "bmsc.json") as pair:
        await until(lambda: pair.count(BearerActive))
        await pair.bmsc.restart(keep_state=False, abruptly=True)
        await until(lambda: pair.count(BearerActive) == 2)
        assert pair.count(BmscRestarted) == 1
        assert await pair.broadcast() == MEDIA.octets


async def test_a_bearer_comes_again_when_the_network_lost_it(tmp_path: Path) -> None:
    async with both(tmp_path, Fault(Operation.START, FailActivation(0.05))) as pair:
        await until(lambda: pair.count(BearerActive))
        (bearer,) = pair.bmsc.engine.bearers.all
        pair.bmsc.end(bearer.key)
        await until(lambda: pair.count(BearerLost) >= 1 and pair.count(BearerActive) == 2)
        assert await pair.broadcast() == MEDIA.octets
