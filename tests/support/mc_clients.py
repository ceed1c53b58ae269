"""Clients for tests: their profiles, engines and hosts, beside a scripted MCX server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from mcsec._core import Secret
from mcsec.client.engine import ClientEngine, Party
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Authorisation, Profile
from mcsec.client.radio import RadioSide
from mcsec.client.service import McClient
from mcsec.keys.events import Event
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from support.domains import KMS_URI, kms
from support.scripted_mcx import AREA, DOMAIN, MDSI, PSI, ScriptedMcx, token

ALICE = "sip:alice@a.example"
BOB = "sip:bob@a.example"
GROUP = "sip:rescue@a.example"
SERVER = Party(MDSI, KMS_URI, DOMAIN)


def profile(
    uri: str = ALICE, authorisation: Authorisation = Authorisation.REGISTER, **more: object
) -> Profile:
    return Profile(
        mc_service_id=uri,
        impu=uri,
        client_id="urn:uuid:00000000-0000-4000-8000-000000000001",
        registrar=f"sip:{DOMAIN}",
        psi=PSI,
        server=SERVER,
        authorisation=authorisation,
        **more,  # type: ignore[arg-type]  # passed on
    )


def engine(uri: str = ALICE) -> ClientEngine:
    return ClientEngine([kms().identity(uri, time.time())], [kms().public], SERVER)


@dataclass
class Heard:
    """A client and what it told."""

    client: McClient
    events: list[Event] = field(default_factory=list)

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]


@dataclass
class Pair:
    """A scripted server and the clients of one host."""

    mcx: ScriptedMcx
    host: ClientHost

    def add(
        self,
        uri: str = ALICE,
        authorisation: Authorisation = Authorisation.REGISTER,
        *,
        area: int | None = AREA,
        silence: float = 10.0,
        secret: Callable[[], Secret] = token,
        **more: object,
    ) -> Heard:
        events: list[Event] = []
        client = self.host.add(
            profile(uri, authorisation, **more),
            engine(uri),
            secret,
            radio=RadioSide(area, silence=silence),
            on_event=events.append,
        )
        return Heard(client, events)


@asynccontextmanager
async def pair(
    transport: str = "TCP", *, trusted: bool = True, mcx: ScriptedMcx | None = None
) -> AsyncIterator[Pair]:
    async with mcx or ScriptedMcx() as server:
        name, _, only = transport.partition(" ")
        port = await server.listen(name, stream=not only)
        trust = Trust(addresses=(ip_network("127.0.0.0/8"),), datagrams=True) if trusted else Trust()
        settings = HostSettings(Hop(name, "127.0.0.1", port), EndpointSettings(trust=trust))
        async with ClientHost(settings) as host:
            yield Pair(server, host)
