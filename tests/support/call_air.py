"""A bearer for calls of a test domain: BM-SC, MB2-C by Diameter over TLS, MB2-U, multicast on loopback."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

from mcsec.bmsc.config import Area, BmscConfig, Cell
from mcsec.bmsc.config import GcsAs as KnownGcsAs
from mcsec.bmsc.service import Bmsc
from mcsec.keys.events import Event
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig, Timings
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.joint import Joint, Plan
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.service import GcsAs
from mcsec.server.bearers.transmitter import Transmitter
from mcsec.server.calls.air import JointAir, NoAir
from mcsec.wire.mb2.messages import APPLICATION
from support.call_domains import AREA, Domain, mdsi
from support.sip_tls import TestAuthority

FAST = Timings(connect=2, capabilities=2, disconnect=1, redial=0.05, redial_most=0.2, request=2)
POLICY = BearerPolicy(retry_first=0.05, retry_most=0.2, heartbeat=0.5)
LOCAL = IPv4Address("127.0.0.1")
GENERAL = IPv4Address("239.192.31.1")


@dataclass
class OnAir:
    """A domain's bearers."""

    bmsc: Bmsc
    joint: Joint
    transmitter: Transmitter

    def want(self, name: str, port: int, *groups: str) -> None:
        self.joint.want(Plan(name, Wish(areas=(AREA,)), GENERAL, port, frozenset(groups)))


@asynccontextmanager
async def bearers(made: Domain, authority: TestAuthority) -> AsyncIterator[OnAir]:
    """Lets the calls of ``made`` go on bearers of a BM-SC of its own."""
    bmsc_name, own = f"bmsc.{made.name}", mdsi(made.name)
    config = BmscConfig(
        host=bmsc_name,
        realm=made.name,
        mcc="001",
        mnc="01",
        gcs_as=(KnownGcsAs(host=own, realm=made.name),),
        areas=(Area(code=AREA),),
        cells=(Cell(name="one", areas=frozenset({AREA})),),
        mb2u_port=0,
    )
    listener = Listener(address=str(LOCAL), port=0, tls=authority.server(bmsc_name, ask=True))
    told: Callable[[Event], None] = made.calls.happened
    async with (
        Bmsc(config, (listener,), timings=FAST) as bmsc,
        Joint(made.server, lambda event: (made.events.append(event), told(event))[0], time.time) as joint,
    ):
        peer = PeerConfig(
            host=bmsc_name,
            realm=made.name,
            address=str(LOCAL),
            port=bmsc.node.ports[0],
            tls=authority.client(own),
        )
        node = NodeConfig(host=own, realm=made.name, applications=(APPLICATION,), peers=(peer,), timings=FAST)
        async with (
            GcsAs(node, bmsc_name, Bearers(POLICY), joint.happened) as gcs_as,
            Transmitter(made.server, joint, (LOCAL, 5000), sign_of_life=0.2) as transmitter,
        ):
            joint.attach(gcs_as)
            made.calls.attach(JointAir(joint, transmitter))
            yield OnAir(bmsc, joint, transmitter)
            made.calls.attach(NoAir())
