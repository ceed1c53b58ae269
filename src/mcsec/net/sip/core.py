"""Joins transport, transactions and time; everything of an endpoint that is not its public face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from mcsec.errors import InvalidValue, PeerError, WrongState
from mcsec.net.sip.clock import Clock
from mcsec.net.sip.compose import answer_to_bad
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
    HandlerFailed,
    MessageMalformed,
    RequestRejected,
    ResponseUnmatched,
    SipEvent,
)
from mcsec.net.sip.gates import Gates
from mcsec.net.sip.message import Request, Response, decode, encode
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.transactions import TransactionLayer
from mcsec.net.sip.transport import Callbacks, Transport
from mcsec.net.sip.vetting import stamped, without_false_assertions
from mcsec.net.sip.ways import Ways

T = TypeVar("T")


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
        self.ways = Ways(settings, self.transport, self.clock)
        self.intercept: Callable[[bytes], bool] | None = None
        self.closed_hooks: list[Callable[[Peer, str], None]] = []
        self.tell = tell
        self._askers: dict[ClientKey, tuple[Asker, Peer]] = {}
        self._by_flow: dict[int, set[ClientKey]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        if settings.client_tls is not None:
            self.transport.use_client_tls(settings.client_tls)

    @property
    def asking(self) -> int:
        """How many requests of ours wait for their answer."""
        return len(self._askers)

    def guarded(self, method: str, function: Callable[..., T], *arguments: object) -> T | None:
        """Call what a user of this room gave us: whatever it raises is told, and goes no further."""
        try:
            return function(*arguments)
        # It is not ours, and it runs while a connection is read: its failure must not cost others theirs.
        except Exception as error:  # noqa: BLE001
            self.handler_failed(method, error)
            return None

    def handler_failed(self, method: str, error: BaseException) -> None:
        """Count and tell that a handler raised what it should not have."""
        self.counters.handlers_failed += 1
        self.tell(HandlerFailed(method, type(error).__name__))

    # Requests of ours.

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
            if isinstance(effect.key, ServerKey) and effect.target.reliable:
                task = asyncio.create_task(self._answer_anew(effect.octets, effect.target, effect.key))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            elif effect.key is not None:
                self.layer.transport_failed(effect.key, str(error), self.clock.now())

    async def _answer_anew(self, octets: bytes, peer: Peer, key: ServerKey) -> None:
        """Bring an answer to where the Via says when its connection is gone (RFC 3261 18.2.2)."""
        try:
            host, port = key.sent_by
            again = await self.transport.reach(Hop(peer.transport, peer.host, port, host))
            self.transport.send(octets, again)
        except (Unreachable, InvalidValue) as error:
            self.counters.deliveries_failed += 1
            self.tell(DeliveryFailed(key.method, str(error)))
            self.layer.transport_failed(key, str(error), self.clock.now())
            self.settle()

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
        for task in tuple(self._answering):
            task.cancel()
        await self.transport.close()
        self.clock.close()
