"""Joins transport, transactions and time; everything of an endpoint that is not its public face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mcsec.errors import InvalidValue, PeerError, WrongState
from mcsec.net.sip.clock import Clock
from mcsec.net.sip.compose import answer_to_bad, make_response, new_branch, with_via
from mcsec.net.sip.dialogs import first_hop
from mcsec.net.sip.effects import (
    AckArrived,
    ClientKey,
    Effect,
    RequestArrived,
    RequestRefused,
    ResponseArrived,
    Send,
    ServerKey,
    StrayResponse,
    TimedOut,
    TransportFailed,
)
from mcsec.net.sip.errors import BadMessage, NoAnswer, Unreachable
from mcsec.net.sip.events import (
    ConnectionClosed,
    ConnectionOpened,
    Counters,
    DeliveryFailed,
    MessageMalformed,
    RequestRejected,
    ResponseUnmatched,
    SipEvent,
)
from mcsec.net.sip.gates import Gates
from mcsec.net.sip.grammar import Params
from mcsec.net.sip.message import Request, Response, decode, encode
from mcsec.net.sip.peer import Hop, Peer, host_in_uri
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.transactions import TransactionLayer
from mcsec.net.sip.transport import Callbacks, Transport
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import Via
from mcsec.net.sip.vetting import stamped, without_false_assertions

Target = Hop | Peer

# About what our Via adds to a request.
_VIA_SIZE = 100
# How many hops that refused TCP are remembered, and for how many seconds.
_REMEMBERED, _ASK_AGAIN = 4096, 60.0


class Asker(Protocol):
    """Whoever waits for the answers to a request of ours."""

    def heard(self, response: Response) -> None:
        """A response came."""

    def failed(self, error: PeerError) -> None:
        """No response will come any more."""

    def resent(self) -> None:
        """The request had to be sent again."""


class Server(Protocol):
    """Whoever answers the requests of others."""

    def serve(self, arrived: RequestArrived, peer: Peer) -> None:
        """A new request came."""

    def acknowledged(self, request: Request) -> None:
        """An ACK for a 2xx came."""

    def ended(self, key: ServerKey) -> None:
        """The transaction of a request is forgotten."""


class Core:
    """The machinery. ``server`` gets what others ask, ``tell`` every event.

    ``intercept`` sees the octets of every response first and says whether it took them; ``closed_hooks`` hear
    of connections that are gone.
    """

    server: Server

    def __init__(self, settings: EndpointSettings, tell: Callable[[SipEvent], None]) -> None:
        self.settings = settings
        self.counters = Counters()
        self.gates = Gates(settings.window)
        self.clock = Clock(self.settle)
        self.layer = TransactionLayer(settings.timings, timers=self.clock.timers, limit=settings.transactions)
        self.transport = Transport(
            self.clock,
            Callbacks(self._received, self._malformed, self._opened, self._closed),
            settings.transport,
        )
        self.intercept: Callable[[bytes], bool] | None = None
        self.closed_hooks: list[Callable[[Peer, str], None]] = []
        self.tell = tell
        self._askers: dict[ClientKey, tuple[Asker, Peer]] = {}
        self._by_flow: dict[int, set[ClientKey]] = {}
        self._udp_only: dict[Hop, float] = {}
        if settings.client_tls is not None:
            self.transport.use_client_tls(settings.client_tls)

    @property
    def asking(self) -> int:
        """How many requests of ours wait for their answer."""
        return len(self._askers)

    # Requests of ours.

    def next_hop(self, request: Request) -> Hop:
        """Where a request goes that has no explicit target (RFC 3261 8.1.2): Route, SIP core, request URI.

        :raises InvalidValue: the URI names no hop.
        """
        route = first_hop(request)
        if route is not None:
            return Hop.of(Uri.decode(route))
        return self.settings.outbound or Hop.of(request.parsed_uri())

    async def prepare(self, request: Request, target: Target | None) -> tuple[Request, Peer]:
        """The request with our Via, and the flow that it goes by.

        :raises Unreachable: there is no flow to the next hop.
        """
        if isinstance(target, Peer):
            return self._with_our_via(request, target), target
        hop = self.next_hop(request) if target is None else target
        if request.uri[:5].lower() == "sips:" and hop.transport != "TLS":
            raise InvalidValue(
                "a request to a sips URI goes by TLS", code="sip.sips", clause="RFC 3261 26.2.2"
            )
        size = len(encode(request)) + _VIA_SIZE if hop.transport == "UDP" else 0
        peer = await self.flow(hop, size)
        return self._with_our_via(request, peer), peer

    async def flow(self, hop: Hop, size: int) -> Peer:
        """A flow to a next hop for a request of ``size`` octets; large ones leave UDP for TCP (18.1.1).

        :raises Unreachable: there is none.
        """
        large = hop.transport == "UDP" and size > self.settings.datagram_limit
        if large and self.clock.now() >= self._udp_only.get(hop, 0.0):
            try:
                return await self.transport.reach(replace(hop, transport="TCP"))
            except Unreachable:
                # The element may speak UDP only; RFC 3261 18.1.1 then lets the datagram go.
                if len(self._udp_only) >= _REMEMBERED:
                    self._udp_only.clear()
                self._udp_only[hop] = self.clock.now() + _ASK_AGAIN
        return await self.transport.reach(hop)

    def ask(self, request: Request, peer: Peer, asker: Asker) -> ClientKey:
        """Start a client transaction for a prepared request."""
        now = self.clock.now()
        key = self.layer.request(request, peer, now, reliable=peer.reliable)
        self._askers[key] = (asker, peer)
        if peer.reliable:
            self._by_flow.setdefault(peer.flow, set()).add(key)
        self.counters.requests_sent += 1
        self.settle()
        return key

    def abandon(self, key: ClientKey) -> None:
        """Stop caring about a request; its asker hears nothing more."""
        self._forget(key)
        self.layer.abandon(key)
        self.settle()

    def send(self, octets: bytes, peer: Peer) -> None:
        """Send octets outside any transaction (an ACK for a 2xx).

        :raises Unreachable: the flow is gone.
        """
        self.transport.send(octets, peer)

    def sent_by(self, peer: Peer) -> tuple[str, int]:
        """The host and port that our Via and Contact show to a peer."""
        listening = self.transport.address(peer.transport)
        host = self.settings.advertised or peer.local[0]
        if listening is not None:
            if self.settings.advertised is None and listening[0] not in ("0.0.0.0", "::"):
                host = listening[0]
            return host_in_uri(host), listening[1]
        return host_in_uri(host), peer.local[1]

    def with_contact(self, request: Request, peer: Peer) -> Request:
        """The request with a Contact of ours, under the user of its From, unless it has one."""
        if "Contact" in request.headers:
            return request
        return replace(
            request, headers=request.headers.add(("Contact", self.contact(request.from_.uri, peer)))
        )

    def contact(self, identity: str, peer: Peer) -> str:
        """A Contact value under which ``peer`` reaches us, with the user of ``identity``."""
        return f"<{uri_of(Uri.decode(identity).user, *self.sent_by(peer), peer.transport)}>"

    def _with_our_via(self, request: Request, peer: Peer) -> Request:
        host, port = self.sent_by(peer)
        params = Params((("branch", new_branch()), ("rport", None)))
        return with_via(request, Via(peer.transport, host, port, params))

    # Requests of others.

    def respond(self, key: ServerKey, response: Response) -> bool:
        """Answer a request; ``False`` when its transaction is gone and nobody waits for the answer any more."""
        try:
            self.layer.respond(key, response, self.clock.now())
        except WrongState:
            return False
        self.counters.responses_sent += 1
        self.settle()
        return True

    # What the layer brings about.

    def settle(self) -> None:
        """Carry out what the transaction layer wants done, and arm the clock."""
        while effects := self.layer.effects():
            for effect in effects:
                self._carry_out(effect)
        self.clock.arm()

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._put(effect)
        elif isinstance(effect, ResponseArrived):
            found = self._askers.get(effect.key)
            if found is not None:
                if effect.response.final and effect.key.method != "INVITE":
                    self._forget(effect.key)
                found[0].heard(effect.response)
        elif isinstance(effect, RequestArrived):
            assert isinstance(effect.source, Peer)
            self.server.serve(effect, effect.source)
        elif isinstance(effect, AckArrived):
            self.server.acknowledged(effect.request)
        elif isinstance(effect, (TimedOut, TransportFailed)):
            self._failed(effect)
        elif isinstance(effect, StrayResponse):
            assert isinstance(effect.source, Peer)
            self.counters.unmatched += 1
            self.tell(ResponseUnmatched(effect.source, effect.response.status))
        elif isinstance(effect, RequestRefused):
            assert isinstance(effect.source, Peer)
            self.reject(effect.source, effect.request.method, 0, effect.reason)
        elif isinstance(effect.key, ClientKey):
            self._forget(effect.key)
        else:
            self.server.ended(effect.key)

    def reject(self, peer: Peer, method: str, status: int, reason: str) -> None:
        """Count and tell that a request was refused before any handler saw it."""
        self.counters.rejected += 1
        self.tell(RequestRejected(peer, method, status, reason))

    def _put(self, effect: Send) -> None:
        assert isinstance(effect.target, Peer)
        if effect.again:
            self.counters.retransmissions_sent += 1
            if isinstance(effect.key, ClientKey) and effect.key in self._askers:
                self._askers[effect.key][0].resent()
        try:
            self.transport.send(effect.octets, effect.target)
        except Unreachable as error:
            if effect.key is not None:
                self.layer.transport_failed(effect.key, str(error), self.clock.now())

    def _failed(self, effect: TimedOut | TransportFailed) -> None:
        reason = effect.reason if isinstance(effect, TransportFailed) else "no answer in time"
        self.counters.deliveries_failed += 1
        self.tell(DeliveryFailed(effect.key.method, reason))
        if isinstance(effect.key, ClientKey):
            found = self._forget(effect.key)
            if found is not None:
                lost = isinstance(effect, TransportFailed)
                found.failed(Unreachable(reason) if lost else NoAnswer(f"{effect.key.method}: {reason}"))

    def _forget(self, key: ClientKey) -> Asker | None:
        found = self._askers.pop(key, None)
        if found is None:
            return None
        asker, peer = found
        keys = self._by_flow.get(peer.flow)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._by_flow[peer.flow]
        return asker

    # What the transport tells.

    def _received(self, octets: bytes, peer: Peer) -> None:
        if octets[:4] == b"SIP/" and self.intercept is not None and self.intercept(octets):
            self.counters.responses_received += 1
            return
        try:
            message = decode(octets, stream=peer.reliable, limits=self.settings.transport.limits)
        except BadMessage as error:
            self._malformed(error, peer)
            return
        headers = without_false_assertions(message.headers, peer, self.settings.trust)
        if headers is not message.headers:
            message = replace(message, headers=headers)
        now = self.clock.now()
        if isinstance(message, Request):
            self.counters.requests_received += 1
            message, source = stamped(message, peer)
            if peer.transport == "TLS" and message.vias[0].params.has("alias"):
                self.transport.alias(peer, message.vias[0].sent_by[1])
            self.layer.receive(message, source, now, reliable=peer.reliable)
        else:
            self.counters.responses_received += 1
            self.layer.receive(message, peer, now, reliable=peer.reliable)
        self.settle()

    def _malformed(self, error: BadMessage, peer: Peer) -> None:
        self.counters.malformed += 1
        answer = answer_to_bad(error)
        if answer is not None:
            try:
                self.transport.send(encode(answer), peer)
            except (Unreachable, InvalidValue):
                answer = None
        reason = str(error)
        self.tell(MessageMalformed(peer, error.code, reason, answer.status if answer is not None else None))

    def _opened(self, peer: Peer) -> None:
        self.tell(ConnectionOpened(peer))

    def _closed(self, peer: Peer, reason: str) -> None:
        self.tell(ConnectionClosed(peer, reason))
        for hook in self.closed_hooks:
            hook(peer, reason)
        for key in tuple(self._by_flow.get(peer.flow, ())):
            self.layer.transport_failed(key, f"the connection with {peer}: {reason}", self.clock.now())
        self.settle()

    async def close(self) -> None:
        """Let nothing happen any more."""
        self.clock.close()
        for key in tuple(self._askers):
            asker = self._forget(key)
            self.layer.abandon(key)
            if asker is not None:
                asker.failed(Unreachable("the endpoint is closing"))
        await self.transport.close()
        self.clock.close()


def refusal(request: Request, status: int, reason: str | None = None) -> Response:
    """A plain refusal; 503 tells when to come back."""
    headers = [("Retry-After", "5")] if status == 503 else []
    return make_response(request, status, reason, headers=headers)


def uri_of(user: str | None, host: str, port: int, transport: str) -> Uri:
    """A Contact URI of ours."""
    params = Params() if transport == "UDP" else Params().with_("transport", transport.lower())
    return Uri("sip", user, host, port, params)
