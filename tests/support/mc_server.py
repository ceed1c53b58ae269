"""A whole MCX server for tests, on loopback with a store in a directory, and clients that speak to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, ip_network
from pathlib import Path

from mcsec._core import Secret
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Authorisation
from mcsec.client.radio import RadioSide
from mcsec.ids import Tmgi
from mcsec.keys.events import Event
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.registrar import RegistrarSettings
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tokens import Claims, TokenRefused
from mcsec.server.announcement import Bearer
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.server.subscribers import Subscribers
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from support.domains import kms
from support.mc_clients import ALICE, BOB, GROUP, Heard, engine, profile
from support.scripted_mcx import AREA, DOMAIN, GENERAL, MDSI, PSI, TMGI

MEMBERS = {GROUP: {ALICE, BOB}}
LOOPBACK = Trust(addresses=(ip_network("127.0.0.0/8"),), datagrams=True)
BEARER = Bearer(TMGI, (AREA,), GENERAL[0], GENERAL[1])
__all__ = ["ALICE", "BEARER", "BOB", "GROUP", "IPv4Address", "Tmgi"]


async def verify(token: str, now: float) -> Claims:
    """A token of the tests names its MC service ID and says since when it counts."""
    name, _, scope = token.partition("|")
    if not name.startswith("sip:"):
        raise TokenRefused("a token that does not verify", code="token.signature")
    scopes = frozenset({scope or "3gpp:mc:ptt_service"})
    return Claims(name, "https://id.example", "t", (name,), scopes, now + 3600, 0.0)


def may_join(user: str, group: str) -> bool:
    return user in MEMBERS.get(group, ()) or user.startswith("sip:many")


def identity(*revoked: str) -> Identity:
    """The server's, as its KMS gives it when it has revoked these users."""
    now = time.time()
    keys = kms().identity(MDSI, now)
    public = replace(kms().public, revoked_users=frozenset(kms().public.uid_of(one, now) for one in revoked))
    return Identity(Initiator(keys, public), Recipient("", public), Receiver([keys], [public], ReplayCache()))


@dataclass
class Running:
    """A server, its events, and where it listens."""

    server: McServer
    database: Database
    events: list[Event] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]


@asynccontextmanager
async def running(
    directory: Path,
    *,
    transports: tuple[str, ...] = ("TCP",),
    sip: EndpointSettings | None = None,
    delivery: DeliverySettings | None = None,
    subscribers: Subscribers | None = None,
    ports: Mapping[str, int] | None = None,
    registrar: RegistrarSettings | None = None,
    **function: object,
) -> AsyncIterator[Running]:
    settings = ServiceSettings(
        FunctionSettings(DOMAIN, PSI, **function),  # type: ignore[arg-type]  # passed on
        sip=sip or EndpointSettings(),
        registrar=registrar or RegistrarSettings(),
        delivery=delivery or DeliverySettings(retry=RetryPolicy(0.05, 0.2, 4)),
    )
    database = await Database.open(directory / "server.sqlite", Kek(Secret(bytes(32))))
    try:
        found: Running
        server = McServer(
            database,
            identity(),
            settings,
            verify=verify,
            may_join=may_join,
            subscribers=subscribers,
            on_event=lambda event: found.events.append(event),
        )
        found = Running(server, database)
        async with server:
            for transport in transports:
                port = (ports or {}).get(transport, 0)
                found.ports[transport] = (await server.listen(transport, "127.0.0.1", port))[1]
            yield found
    finally:
        await database.close()


@asynccontextmanager
async def clients(
    running: Running, transport: str = "TCP", credentials: DigestClient | None = None
) -> AsyncIterator[Callable[..., Heard]]:
    """Adds clients of one host to a server."""
    hop = Hop(transport, "127.0.0.1", running.ports[transport])
    async with ClientHost(HostSettings(hop, EndpointSettings(trust=LOOPBACK))) as host:

        def add(
            uri: str = ALICE, authorisation: Authorisation = Authorisation.REGISTER, **more: object
        ) -> Heard:
            events: list[Event] = []
            client = host.add(
                profile(uri, authorisation, **more),
                engine(uri),
                lambda: Secret(uri.encode()),
                radio=RadioSide(AREA),
                on_event=events.append,
                credentials=credentials,
            )
            return Heard(client, events)

        yield add
