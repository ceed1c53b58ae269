"""The transaction layer (RFC 3261 17) without sockets and clock: messages, requests and time in; effects out.

Each call leaves its effects in order; whoever drives the layer takes them with :meth:`TransactionLayer.effects`
and carries them out. Time is seconds on any clock that does not go back.
"""

from __future__ import annotations

import random

from mcsec.errors import WrongState
from mcsec.net.sip.compose import make_ack, make_response, refusal
from mcsec.net.sip.effects import (
    AckArrived,
    ClientKey,
    Effect,
    Key,
    RequestArrived,
    RequestRefused,
    ResponseArrived,
    Send,
    ServerKey,
    StrayResponse,
    Target,
    TimedOut,
    TransactionEnded,
    TransportFailed,
)
from mcsec.net.sip.machines import (
    CLIENT_INVITE,
    CLIENT_OTHER,
    SERVER_INVITE,
    SERVER_OTHER,
    Do,
    Input,
    Start,
    State,
    Stop,
    Table,
    duration,
    spreads,
)
from mcsec.net.sip.message import Request, Response, encode
from mcsec.net.sip.timers import DEFAULT_TIMINGS, Timings
from mcsec.net.sip.values import MAGIC_COOKIE
from mcsec.net.timers import Timers


class _Transaction:
    """One machine: table, state, and what must be remembered to act."""

    __slots__ = ("ack", "key", "last", "ran", "reliable", "request", "running", "state", "table", "target")

    def __init__(self, key: Key, table: Table, request: Request, target: Target, reliable: bool) -> None:
        self.key, self.table = key, table
        self.request: Request | None = request
        self.target, self.reliable = target, reliable
        self.state = State.INITIAL
        self.last: bytes | None = None
        self.ack: bytes | None = None
        self.ran: dict[Input, int] = {}
        self.running: set[Input] = set()


