"""A bearer of a domain on this machine: GCS AS and BM-SC emulator, MB2-C by Diameter over mutual TLS, MB2-U by UDP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from mcsec.bmsc.config import Area, BmscConfig, Cell, GcsAs
from mcsec.bmsc.service import Bmsc
from mcsec.errors import LocalError
from mcsec.keys.events import Event
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig
from mcsec.net.mb2u import Mb2uSender
from mcsec.net.tls import client_context, server_context
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import BearerActive, BearerRefused
from mcsec.server.bearers.service import GcsAs as GcsAsService
from mcsec.wire.mb2.messages import APPLICATION

LOOPBACK = IPv4Address("127.0.0.1")
#: The one service area of the lab.
AREA = 1
#: How long MB2-C may take until the bearer is on the air.
ACTIVATION_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LabBearer:
    """A bearer on the air."""

    bmsc: Bmsc
    gcs_as: GcsAsService
    active: BearerActive
    sender: Mb2uSender


@asynccontextmanager
async def lab_bearer(tls: Path, domain: str, mdsi: str) -> AsyncIterator[LabBearer]:
    """Runs a BM-SC, lets the MCX server of ``domain`` activate a bearer there, and gives it up at the end.

    :param tls: the directory of the domain's CA and certificates.
    :raises LocalError: the bearer was refused, or did not come in time.
    """
    host = f"bmsc.{domain}"
    listening = Listener(
        address=str(LOOPBACK),
        port=0,
        tls=server_context(tls / "bmsc.pem", tls / "bmsc.key", clients=tls / "ca.pem"),
    )
    emulator = Bmsc(
        BmscConfig(
            host=host,
            realm=domain,
            mcc="001",
            mnc="01",
            gcs_as=(GcsAs(host=mdsi, realm=domain),),
            areas=(Area(code=AREA),),
            cells=(Cell(name="lab", areas=frozenset({AREA})),),
            mb2u_port=0,
        ),
        (listening,),
    )
    async with AsyncExitStack() as stack:
        bmsc = await stack.enter_async_context(emulator)
        outcome: asyncio.Future[BearerActive] = asyncio.get_running_loop().create_future()

        def happened(event: Event) -> None:
            if outcome.done():
                return
            if isinstance(event, BearerActive):
                outcome.set_result(event)
            elif isinstance(event, BearerRefused) and event.retry_at is None:
                outcome.set_exception(LocalError(event.reason, code="lab.bearer"))

        peer = PeerConfig(
            host=host,
            realm=domain,
            address=str(LOOPBACK),
            port=bmsc.node.ports[0],
            tls=client_context(tls / "ca.pem", certificate=tls / "server.pem", key=tls / "server.key"),
        )
        config = NodeConfig(host=mdsi, realm=domain, applications=(APPLICATION,), peers=(peer,))
        gcs_as = await stack.enter_async_context(GcsAsService(config, host, Bearers(), happened))
        gcs_as.want("demo", Wish((AREA,)))
        try:
            active = await asyncio.wait_for(outcome, ACTIVATION_SECONDS)
        except TimeoutError:
            raise LocalError(
                f"no bearer within {ACTIVATION_SECONDS:.0f} s: {gcs_as.find('demo').reason}",
                code="lab.bearer",
            ) from None
        sender = stack.enter_context(Mb2uSender(active.mb2u, source=(LOOPBACK, 5000)))
        yield LabBearer(bmsc, gcs_as, active, sender)
