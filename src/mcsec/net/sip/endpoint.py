"""A SIP endpoint on asyncio: what the rooms above use.

::

    async with Endpoint(on_request, settings) as endpoint:
        await endpoint.listen("TCP", "127.0.0.1", 5060)
        response = await endpoint.request(make_request("MESSAGE", uri, from_=me, body=b"...", content_type="..."))

Requests arrive at ``on_request(request, peer)``, which gives the final response or an awaitable of it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from mcsec.net.sip.asking import OnResponse, ask
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.calls import Call, OnReinvite
from mcsec.net.sip.core import Core
from mcsec.net.sip.errors import NoAnswer
from mcsec.net.sip.events import Counters, SipEvent
from mcsec.net.sip.fanout import Delivery, FastSender, Outcome
from mcsec.net.sip.invited import OnInvite, offer_call
from mcsec.net.sip.inviting import CallRefused, Invitation
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.notifying import OnSubscribe, offer_subscription
from mcsec.net.sip.peer import Hop, Peer, contact_uri, host_in_uri
from mcsec.net.sip.serving import Handler, Serving
from mcsec.net.sip.session_timer import offer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.subscribing import OnNotify, Subscription, SubscriptionRefused
from mcsec.net.sip.template import MessageTemplate
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import CSeq
from mcsec.net.sip.ways import Target


def _next_try(request: Request) -> Request:
    """The same request with the next CSeq, as a challenge wants it (RFC 3261 8.1.3.5)."""
    cseq = CSeq(request.cseq.number + 1, request.method)
    return replace(request, headers=request.headers.set("CSeq", cseq.encode()))


class Endpoint:
    """Sockets, transactions and handlers of one SIP element; use it as an async context manager."""

    def __init__(
        self,
        on_request: Handler,
        settings: EndpointSettings | None = None,
        *,
        on_event: Callable[[SipEvent], None] | None = None,
        on_invite: OnInvite | None = None,
        on_subscribe: OnSubscribe | None = None,
    ) -> None:
        self.settings = EndpointSettings() if settings is None else settings
        self._on_request = on_request
        self._on_event = on_event
        self._on_invite, self._on_subscribe = on_invite, on_subscribe
        self._core: Core | None = None
        self._serving: Serving | None = None

    async def __aenter__(self) -> Self:
        self._core = Core(self.settings, self._on_event or (lambda event: None))
        self._fast = FastSender(self._core)
        self._serving = Serving(self._core, self._on_request)
        special = self._serving.special
        if self._on_invite is not None:
            special["INVITE"] = partial(offer_call, self._core, self._serving, self._on_invite)
        if self._on_subscribe is not None:
            special["SUBSCRIBE"] = partial(offer_subscription, self._core, self._serving, self._on_subscribe)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(grace=2.0 if error is None else 0.0)

    @property
    def core(self) -> Core:
        """The machinery, for the calls and subscriptions of this room."""
        assert self._core is not None, "the endpoint is entered with async with"
        return self._core

    @property
    def serving(self) -> Serving:
        """The serving side, likewise."""
        assert self._serving is not None, "the endpoint is entered with async with"
        return self._serving

    @property
    def counters(self) -> Counters:
        """Totals since the start."""
        return self.core.counters

    async def listen(
        self, transport: str, host: str, port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        """Listen with ``UDP``, ``TCP`` or ``TLS`` and give the address bound to.

        ``tls`` is a server context; to take client certificates into account it must ask for them.

        :raises InvalidValue: TLS without a context. :raises OSError: the address is taken or not ours.
        """
        return await self.core.transport.listen(transport, host, port, tls=tls)

    async def listen_both(self, host: str, port: int = 0) -> tuple[str, int]:
        """Listen with UDP and TCP on the same port, and give the address bound to.

        :raises OSError: the address is taken or not ours.
        """
        return await self.core.transport.listen_both(host, port)

    def contact(self, user: str | None = None, transport: str = "UDP") -> Uri:
        """The URI under which this endpoint is reached with a transport that it listens with."""
        bound = self.core.transport.address(transport)
        host, port = ("invalid", 0) if bound is None else bound
        return contact_uri(user, host_in_uri(self.settings.advertised or host), port, transport)

    async def request(
        self,
        request: Request,
        target: Target | None = None,
        *,
        credentials: DigestClient | None = None,
        on_provisional: OnResponse | None = None,
    ) -> Response:
        """Send a request that is no INVITE and wait for its final response, of any status.

        It goes to ``target`` (a next hop, or the flow of a peer), else by its Route, the SIP core or its URI;
        our Via is added. Waits first while the window of the next hop is full. A digest challenge is answered
        once with ``credentials``.

        :raises NoAnswer: nobody answered in time.
        :raises Unreachable: it could not be put on the way.
        :raises InvalidValue: it cannot be written, or names no next hop.
        """
        response = await ask(self.core, request, target, on_provisional=on_provisional)
        if credentials is None or response.status not in (401, 407):
            return response
        authorized = _next_try(credentials.authorize(request, response))
        return await ask(self.core, authorized, target, on_provisional=on_provisional)

    async def invite(
        self,
        request: Request,
        target: Target | None = None,
        *,
        credentials: DigestClient | None = None,
        on_provisional: OnResponse | None = None,
        on_reinvite: OnReinvite | None = None,
        ring: float = 180.0,
        session_interval: int = 0,
    ) -> Call:
        """Call somebody: send an INVITE and wait until the call is there.

        ``request`` is as for :meth:`request`; Contact is added, and a session timer of ``session_interval``
        seconds when that is not 0. ``on_reinvite`` answers re-INVITEs; without it they are accepted with the
        session as it is. After ``ring`` seconds, and when the caller is cancelled, so is the INVITE.

        :raises CallRefused: the call was refused; the error has the response.
        :raises NoAnswer: nobody answered.
        :raises Unreachable: it could not be put on the way.
        """
        if session_interval:
            request = replace(request, headers=request.headers.add(*offer(session_interval)))
        try:
            async with asyncio.timeout(ring):
                found = await self._invite(request, target, on_provisional, on_reinvite)
                if isinstance(found, Response) and credentials is not None and found.status in (401, 407):
                    request = _next_try(credentials.authorize(request, found))
                    found = await self._invite(request, target, on_provisional, on_reinvite)
        except TimeoutError:
            raise NoAnswer("the call was not answered in time") from None
        if isinstance(found, Response):
            raise CallRefused(found)
        return found

    async def _invite(
        self,
        request: Request,
        target: Target | None,
        on_provisional: OnResponse | None,
        on_reinvite: OnReinvite | None,
    ) -> Call | Response:
        invitation = Invitation(self.core, self.serving, request, target, on_provisional, on_reinvite)
        return await invitation.call()

    async def subscribe(
        self,
        request: Request,
        on_notify: OnNotify,
        target: Target | None = None,
        *,
        expires: int = 3600,
        credentials: DigestClient | None = None,
    ) -> Subscription:
        """Subscribe to what ``request`` (a SUBSCRIBE with Event, made by ``make_request``) names.

        Expires and Contact are added; ``on_notify`` gets what each NOTIFY brings. Refreshed by itself until
        :meth:`Subscription.unsubscribe`, the notifier's end, or the end of the endpoint.

        :raises SubscriptionRefused: the error has the response.
        :raises NoAnswer: :raises Unreachable: :raises InvalidValue: as for any request.
        """
        request = replace(request, headers=request.headers.set("Expires", str(expires)))
        hop = target or self.core.ways.next_hop(request)
        peer = hop if isinstance(hop, Peer) else await self.core.ways.flow(hop, len(request.body))
        request = self.core.ways.with_contact(request, peer)
        subscription = Subscription(self.core, self.serving, request, target, on_notify, expires)
        response = await subscription.start()
        if credentials is not None and response.status in (401, 407):
            request = _next_try(credentials.authorize(request, response))
            subscription = Subscription(self.core, self.serving, request, target, on_notify, expires)
            response = await subscription.start()
        if not response.ok:
            raise SubscriptionRefused(response)
        return subscription

    async def fan_out(
        self,
        template: MessageTemplate,
        deliveries: Iterable[Delivery],
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        """Send one request to many recipients, as fast as their next hops take it.

        Returns when each recipient has had its ``on_outcome``. ``deliveries`` may be a generator over millions:
        it is read no faster than requests leave.
        """
        await self._fast.send(template, deliveries, on_outcome)

    async def reach(self, target: Hop, size: int = 0) -> Peer:
        """The flow that a request of ``size`` octets to a next hop goes by, opened when it is not there.

        :raises Unreachable: there is none.
        """
        return await self.core.ways.flow(target, size)

    def contact_towards(self, identity: str, peer: Peer) -> str:
        """A Contact value under which ``peer`` reaches us by its flow, with the user of the URI ``identity``."""
        return self.core.ways.contact(identity, peer)

    def on_flow_closed(self, hook: Callable[[Peer, str], None]) -> None:
        """Call ``hook(peer, reason)`` for every connection that is gone, before requests that used it fail."""
        self.core.closed_hooks.append(hook)

    async def drain(self, peer: Peer) -> None:
        """Wait while the connection of a peer takes nothing more."""
        await self.core.transport.drain(peer)

    async def close(self, grace: float = 2.0) -> None:
        """Refuse new requests, let handlers finish for ``grace`` seconds, then close every socket."""
        await self.serving.close(grace)
        await self.core.close()
