"""Being called: one INVITE of theirs until it is accepted, refused or cancelled (RFC 3261 13.3, 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from mcsec.errors import DecodeError, InvalidValue, WrongState
from mcsec.net.sip.call_states import CallInput, CallState, step
from mcsec.net.sip.calls import Call, OnReinvite
from mcsec.net.sip.compose import make_response, new_tag, refusal
from mcsec.net.sip.core import Core
from mcsec.net.sip.dialogs import Dialog
from mcsec.net.sip.effects import RequestArrived
from mcsec.net.sip.errors import NoAnswer
from mcsec.net.sip.message import Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.serving import Serving
from mcsec.net.sip.session_timer import LEAST, accept, too_brief


class IncomingCall:
    """An INVITE that waits for our answer. ``peer`` is who brought it, ``request`` what it says."""

    def __init__(self, core: Core, serving: Serving, arrived: RequestArrived, peer: Peer) -> None:
        self._core, self._serving, self._arrived = core, serving, arrived
        self.request, self.peer = arrived.request, peer
        self._tag = new_tag()
        self._contact = core.ways.contact(self.request.to.uri, peer)
        self._dialog = Dialog.of_request(self.request, self._tag, self._contact)
        self._task: asyncio.Task[None] | None = None
        self.state = CallState.OFFERED
        serving.invites[arrived.key] = self

    @property
    def open(self) -> bool:
        """Whether it waits for our answer."""
        return self.state is CallState.OFFERED

    def features(self, params: str) -> None:
        """Say in our Contact what we are, such as ``isfocus`` (RFC 3840)."""
        self._contact = self._dialog.contact = f"{self._contact};{params}"

    def progress(self, status: int = 180, *, body: bytes = b"", content_type: str | None = None) -> None:
        """Tell the caller how it goes: 180 Ringing, 183 Session Progress.

        :raises InvalidValue: ``status`` is final. :raises WrongState: the call is settled.
        """
        if not 100 < status < 200:
            raise InvalidValue(f"{status} is no provisional status", code="sip.provisional")
        self._must_be_open()
        self._core.respond(self._arrived.key, self._response(status, body=body, content_type=content_type))

    async def accept(
        self,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        session_interval: int = 0,
        on_reinvite: OnReinvite | None = None,
    ) -> Call:
        """Answer 200 and wait for the ACK.

        ``session_interval``: seconds of a session timer; 0 means none unless the caller asks for one.
        ``on_reinvite`` answers re-INVITEs; without it they are accepted with the session as it is.

        :raises WrongState: the call is settled.
        :raises NoAnswer: the ACK did not come in time; the call is ended.
        """
        self._must_be_open()
        timer, lines = accept(self.request, session_interval)
        response = self._response(200, body=body, content_type=content_type, headers=[*lines, *headers])
        self._settle(CallInput.WE_ACCEPT)
        neighbour = len(self.request.vias) == 1
        call = Call(
            self._core,
            self._serving,
            self._dialog,
            self.state,
            flow=self.peer if neighbour else None,
            local=(content_type, body),
            remote=self.request,
            timer=timer,
            on_reinvite=on_reinvite,
        )
        call.repeat(self._arrived, response)
        await call.confirmed()
        return call

    def refuse(
        self, status: int, reason: str | None = None, *, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Answer with a refusal.

        :raises InvalidValue: ``status`` is none. :raises WrongState: the call is settled.
        """
        if not 300 <= status < 700:
            raise InvalidValue(f"{status} is no refusal", code="sip.refusal")
        self._must_be_open()
        response = self._response(status, reason, headers=headers)
        self._settle(CallInput.WE_REFUSE)
        self._core.respond(self._arrived.key, response)

    # serving.Cancellable

    def cancelled(self) -> None:
        """The caller gave up: answer 487, and stop who handles it."""
        self._settle(CallInput.THEY_CANCEL)
        self._core.respond(self._arrived.key, self._response(487))
        if self._task is not None:
            self._task.cancel()

    def run(self, handler: OnInvite) -> None:
        """Let ``handler`` settle it."""
        self._task = self._serving.spawn(self._run(handler))

    async def _run(self, handler: OnInvite) -> None:
        status = 480
        try:
            await handler(self)
        except asyncio.CancelledError:
            status = 503
            raise
        except (NoAnswer, WrongState):
            # The caller is gone; there is nobody left to tell.
            status = 487
        # A handler is not ours: whatever it raises, the caller is answered and the endpoint lives on.
        except Exception as error:  # noqa: BLE001
            status = 500
            self._core.handler_failed("INVITE", error)
        finally:
            if self.state is CallState.OFFERED:
                self.refuse(status)

    def _response(
        self,
        status: int,
        reason: str | None = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Response:
        return make_response(
            self.request,
            status,
            reason,
            to_tag=self._tag,
            headers=[*self._recorded(status), *headers],
            body=body,
            content_type=content_type,
        )

    def _recorded(self, status: int) -> list[tuple[str, str]]:
        """What an answer that makes a dialog carries (RFC 3261 12.1.1)."""
        if status >= 300:
            return []
        routes = [("Record-Route", value) for value in self.request.headers.all("Record-Route")]
        return [*routes, ("Contact", self._contact)]

    def _must_be_open(self) -> None:
        if self.state is not CallState.OFFERED:
            raise WrongState(f"an incoming call that is {self.state} is settled", code="sip.call-state")

    def _settle(self, what: CallInput) -> None:
        self.state = step(self.state, what)
        self._serving.invites.pop(self._arrived.key, None)


OnInvite = Callable[[IncomingCall], Awaitable[None]]


def offer_call(core: Core, serving: Serving, handler: OnInvite, arrived: RequestArrived, peer: Peer) -> None:
    """Hand an INVITE outside a dialog to a handler, or refuse what cannot be one."""
    request = arrived.request
    try:
        if too_brief(request, LEAST):
            brief = make_response(request, 422, headers=[("Min-SE", str(LEAST))])
            core.respond(arrived.key, brief)
            return
        incoming = IncomingCall(core, serving, arrived, peer)
    except DecodeError:
        core.respond(arrived.key, refusal(request, 400))
        return
    incoming.run(handler)
