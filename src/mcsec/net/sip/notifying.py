"""Being subscribed to: accept, NOTIFY, refresh, expiry (RFC 6665 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from mcsec.errors import DecodeError, McsecError, WrongState
from mcsec.net.sip.asking import ask
from mcsec.net.sip.compose import make_response, new_tag, refusal
from mcsec.net.sip.core import Core
from mcsec.net.sip.dialogs import Dialog, OutOfOrder, status_for
from mcsec.net.sip.effects import RequestArrived
from mcsec.net.sip.message import Request
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.refreshing import seconds
from mcsec.net.sip.serving import Serving
from mcsec.net.sip.subscription_states import (
    SubscriptionInput,
    SubscriptionState,
    SubscriptionStatus,
    same_event,
    step,
)

#: Granted when a SUBSCRIBE asks for nothing, in seconds.
USUAL = 3600


class Subscriber:
    """Somebody's subscription with us. ``ended`` is set when it is over.

    ``on_refresh`` is called after each refresh: the state must be notified again then.
    """

    def __init__(self, core: Core, serving: Serving, arrived: RequestArrived, peer: Peer) -> None:
        self._core, self._serving, self._arrived = core, serving, arrived
        self.request, self.peer = arrived.request, peer
        self.event = self.request.headers.get("Event", "") or ""
        self._tag = new_tag()
        contact = core.ways.contact(self.request.to.uri, peer)
        self._dialog = Dialog.of_request(self.request, self._tag, contact)
        self._flow = peer if len(self.request.vias) == 1 else None
        self.answered = False
        self._until = 0.0
        self._most = USUAL
        self._one_at_a_time = asyncio.Lock()
        self.state = SubscriptionState.NOTIFY_WAIT
        self.reason = ""
        self.ended = asyncio.Event()
        self.on_refresh: Callable[[Subscriber], None] = lambda subscriber: None

    @property
    def asked_for(self) -> int:
        """The seconds that the subscriber asks for; 0: it wants the state once."""
        return self._wanted(self.request)

    def refuse(
        self, status: int, reason: str | None = None, *, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Refuse it.

        :raises WrongState: it is answered.
        """
        self._answer_once()
        self._core.respond(self._arrived.key, make_response(self.request, status, reason, headers=headers))
        self.state = SubscriptionState.TERMINATED
        self.ended.set()

    def accept(self, most: int = USUAL) -> int:
        """Answer 200 and give the seconds granted, ``most`` at most; a :meth:`notify` must follow at once.

        :raises WrongState: it is answered.
        """
        self._answer_once()
        self._most = most
        granted = min(self.asked_for, most)
        self._serving.usages[self._dialog.id] = self
        self._grant(self._arrived, granted)
        return granted

    async def notify(
        self, body: bytes = b"", content_type: str | None = None, *, pending: bool = False
    ) -> None:
        """Send the state. Waits for the answer, so that states do not overtake one another.

        :raises WrongState: the subscription is over, or not accepted.
        """
        what = SubscriptionInput.PENDING if pending else SubscriptionInput.ACTIVE
        if not self.answered:
            raise WrongState("the subscription is not accepted", code="sip.subscription-state")
        state = step(self.state, what)
        left = round(self._until - self._core.clock.now())
        if left <= 0:
            await self.terminate("timeout", body, content_type)
            return
        async with self._one_at_a_time:
            if self.state is not SubscriptionState.TERMINATED:
                self.state = state
                await self._send(SubscriptionStatus(state, expires=left), body, content_type)

    async def terminate(
        self, reason: str = "noresource", body: bytes = b"", content_type: str | None = None
    ) -> None:
        """Send the last NOTIFY; ``reason`` as RFC 6665 4.1.3 has it. Nothing when it is over."""
        async with self._one_at_a_time:
            if self.state is SubscriptionState.TERMINATED:
                return
            self._end(SubscriptionInput.TERMINATED, reason)
            await self._send(SubscriptionStatus(self.state, reason=reason), body, content_type)

    async def _send(self, status: SubscriptionStatus, body: bytes, content_type: str | None) -> None:
        headers = [("Event", self.event), ("Subscription-State", status.encode())]
        request = self._dialog.request("NOTIFY", headers=headers, body=body, content_type=content_type)
        usable = (
            self._flow is not None and not self._dialog.routes and self._core.transport.usable(self._flow)
        )
        try:
            response = await ask(self._core, request, self._flow if usable else None)
        except McsecError as error:
            self._end(SubscriptionInput.GONE, error.code)
            return
        if not response.ok and response.status not in (500, 503):
            self._end(SubscriptionInput.GONE, f"a NOTIFY was answered {response.status}")

    # serving.Usage

    def received(self, arrived: RequestArrived, peer: Peer) -> None:
        """A refresh came, or the wish to end it."""
        request = arrived.request
        if request.method != "SUBSCRIBE":
            self._core.respond(arrived.key, make_response(request, 405))
            return
        try:
            self._dialog.received(request)
            same = same_event(request.headers.get("Event", "") or "", self.event)
        except (OutOfOrder, DecodeError) as error:
            self._core.respond(arrived.key, make_response(request, status_for(error)))
            return
        if not same:
            self._core.respond(arrived.key, make_response(request, 489))
            return
        granted = min(self._wanted(request), self._most)
        self._grant(arrived, granted)
        if granted:
            self._core.guarded("SUBSCRIBE", self.on_refresh, self)
        else:
            self._serving.spawn(self.terminate("timeout"))

    def acknowledged(self, request: Request) -> None:
        """No ACK belongs here."""

    def _wanted(self, request: Request) -> int:
        wanted = seconds(request.headers.get("Expires"))
        return USUAL if wanted is None else wanted

    def _grant(self, arrived: RequestArrived, granted: int) -> None:
        self._until = self._core.clock.now() + granted
        headers = [("Expires", str(granted)), ("Contact", self._dialog.contact)]
        headers += [("Record-Route", value) for value in arrived.request.headers.all("Record-Route")]
        response = make_response(arrived.request, 200, to_tag=self._tag, headers=headers)
        self._core.respond(arrived.key, response)
        if granted:
            self._core.clock.timers.set(("lasts", self._dialog.id), self._until, lambda now: self._expired())
            self._core.clock.arm()

    def _expired(self) -> None:
        self._serving.spawn(self.terminate("timeout"))

    def _answer_once(self) -> None:
        if self.answered:
            raise WrongState("the subscription is answered", code="sip.subscription-state")
        self.answered = True

    def _end(self, what: SubscriptionInput, reason: str) -> None:
        if self.state is not SubscriptionState.TERMINATED:
            self.state = step(self.state, what)
            self.reason = reason
            self._core.clock.timers.cancel(("lasts", self._dialog.id))
            self._serving.usages.pop(self._dialog.id, None)
            self.ended.set()


OnSubscribe = Callable[[Subscriber], Awaitable[None]]


def offer_subscription(
    core: Core, serving: Serving, handler: OnSubscribe, arrived: RequestArrived, peer: Peer
) -> None:
    """Hand a SUBSCRIBE outside a dialog to a handler, or refuse what cannot be one."""
    request = arrived.request
    try:
        subscriber = Subscriber(core, serving, arrived, peer)
    except DecodeError:
        core.respond(arrived.key, refusal(request, 400))
        return
    if not subscriber.event:
        subscriber.refuse(489)
        return
    serving.spawn(_run(core, handler, subscriber))


async def _run(core: Core, handler: OnSubscribe, subscriber: Subscriber) -> None:
    try:
        await handler(subscriber)
    # A handler is not ours: whatever it raises, the subscriber is answered and the endpoint lives on.
    except Exception as error:  # noqa: BLE001
        core.handler_failed("SUBSCRIBE", error)
    finally:
        if not subscriber.answered:
            subscriber.refuse(500)
