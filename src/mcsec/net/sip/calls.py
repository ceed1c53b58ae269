"""A call that is established: re-INVITE, session refresh, BYE (RFC 3261 13.3.1.4, 14, 15; RFC 4028)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable

from mcsec.errors import DecodeError, McsecError, WrongState
from mcsec.net.sip.asking import ask
from mcsec.net.sip.call_states import CallInput, CallState, step
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.core import Core
from mcsec.net.sip.dialogs import Dialog, OutOfOrder, status_for
from mcsec.net.sip.effects import RequestArrived
from mcsec.net.sip.errors import NoAnswer
from mcsec.net.sip.message import Message, Request, Response, encode
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.reason import SERVER_GONE, Reason
from mcsec.net.sip.serving import Serving
from mcsec.net.sip.session_timer import SessionTimer, accept, agreed, offer

#: Answers a re-INVITE: gets the request, gives a final response (with the session that we go on with), or what waits
#: for it.
OnReinvite = Callable[[Request], Response | Awaitable[Response]]


def glare_wait(caller: bool, t1: float) -> float:
    """Seconds before a re-INVITE that met one of the other side is tried again (RFC 3261 14.1).

    2.1 to 4 for who made the Call-ID, up to 2 for the other, so that they do not meet again; in proportion to T1.
    """
    # Two sides must only differ; nothing secret hangs on it.
    seconds = random.uniform(2.1, 4.0) if caller else random.uniform(0.0, 2.0)  # noqa: S311
    return seconds * t1 / 0.5


class Call:
    """One call. ``remote_body`` is what the peer offered or answered last, ``remote_type`` the Content-Type of it;
    ``ended`` is set when it is over, ``because`` is what the peer's BYE said.

    ``flow`` is the connection to a neighbour: used as long as no proxy put itself on the route.
    """

    def __init__(
        self,
        core: Core,
        serving: Serving,
        dialog: Dialog,
        state: CallState,
        *,
        flow: Peer | None,
        local: tuple[str | None, bytes],
        remote: Message,
        timer: SessionTimer,
        on_reinvite: OnReinvite | None = None,
    ) -> None:
        self._core, self._serving = core, serving
        self.dialog, self.state = dialog, state
        self._flow = flow
        self._caller = state is CallState.CONFIRMED
        self._content_type, self._body = local
        self.remote_body, self.remote_type = b"", ""
        self._take(remote)
        self._timer = timer
        self._inviting = self._answering = False
        self._ack: tuple[int, bytes, Peer] | None = None
        self._repeat: tuple[RequestArrived, Response, float] | None = None
        self.on_reinvite: OnReinvite | None = on_reinvite
        self.ended = asyncio.Event()
        self._settled = asyncio.Event()
        self._confirmed = state is CallState.CONFIRMED
        self.reason = ""
        self.because: Reason | None = None
        self._dialog_gone = False
        serving.usages[dialog.id] = self
        if state is CallState.CONFIRMED:
            self._restart_timer()

    # What the user of the call does.

    @property
    def was_lost(self) -> bool:
        """Whether it is over though nobody ended it: the dialog is gone, or the other side began anew (503)."""
        return self._dialog_gone or (self.because is not None and self.because.cause == SERVER_GONE)

    async def hang_up(self, because: Reason | None = None) -> None:
        """End the call with BYE and wait for the answer; a peer that is gone is no error. ``because``: what it is told.

        :raises WrongState: it is not confirmed.
        """
        self._go(CallInput.WE_HANG_UP, "we hung up")
        try:
            headers = () if because is None else (because.header(),)
            await self._request(self.dialog.request("BYE", headers=headers))
        except McsecError:
            return

    async def confirmed(self) -> None:
        """Wait for the ACK of our answer.

        :raises NoAnswer: the call ended without it.
        """
        await self._settled.wait()
        if not self._confirmed:
            raise NoAnswer(self.reason)

    async def reinvite(
        self, body: bytes, content_type: str, headers: Iterable[tuple[str, str]] = ()
    ) -> Response:
        """Change the session. The answer may be a refusal; then the session is as before.

        ``headers`` go with it, and not with the refreshes that follow.

        One refusal for glare (491) is waited out and tried again (RFC 3261 14.1).

        :raises WrongState: the call is not confirmed, or another re-INVITE is under way.
        """
        more = tuple(headers)
        response = await self._reinvite(body, content_type, more)
        if response.status == 491:
            await asyncio.sleep(glare_wait(self._caller, self._core.settings.timings.t1))
            response = await self._reinvite(body, content_type, more)
        return response

    async def refresh(self) -> None:
        """Ask the peer by a re-INVITE whether it still knows the session; the call is over where it does not."""
        try:
            response = await self.reinvite(self._body, self._content_type or "")
        except WrongState:
            # Another re-INVITE is under way, which refreshes the session as well.
            return
        except McsecError as error:
            self._lose(f"the session could not be refreshed: {error.code}")
            return
        if not response.ok and self.state is CallState.CONFIRMED:
            self._lose(f"the session could not be refreshed: {response.status}", gone=False)

    async def _reinvite(self, body: bytes, content_type: str, headers: Iterable[tuple[str, str]]) -> Response:
        if self.state is not CallState.CONFIRMED or self._inviting:
            raise WrongState(f"a call that is {self.state} takes no re-INVITE now", code="sip.reinvite")
        timer = offer(self._timer.interval, ours=self._timer.ours) if self._timer.interval else []
        request = self.dialog.request(
            "INVITE", headers=[*timer, *headers], body=body, content_type=content_type
        )
        self._inviting = True
        try:
            response = await self._request(request)
        finally:
            self._inviting = False
        if response.ok:
            self.dialog.answered(response)
            self._content_type, self._body = content_type, body
            self._take(response)
            self._timer = agreed(response)
            self._restart_timer()
            await self.acknowledge(request)
        return response

    async def acknowledge(self, invite: Request) -> None:
        """Send the ACK for a 2xx, the same octets each time."""
        number = invite.cseq.number
        if self._ack is None or self._ack[0] != number:
            ack, peer = await self._core.ways.prepare(self.dialog.ack(invite), self._way())
            self._ack = number, encode(ack), peer
        self._core.send(*self._ack[1:])

    async def _request(self, request: Request) -> Response:
        def again(_: Response) -> None:
            self._serving.spawn(self.acknowledge(request))

        response = await ask(self._core, request, self._way(), on_again=again)
        if response.status in (408, 481):
            self._lose(f"the peer answered {response.status}")
        return response

    def _way(self) -> Peer | None:
        usable = self._flow is not None and not self.dialog.routes and self._core.transport.usable(self._flow)
        return self._flow if usable else None

    # What the peer does (serving.Usage).

    def received(self, arrived: RequestArrived, peer: Peer) -> None:
        """A request came in the dialog."""
        request = arrived.request
        try:
            if request.method == "INVITE" and (self._inviting or self._answering or self._repeat is not None):
                # Glare, or an INVITE before the ACK of the last one (RFC 3261 14.2).
                status = 491 if self._inviting else 500
                headers = [] if self._inviting else [("Retry-After", "1")]
                self._core.respond(arrived.key, make_response(request, status, headers=headers))
                return
            self.dialog.received(request)
        except (OutOfOrder, DecodeError) as error:
            self._core.respond(arrived.key, make_response(request, status_for(error)))
            return
        if request.method == "BYE":
            self._core.respond(arrived.key, make_response(request, 200))
            if self.state is not CallState.ENDED:
                self.because = because = Reason.of(request)
                told = f": {because.text}" if because is not None and because.text else ""
                self._go(CallInput.THEY_HANG_UP, f"they hung up{told}")
        elif request.method == "INVITE" and self.state is CallState.CONFIRMED:
            self._reinvited(arrived)
        elif request.method in ("MESSAGE", "OPTIONS"):
            self._serving.call(self._serving.handler, arrived, peer)
        else:
            self._core.respond(arrived.key, make_response(request, 405))

    def acknowledged(self, request: Request) -> None:
        """The ACK for our 2xx came."""
        if self._repeat is None or request.cseq.number != self._repeat[0].request.cseq.number:
            return
        self._stop_repeating()
        self._take(request)
        if self.state is CallState.ANSWERED:
            self._go(CallInput.ACKNOWLEDGED)
        self._restart_timer()

    def _reinvited(self, arrived: RequestArrived) -> None:
        try:
            timer, headers = accept(arrived.request, self._timer.interval)
        except DecodeError:
            self._core.respond(arrived.key, make_response(arrived.request, 400))
            return
        answer = self._core.guarded("INVITE", self.on_reinvite or self._same_again, arrived.request)
        if answer is None or isinstance(answer, Response):
            self._answer(arrived, answer, timer, headers)
        else:
            self._answering = True
            self._serving.spawn(self._answer_later(arrived, answer, timer, headers))

    async def _answer_later(
        self,
        arrived: RequestArrived,
        answer: Awaitable[Response],
        timer: SessionTimer,
        headers: list[tuple[str, str]],
    ) -> None:
        response = None
        try:
            response = await answer
        # Like what guarded() calls: it is not ours, and the peer is answered whatever it raises.
        except Exception as error:  # noqa: BLE001
            self._core.handler_failed("INVITE", error)
        finally:
            self._answering = False
            if self.state is not CallState.CONFIRMED:
                # A BYE came between (RFC 3261 15.1.2).
                response = make_response(arrived.request, 487)
            self._answer(arrived, response, timer, headers)

    def _answer(
        self,
        arrived: RequestArrived,
        response: Response | None,
        timer: SessionTimer,
        headers: list[tuple[str, str]],
    ) -> None:
        if response is None or not response.final:
            self._core.respond(arrived.key, make_response(arrived.request, 500))
        elif response.ok:
            lines = [("Contact", self.dialog.contact), *headers]
            kept = response.headers.without("Contact", "Session-Expires", "Require")
            response = Response(
                response.status, response.reason, headers=kept.add(*lines), body=response.body
            )
            self._take(arrived.request)
            self._timer = timer
            self.repeat(arrived, response)
        else:
            self._core.respond(arrived.key, response)

    def _take(self, message: Message) -> None:
        if message.body:
            self.remote_body, self.remote_type = message.body, message.headers.get("Content-Type") or ""

    def _same_again(self, request: Request) -> Response:
        return make_response(request, 200, body=self._body, content_type=self._content_type)

    # 2xx until ACK, refresh, end.

    def repeat(self, arrived: RequestArrived, response: Response) -> None:
        """Send a 2xx, and again until its ACK comes; without ACK the call ends by BYE (RFC 3261 13.3.1.4)."""
        timings = self._core.settings.timings
        self._repeat = (arrived, response, self._core.clock.now() + timings.lifetime)
        self._core.respond(arrived.key, response)
        self._again_after(timings.t1)

    def _again_after(self, interval: float) -> None:
        timings = self._core.settings.timings

        def fire(now: float) -> None:
            if self._repeat is None:
                return
            arrived, response, until = self._repeat
            if now >= until:
                self._stop_repeating()
                self._unacknowledged()
                return
            self._core.respond(arrived.key, response)
            self._again_after(min(2 * interval, timings.t2))

        self._core.clock.timers.set(("2xx", self.dialog.id), self._core.clock.now() + interval, fire)
        self._core.clock.arm()

    def _unacknowledged(self) -> None:
        if self.state is CallState.ANSWERED:
            self._go(CallInput.NOT_ACKNOWLEDGED, "the answer was not acknowledged")
            self._serving.spawn(self._say_bye())
        elif self.state is CallState.CONFIRMED:
            self._lose("the answer was not acknowledged")

    def _stop_repeating(self) -> None:
        self._repeat = None
        self._core.clock.timers.cancel(("2xx", self.dialog.id))

    def _restart_timer(self) -> None:
        after = self._timer.acts_after
        if after is None:
            self._core.clock.timers.cancel(("session", self.dialog.id))
            return
        when = self._core.clock.now() + after
        self._core.clock.timers.set(("session", self.dialog.id), when, lambda now: self._session_due())
        self._core.clock.arm()

    def _session_due(self) -> None:
        if self.state is not CallState.CONFIRMED:
            return
        if self._timer.ours:
            self._serving.spawn(self.refresh())
        else:
            self._lose("the session was not refreshed")

    def _lose(self, reason: str, *, gone: bool = True) -> None:
        """End it by ourselves; ``gone``: for nobody answers to it any more."""
        if self.state in (CallState.ANSWERED, CallState.CONFIRMED):
            self._dialog_gone = gone
            self._go(CallInput.LOST, reason)
            self._serving.spawn(self._say_bye())

    async def _say_bye(self) -> None:
        try:
            await ask(self._core, self.dialog.request("BYE"), self._way())
        except McsecError:
            return

    def _go(self, what: CallInput, reason: str = "") -> None:
        self.state = step(self.state, what)
        self._confirmed = self._confirmed or self.state is CallState.CONFIRMED
        self._settled.set()
        if self.state is CallState.ENDED:
            self.reason = reason
            self._stop_repeating()
            self._core.clock.timers.cancel(("session", self.dialog.id))
            self._serving.usages.pop(self.dialog.id, None)
            # Whoever answers re-INVITEs holds the call; let go, so that neither waits for a search for cycles.
            self.on_reinvite = None
            self.ended.set()
