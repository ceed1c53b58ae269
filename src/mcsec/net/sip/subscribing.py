"""Subscribing: SUBSCRIBE, what NOTIFY brings, refresh, and the end (RFC 6665 4.1, 4.4)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from mcsec.errors import DecodeError, McsecError
from mcsec.net.sip.asking import ask
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.core import Core
from mcsec.net.sip.dialogs import Dialog, DialogId, OutOfOrder, status_for
from mcsec.net.sip.effects import RequestArrived
from mcsec.net.sip.errors import NotAccepted
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.refreshing import refresh_after, seconds
from mcsec.net.sip.serving import Serving
from mcsec.net.sip.subscription_states import (
    SubscriptionInput,
    SubscriptionState,
    SubscriptionStatus,
    same_event,
    step,
)
from mcsec.net.sip.ways import Target


class SubscriptionRefused(NotAccepted):
    """A subscription was not accepted."""

    code = "sip.subscription-refused"
    clause = "RFC 6665 4.1.2.1"
    what = "subscription"


@dataclass(frozen=True, slots=True)
class Notification:
    """What a NOTIFY brought; ``content_type`` with its parameters."""

    status: SubscriptionStatus
    content_type: str
    body: bytes


OnNotify = Callable[[Notification], None]

_INPUTS = {
    SubscriptionState.PENDING: SubscriptionInput.PENDING,
    SubscriptionState.ACTIVE: SubscriptionInput.ACTIVE,
    SubscriptionState.TERMINATED: SubscriptionInput.TERMINATED,
}


class Subscription:
    """Our subscription; refreshed by itself until it ends. ``ended`` is set then, ``reason`` says why."""

    def __init__(
        self,
        core: Core,
        serving: Serving,
        request: Request,
        target: Target | None,
        on_notify: OnNotify,
        expires: int,
    ) -> None:
        self._core, self._serving = core, serving
        self._request, self._target = request, target
        self._on_notify, self._expires = on_notify, expires
        self._event = request.headers.get("Event", "") or ""
        self._half = DialogId(request.call_id, request.from_.tag or "", "")
        self._dialog: Dialog | None = None
        self.state = SubscriptionState.NOTIFY_WAIT
        self.reason = ""
        self.ended = asyncio.Event()
        serving.usages[self._half] = self

    async def start(self) -> Response:
        """Send the SUBSCRIBE; a refusal comes back as it is and ends the subscription.

        :raises NoAnswer: :raises Unreachable: :raises InvalidValue: as for any request.
        """
        try:
            response = await ask(self._core, self._request, self._target)
        except BaseException:
            self._end("it was not asked for")
            raise
        if not response.ok:
            self._end(f"refused with {response.status}")
            return response
        self._accepted(response)
        if self.state is SubscriptionState.NOTIFY_WAIT:
            self._after(self._core.settings.timings.lifetime, "wait", self._no_notify)
        return response

    @property
    def _over(self) -> bool:
        return self.state is SubscriptionState.TERMINATED

    async def unsubscribe(self) -> None:
        """End it: the last NOTIFY is still delivered, for as long as it may take (timer N)."""
        if self._over or self._dialog is None:
            return
        self._cancel_timer("refresh")
        self._expires = 0
        answered = False
        with contextlib.suppress(McsecError):
            answered = (await self._ask_again()).ok
        if answered and not self._over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._core.settings.timings.lifetime):
                    await self.ended.wait()
        self._go(SubscriptionInput.GONE, "no last NOTIFY came")

    # serving.Usage

    def received(self, arrived: RequestArrived, peer: Peer) -> None:
        """A NOTIFY came."""
        request = arrived.request
        try:
            status = self._take(request)
        except (OutOfOrder, DecodeError) as error:
            self._core.respond(arrived.key, make_response(request, status_for(error)))
            return
        if isinstance(status, int):
            self._core.respond(arrived.key, make_response(request, status))
            return
        self._core.respond(arrived.key, make_response(request, 200))
        content_type = request.headers.get("Content-Type") or ""
        notification = Notification(status, content_type, request.body)
        self._go(_INPUTS[status.state], status.reason or "the notifier ended it")
        if status.expires is not None and self._expires and not self._over:
            self._lasts(status.expires)
        self._core.guarded("NOTIFY", self._on_notify, notification)

    def acknowledged(self, request: Request) -> None:
        """No ACK belongs here."""

    def _take(self, request: Request) -> SubscriptionStatus | int:
        """The status that a NOTIFY brings, or that of our refusal.

        :raises OutOfOrder: :raises BadMessage: it is late, or broken.
        """
        if request.method != "NOTIFY":
            return 405
        if not same_event(request.headers.get("Event", "") or "", self._event):
            return 489
        status = SubscriptionStatus.decode(request.headers.get("Subscription-State", "") or "")
        if self._dialog is not None and self._dialog.id != DialogId.of_request(request):
            # A second notifier of a forked SUBSCRIBE: one subscription has one (RFC 6665 4.4.1).
            return 481
        if _INPUTS[status.state] is SubscriptionInput.PENDING and self.state is SubscriptionState.ACTIVE:
            return 400
        if self._dialog is None:
            dialog = Dialog.of_request(request, self._half.local_tag, "")
            self._establish(dialog, cseq=self._request.cseq.number)
        else:
            self._dialog.received(request)
        return status

    def _establish(self, dialog: Dialog, cseq: int) -> None:
        dialog.continue_from(cseq)
        dialog.contact = self._request.headers.get("Contact", "") or ""
        self._dialog = dialog
        self._serving.usages[dialog.id] = self

    # Refresh and end.

    def _accepted(self, response: Response) -> None:
        if self._dialog is not None:
            if response.cseq == self._request.cseq:
                self._dialog.learn_routes(response)
        elif response.to.tag is not None and "Contact" in response.headers:
            self._establish(Dialog.of_response(self._request, response), cseq=self._request.cseq.number)
        granted = seconds(response.headers.get("Expires"))
        if self._expires and not self._over:
            self._lasts(self._expires if granted is None else granted)

    def _lasts(self, expires: int) -> None:
        self._after(refresh_after(expires), "refresh", self._refresh_due)
        self._after(float(expires), "expiry", self._expired)

    def _refresh_due(self) -> None:
        self._serving.spawn(self._refresh())

    async def _refresh(self) -> None:
        try:
            response = await self._ask_again()
        except McsecError:
            # It lasts until it expires; perhaps the peer is back by then.
            return
        if response.status in (404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604):
            self._go(SubscriptionInput.GONE, f"the refresh was answered {response.status}")

    async def _ask_again(self) -> Response:
        assert self._dialog is not None
        headers = [("Event", self._event), ("Expires", str(self._expires))]
        headers += [("Accept", value) for value in self._request.headers.all("Accept")]
        response = await ask(
            self._core,
            self._dialog.request("SUBSCRIBE", headers=headers),
            self._target if not self._dialog.routes else None,
        )
        if response.ok:
            self._dialog.answered(response)
            self._accepted(response)
        return response

    def _no_notify(self) -> None:
        if self.state is SubscriptionState.NOTIFY_WAIT:
            self._go(SubscriptionInput.NO_NOTIFY, "no NOTIFY came")

    def _expired(self) -> None:
        self._go(SubscriptionInput.EXPIRED, "it expired")

    def _after(self, delay: float, name: str, action: Callable[[], None]) -> None:
        clock = self._core.clock
        clock.timers.set((name, self._half), clock.now() + delay, lambda now: action())
        clock.arm()

    def _cancel_timer(self, name: str) -> None:
        self._core.clock.timers.cancel((name, self._half))

    def _go(self, what: SubscriptionInput, reason: str) -> None:
        if self._over:
            return
        after = self.state = step(self.state, what)
        if after is SubscriptionState.TERMINATED:
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.state = SubscriptionState.TERMINATED
        self.reason = reason
        for name in ("wait", "refresh", "expiry"):
            self._cancel_timer(name)
        self._serving.usages.pop(self._half, None)
        if self._dialog is not None:
            self._serving.usages.pop(self._dialog.id, None)
        self.ended.set()
