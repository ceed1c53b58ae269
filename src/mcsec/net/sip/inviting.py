"""Calling somebody: INVITE until a call is there or is refused (RFC 3261 13.2, 9.1)."""

from __future__ import annotations

import asyncio
import contextlib

from mcsec.errors import PeerError
from mcsec.net.sip.asking import OnResponse, Passage, ask_as_is
from mcsec.net.sip.call_states import CallInput, CallState, step
from mcsec.net.sip.calls import Call, OnReinvite
from mcsec.net.sip.compose import make_cancel
from mcsec.net.sip.core import Core
from mcsec.net.sip.dialogs import Dialog
from mcsec.net.sip.effects import ClientKey
from mcsec.net.sip.errors import BadMessage, NotAccepted
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.serving import Serving
from mcsec.net.sip.session_timer import agreed
from mcsec.net.sip.ways import Target


class CallRefused(NotAccepted):
    """A call was not accepted."""

    code = "sip.call-refused"
    clause = "RFC 3261 13.2.2.3"
    what = "call"


class Invitation:
    """One INVITE of ours. Each 2xx makes a dialog; the first one is the call, others are ended at once."""

    def __init__(
        self,
        core: Core,
        serving: Serving,
        request: Request,
        target: Target | None,
        on_provisional: OnResponse | None,
        on_reinvite: OnReinvite | None,
    ) -> None:
        self._core, self._serving = core, serving
        self._request, self._target = request, target
        self._provisional, self._on_reinvite = on_provisional, on_reinvite
        self._passage: Passage | None = None
        self._key: ClientKey | None = None
        self._peer: Peer | None = None
        self._ringing = False
        self._calls: dict[str, Call] = {}
        self.state = CallState.CALLING
        self._answer: asyncio.Future[Call | Response] = asyncio.get_running_loop().create_future()

    async def call(self) -> Call | Response:
        """Send it and wait: the call, or the refusal. When the caller is cancelled, so is the INVITE.

        :raises NoAnswer: :raises Unreachable: :raises InvalidValue: as for any request.
        """
        self._passage = await Passage.enter(self._core, self._request, self._target)
        try:
            self._request, self._peer = await self._core.ways.prepare(self._request, self._target)
            self._request = self._core.ways.with_contact(self._request, self._peer)
            self._key = self._core.ask(self._request, self._peer, self)
            try:
                return await self._answer
            except asyncio.CancelledError:
                self._give_up()
                raise
        finally:
            self._passage.leave(answered=False)

    def _give_up(self) -> None:
        if self.state is CallState.CONFIRMED:
            self._serving.spawn(self._end_all())
        elif self.state is CallState.CALLING:
            self.state = step(self.state, CallInput.WE_CANCEL)
            if self._ringing:
                self._serving.spawn(self._cancel())

    async def _cancel(self) -> None:
        """Send CANCEL; without final answer to the INVITE in time, forget it (RFC 3261 9.1)."""
        assert self._peer is not None
        with contextlib.suppress(PeerError):
            clock = self._core.clock
            clock.timers.set(
                ("cancelled", self._key), clock.now() + self._core.settings.timings.lifetime, self._forget
            )
            await ask_as_is(self._core, make_cancel(self._request), self._peer)

    def _forget(self, now: float) -> None:
        if self.state is CallState.CANCELLING and self._key is not None:
            self.state = step(self.state, CallInput.NO_ANSWER)
            self._core.abandon(self._key)

    # core.Asker

    def heard(self, response: Response) -> None:
        """A response to the INVITE."""
        if self._passage is not None:
            self._passage.leave(answered=True)
        if response.ok:
            self._accepted(response)
        elif response.final:
            self.state = step(self.state, CallInput.THEY_REFUSE)
            if not self._answer.done():
                self._answer.set_result(response)
        elif not self._ringing and self.state is CallState.CANCELLING:
            # A CANCEL may leave only after the first sign of life (RFC 3261 9.1).
            self._ringing = True
            self._serving.spawn(self._cancel())
        else:
            self._ringing = True
            if self._provisional is not None and self.state is CallState.CALLING:
                self._core.guarded("INVITE", self._provisional, response)

    def failed(self, error: PeerError) -> None:
        """No response will come."""
        if self.state in (CallState.CALLING, CallState.CANCELLING):
            self.state = step(self.state, CallInput.NO_ANSWER)
        if not self._answer.done():
            self._answer.set_exception(error)

    def resent(self) -> None:
        """The INVITE was sent again."""
        if self._passage is not None:
            self._passage.resent()

    def _accepted(self, response: Response) -> None:
        tag = response.to.tag or ""
        call = self._calls.get(tag)
        if call is not None:
            self._serving.spawn(self._acknowledge(call))
            return
        wanted = self.state is CallState.CALLING
        try:
            dialog = Dialog.of_response(self._request, response)
            timer = agreed(response)
        except BadMessage as error:
            if not self._answer.done():
                self._answer.set_exception(error)
            return
        if self.state is not CallState.CONFIRMED:
            self.state = step(self.state, CallInput.THEY_ACCEPT)
        call = Call(
            self._core,
            self._serving,
            dialog,
            CallState.CONFIRMED,
            flow=self._target if isinstance(self._target, Peer) else None,
            local=(self._request.headers.get("Content-Type"), self._request.body),
            remote=response,
            timer=timer,
            on_reinvite=self._on_reinvite,
        )
        self._calls[tag] = call
        self._serving.spawn(self._acknowledge(call, end=not wanted))
        if wanted and not self._answer.done():
            self._answer.set_result(call)

    async def _acknowledge(self, call: Call, *, end: bool = False) -> None:
        await call.acknowledge(self._request)
        if end:
            await call.hang_up()

    async def _end_all(self) -> None:
        for call in self._calls.values():
            if call.state is CallState.CONFIRMED:
                await call.hang_up()
