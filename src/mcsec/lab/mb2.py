"""The bearer of a domain on this machine: its server's side as in a deployment, and a BM-SC emulator for it.

MB2-C is Diameter over mutual TLS, MB2-U is UDP; both in this process, with sockets between them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from mcsec.bmsc.config import Area, BmscConfig, Cell
from mcsec.bmsc.config import GcsAs as Permission
from mcsec.bmsc.service import Bmsc
from mcsec.crypto.srtp import BearerPacket
from mcsec.errors import LocalError
from mcsec.keys.events import Event
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig
from mcsec.net.mb2u import Place
from mcsec.net.tls import client_context, server_context
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import BearerActive, BearerRefused
from mcsec.server.bearers.joint import Joint, Plan
from mcsec.server.bearers.service import GcsAs
from mcsec.server.bearers.transmitter import Transmitter
from mcsec.server.service import McServer
from mcsec.wire.mb2.messages import APPLICATION

LOOPBACK = IPv4Address("127.0.0.1")
#: The one service area of the lab.
AREA = 1
#: How long MB2-C may take until the bearer is on the air.
ACTIVATION_SECONDS = 5.0
#: The story says itself when something is sent.
_NO_SIGNS = 3600.0


@dataclass(frozen=True, slots=True)
class LabBearer:
    """A bearer on the air, announced."""

    bmsc: Bmsc
    active: BearerActive
    transmitter: Transmitter

    def send(self, packet: BearerPacket, destination: Place) -> None:
        """One packet for everybody, once."""
        self.transmitter.send(self.active.bearer, packet, destination)


@asynccontextmanager
async def lab_bearer(
    tls: Path, domain: str, mdsi: str, server: McServer, plan: Plan
) -> AsyncIterator[LabBearer]:
    """Runs a BM-SC, and lets the MCX server of ``domain`` activate a bearer there and announce it.

    :param tls: the directory of the domain's CA and certificates.
    :raises LocalError: the bearer was refused, or did not come in time.
    """
    outcome: asyncio.Future[BearerActive] = asyncio.get_running_loop().create_future()

    def happened(event: Event) -> None:
        if outcome.done():
            return
        if isinstance(event, BearerActive):
            outcome.set_result(event)
        elif isinstance(event, BearerRefused) and event.retry_at is None:
            outcome.set_exception(LocalError(event.reason, code="lab.bearer"))

    async with AsyncExitStack() as stack:
        bmsc = await stack.enter_async_context(lab_bmsc(tls, domain, mdsi))
        peer = PeerConfig(
            host=bmsc.config.host,
            realm=domain,
            address=str(LOOPBACK),
            port=bmsc.node.ports[0],
            tls=client_context(tls / "ca.pem", certificate=tls / "server.pem", key=tls / "server.key"),
        )
        node = NodeConfig(host=mdsi, realm=domain, applications=(APPLICATION,), peers=(peer,))
        joint = await stack.enter_async_context(Joint(server, happened, time.time))
        gcs_as = GcsAs(node, peer.host, Bearers(), joint.happened)
        joint.attach(gcs_as)
        await stack.enter_async_context(gcs_as)
        transmitter = await stack.enter_async_context(
            Transmitter(server, joint, (LOOPBACK, 5000), sign_of_life=_NO_SIGNS)
        )
        joint.want(plan)
        try:
            async with asyncio.timeout(ACTIVATION_SECONDS):
                active = await outcome
                await joint.settled()
        except TimeoutError:
            raise LocalError(
                f"no bearer within {ACTIVATION_SECONDS:.0f} s: {gcs_as.find(plan.name).reason}",
                code="lab.bearer",
            ) from None
        yield LabBearer(bmsc, active, transmitter)


def lab_bmsc(tls: Path, domain: str, mdsi: str, *, areas: Sequence[int] = (AREA,), port: int = 0) -> Bmsc:
    """A BM-SC emulator for the MCX server of a domain; one cell has all of its areas."""
    context = server_context(tls / "bmsc.pem", tls / "bmsc.key", clients=tls / "ca.pem")
    return Bmsc(
        BmscConfig(
            host=f"bmsc.{domain}",
            realm=domain,
            mcc="001",
            mnc="01",
            gcs_as=(Permission(host=mdsi, realm=domain),),
            areas=tuple(Area(code=code) for code in areas),
            cells=(Cell(name="lab", areas=frozenset(areas)),),
            mb2u_port=0,
        ),
        (Listener(address=str(LOOPBACK), port=port, tls=context),),
    )