class TransactionLayer:
    """All transactions of one endpoint.

    ``timers`` may be shared with others that run on the same clock. ``rng`` spreads retransmissions. With
    ``limit`` transactions and more, new requests of others are answered 503 and not remembered.
    """

    def __init__(
        self,
        timings: Timings = DEFAULT_TIMINGS,
        *,
        timers: Timers | None = None,
        rng: random.Random | None = None,
        limit: int = 100_000,
    ) -> None:
        self.timings = timings
        self.limit = limit
        self.timers = Timers() if timers is None else timers
        # The spread only keeps retransmissions apart; nothing secret hangs on it.
        self._rng = random.Random() if rng is None else rng  # noqa: S311
        self._transactions: dict[Key, _Transaction] = {}
        self._effects: list[Effect] = []
        self.absorbed = 0

    def __len__(self) -> int:
        return len(self._transactions)

    def __contains__(self, key: Key) -> bool:
        return key in self._transactions

    def state(self, key: Key) -> State:
        """The state of a transaction; TERMINATED when it is forgotten."""
        transaction = self._transactions.get(key)
        return State.TERMINATED if transaction is None else transaction.state

    def effects(self) -> list[Effect]:
        """What the calls so far brought about, in order; taken once."""
        taken, self._effects = self._effects, []
        return taken

    def next_timer(self) -> float | None:
        """When :meth:`handle_timer` wants to be called."""
        return self.timers.next()

    def handle_timer(self, now: float) -> None:
        """Let every timer run whose time has come."""
        self.timers.run(now)

    def request(self, request: Request, target: Target, now: float, *, reliable: bool) -> ClientKey:
        """Send a request, its own Via on top, in a new client transaction.

        :raises WrongState: the branch is in use, or the request is an ACK (which has no transaction).
        """
        via = request.vias[0]
        key = ClientKey(via.branch or "", request.method)
        if request.method == "ACK" or not key.branch.startswith(MAGIC_COOKIE) or key in self._transactions:
            raise WrongState(f"no client transaction can start for this {request.method}", code="sip.branch")
        table = CLIENT_INVITE if request.method == "INVITE" else CLIENT_OTHER
        transaction = _Transaction(key, table, request, target, reliable)
        transaction.last = encode(request)
        self._transactions[key] = transaction
        self._feed(transaction, Input.START, now, None)
        return key

    def respond(self, key: ServerKey, response: Response, now: float) -> None:
        """Send a response in a server transaction.

        :raises WrongState: the transaction has its final response, or is forgotten.
        :raises InvalidValue: the response cannot be written.
        """
        kind = Input.SEND_1XX if not response.final else Input.SEND_2XX if response.ok else Input.SEND_REFUSAL
        transaction = self._transactions.get(key)
        if transaction is None or kind not in transaction.table[transaction.state]:
            state = State.TERMINATED if transaction is None else transaction.state
            raise WrongState(
                f"a {key.method} transaction that is {state} takes no {response.status}",
                code="sip.transaction",
                clause="RFC 3261 17.2",
            )
        # Written before anything changes: a response that cannot be written leaves the transaction as it was.
        transaction.last = encode(response)
        self._feed(transaction, kind, now, response)

    def transport_failed(self, key: Key, reason: str, now: float) -> None:
        """Report that a :class:`Send` of this transaction did not work."""
        transaction = self._transactions.get(key)
        if transaction is not None:
            self._feed(transaction, Input.TRANSPORT_FAILED, now, None, reason)

    def abandon(self, key: Key) -> None:
        """Forget a transaction; nothing is sent or reported any more (RFC 3261 9.1, after a CANCEL)."""
        transaction = self._transactions.get(key)
        if transaction is not None:
            transaction.state = State.TERMINATED
            self._forget(transaction)

    def receive(self, message: Request | Response, source: Target, now: float, *, reliable: bool) -> None:
        """Take a message from the transport. Responses to ``source`` go back by the same way."""
        if isinstance(message, Response):
            self._receive_response(message, source, now)
        else:
            self._receive_request(message, source, now, reliable)

    def _receive_response(self, response: Response, source: Target, now: float) -> None:
        key = ClientKey(response.vias[0].branch or "", response.cseq.method)
        transaction = self._transactions.get(key)
        # A second Via means that the response took a wrong way: we forward nothing (RFC 3261 8.1.3.3).
        if transaction is None or len(response.vias) != 1:
            self._effects.append(StrayResponse(response, source))
            return
        kind = (
            Input.RECEIVE_1XX
            if not response.final
            else Input.RECEIVE_2XX
            if response.ok
            else Input.RECEIVE_REFUSAL
        )
        self._feed(transaction, kind, now, response)

    def _receive_request(self, request: Request, source: Target, now: float, reliable: bool) -> None:
        via = request.vias[0]
        branch = via.branch or ""
        if not branch.startswith(MAGIC_COOKIE) or len(branch) == len(MAGIC_COOKIE):
            # Requests of RFC 2543 elements cannot be told from their retransmissions.
            self._refuse(request, source, 400, "Missing Branch of RFC 3261")
            return
        method = "INVITE" if request.method == "ACK" else request.method
        key = ServerKey(branch, via.sent_by, method)
        transaction = self._transactions.get(key)
        if transaction is not None:
            kind = Input.RECEIVE_ACK if request.method == "ACK" else Input.RECEIVE_REQUEST
            self._feed(transaction, kind, now, request)
        elif request.method == "ACK":
            self._effects.append(AckArrived(request, source))
        elif len(self._transactions) >= self.limit:
            self._refuse(request, source, 503, "Too Many Transactions")
        else:
            table = SERVER_INVITE if method == "INVITE" else SERVER_OTHER
            transaction = _Transaction(key, table, request, source, reliable)
            self._transactions[key] = transaction
            self._feed(transaction, Input.START, now, request)

    def _refuse(self, request: Request, source: Target, status: int, reason: str) -> None:
        """Answer without a transaction; an ACK is never answered."""
        self._effects.append(RequestRefused(request, source, reason))
        if request.method != "ACK":
            self._effects.append(Send(encode(refusal(request, status, reason)), source, None))

    def _feed(
        self,
        transaction: _Transaction,
        kind: Input,
        now: float,
        message: Request | Response | None,
        reason: str = "",
    ) -> None:
        row = transaction.table[transaction.state].get(kind)
        if row is None:
            self.absorbed += 1
            return
        transaction.state, todo = row
        for step in todo:
            if isinstance(step, Start):
                self._start(transaction, step, now)
            elif isinstance(step, Stop):
                self._stop(transaction, step.timer)
            else:
                self._do(transaction, step, now, message, reason)
        if transaction.state is State.TERMINATED:
            self._forget(transaction)
        elif transaction.state is State.COMPLETED and transaction.table is not CLIENT_INVITE:
            # Thousands of these wait here for retransmissions; what they were about is needed no more.
            transaction.request = None

    def _forget(self, transaction: _Transaction) -> None:
        if self._transactions.pop(transaction.key, None) is not None:
            for timer in tuple(transaction.running):
                self._stop(transaction, timer)
            self._effects.append(TransactionEnded(transaction.key))

    def _do(
        self,
        transaction: _Transaction,
        step: Do,
        now: float,
        message: Request | Response | None,
        reason: str,
    ) -> None:
        key = transaction.key
        if step is Do.DELIVER:
            self._deliver(transaction, message)
        elif step is Do.TIME_OUT:
            self._effects.append(TimedOut(key))
        elif step is Do.FAIL:
            self._effects.append(TransportFailed(key, reason))
        elif step is Do.SEND_TRYING:
            assert transaction.request is not None
            transaction.last = encode(make_response(transaction.request, 100))
            self._effects.append(Send(transaction.last, transaction.target, key))
        elif step is Do.ACK:
            assert isinstance(message, Response)
            assert transaction.request is not None
            if transaction.ack is None:
                transaction.ack = encode(make_ack(transaction.request, message))
            self._effects.append(Send(transaction.ack, transaction.target, key))
        else:
            if step is Do.RESEND and message is not None:
                self.absorbed += 1
            if transaction.last is not None:
                again = step is Do.RESEND and message is None
                self._effects.append(Send(transaction.last, transaction.target, key, again))

    def _deliver(self, transaction: _Transaction, message: Request | Response | None) -> None:
        key = transaction.key
        if isinstance(key, ClientKey):
            assert isinstance(message, Response)
            self._effects.append(ResponseArrived(key, message))
            return
        assert isinstance(message, Request)
        if message.method == "ACK":
            self._effects.append(AckArrived(message, transaction.target))
            return
        cancels = None
        if message.method == "CANCEL":
            invite = ServerKey(key.branch, key.sent_by, "INVITE")
            cancels = invite if invite in self._transactions else None
        self._effects.append(RequestArrived(key, message, transaction.target, cancels))

    def _start(self, transaction: _Transaction, step: Start, now: float) -> None:
        timer = step.timer
        ran = transaction.ran.get(timer, 0)
        length = duration(timer, self.timings, reliable=transaction.reliable, ran=ran, slow=step.slow)
        if length is None:
            return
        if length == 0.0:
            self._feed(transaction, timer, now, None)
            return
        if spreads(timer):
            length *= 1 + self.timings.spread * self._rng.random()
        transaction.running.add(timer)

        def fire(at: float) -> None:
            transaction.running.discard(timer)
            transaction.ran[timer] = ran + 1
            self._feed(transaction, timer, at, None)

        self.timers.set((transaction.key, timer), now + length, fire)

    def _stop(self, transaction: _Transaction, timer: Input) -> None:
        if timer in transaction.running:
            transaction.running.discard(timer)
            self.timers.cancel((transaction.key, timer))
