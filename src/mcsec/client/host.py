"""Many clients in one process: one SIP endpoint and one set of multicast sockets, shared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from mcsec._core import Secret
from mcsec.client.airwaves import Airwaves
from mcsec.client.calls.desk import POLICY
from mcsec.client.engine import ClientEngine
from mcsec.client.floor import ParticipantPolicy
from mcsec.client.link import Link
from mcsec.client.profile import Profile
from mcsec.client.radio import RadioSide
from mcsec.client.service import McClient, OnEvent
from mcsec.net.media_ports import PortPool
from mcsec.net.multicast import LOOPBACK
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.events import SipEvent
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.vetting import Abilities

#: What a client answers; all else is 405 before anybody looks at it.
METHODS = ("MESSAGE", "OPTIONS", "NOTIFY", "INVITE", "ACK", "CANCEL", "BYE")
#: Clients that log off at a time.
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class HostSettings:
    """``server``: the next hop of every request. ``local``: address that datagrams are received at: those of calls,
    and those of SIP where it goes by UDP.

    ``sip``: whom to trust, TLS, timers. ``interface``: where multicast is received. ``floor``: what the floor
    participants of all clients share.
    """

    server: Hop
    sip: EndpointSettings = field(default_factory=EndpointSettings)
    local: tuple[str, int] = ("127.0.0.1", 0)
    interface: str = LOOPBACK
    floor: ParticipantPolicy = POLICY


class ClientHost:
    """Use it as an async context manager; leaving it logs every client off."""

    def __init__(
        self, settings: HostSettings, *, on_sip_event: Callable[[SipEvent], None] | None = None
    ) -> None:
        self._settings = settings
        self._on_sip_event = on_sip_event
        self._clients: dict[str, McClient] = {}
        self._by_contact: dict[str, McClient] = {}
        self._pool = PortPool(settings.local[0])
        self._stack = AsyncExitStack()

    @property
    def clients(self) -> tuple[McClient, ...]:
        """Everybody here."""
        return tuple(self._clients.values())

    async def __aenter__(self) -> Self:
        sip = self._settings.sip
        settings = replace(sip, abilities=Abilities(METHODS, sip.abilities.extensions))
        try:
            self.endpoint = await self._stack.enter_async_context(
                Endpoint(self._answer, settings, on_event=self._on_sip_event, on_invite=self._invited)
            )
            self.airwaves = self._stack.enter_context(Airwaves(self._settings.interface))
            if self._settings.server.transport == "UDP":
                await self.endpoint.listen_both(*self._settings.local)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            turns = asyncio.Semaphore(_TOGETHER)
            await asyncio.gather(*(_log_off(client, turns) for client in self.clients))
        finally:
            await self._stack.aclose()

    def add(
        self,
        profile: Profile,
        engine: ClientEngine,
        token: Callable[[], Secret],
        *,
        radio: RadioSide | None = None,
        on_event: OnEvent | None = None,
        credentials: DigestClient | None = None,
    ) -> McClient:
        """A client that is not logged on yet.

        :param token: gives the access token whenever it is needed.
        :param credentials: for a registrar that asks for digest authentication.
        """
        client = McClient(
            profile,
            engine,
            token,
            Link(self.endpoint, self._settings.server, profile),
            self.airwaves,
            self._pool,
            radio=RadioSide() if radio is None else radio,
            on_event=on_event or (lambda event: None),
            credentials=credentials,
            floor=self._settings.floor,
        )
        self._clients[Uri.decode(profile.impu).address_of_record()] = client
        self._by_contact[client.contact_user] = client
        return client

    def _answer(self, request: Request, peer: Peer) -> Response:
        if request.method == "OPTIONS":
            return make_response(request, 200, headers=[("Allow", ", ".join(METHODS))])
        if request.method != "MESSAGE":
            return make_response(request, 481)
        client = self._meant(request)
        return make_response(request, 404) if client is None else client.message(request)

    async def _invited(self, incoming: IncomingCall) -> None:
        client = self._meant(incoming.request)
        if client is None:
            incoming.refuse(404)
        else:
            await client.invited(incoming)

    def _meant(self, request: Request) -> McClient | None:
        uri = request.parsed_uri()
        return self._by_contact.get(uri.user or "") or self._clients.get(uri.address_of_record())


async def _log_off(client: McClient, turns: asyncio.Semaphore) -> None:
    async with turns:
        await client.log_off()
