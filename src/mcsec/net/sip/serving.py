"""Requests of others: vetted, matched to dialogs, handed to handlers, answered whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from mcsec.errors import DecodeError, InvalidValue, McsecError, PeerError
from mcsec.net.sip.compose import make_response, refusal
from mcsec.net.sip.core import Core
from mcsec.net.sip.dialogs import DialogId
from mcsec.net.sip.effects import RequestArrived, ServerKey
from mcsec.net.sip.events import DeliveryFailed
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.vetting import objection

# Methods that one response does not settle.
_NEED_SPECIAL = ("INVITE", "SUBSCRIBE")

Handler = Callable[[Request, Peer], Response | Awaitable[Response]]


class Usage(Protocol):
    """Whatever lives in a dialog."""

    def received(self, arrived: RequestArrived, peer: Peer) -> None:
        """A request came in the dialog; it must be answered."""

    def acknowledged(self, request: Request) -> None:
        """An ACK for a 2xx came in the dialog."""


class Cancellable(Protocol):
    """An INVITE that is not answered yet."""

    def cancelled(self) -> None:
        """The caller does not want it any more: answer it 487."""


class Serving:
    """Serves one endpoint. ``special`` handlers take methods that need more than one answer."""

    def __init__(self, core: Core, handler: Handler) -> None:
        self.core, self.handler = core, handler
        core.server = self
        self._tasks: set[asyncio.Task[None]] = set()
        # The same request by another way has another branch (RFC 3261 8.2.2.2); until its transaction ends.
        self._first_of: dict[tuple[str, str, str], ServerKey] = {}
        self._request_of: dict[ServerKey, tuple[str, str, str]] = {}
        self.usages: dict[DialogId, Usage] = {}
        self.invites: dict[ServerKey, Cancellable] = {}
        self.special: dict[str, Callable[[RequestArrived, Peer], None]] = {}
        self.closing = False

    @property
    def busy(self) -> int:
        """How many handlers run."""
        return len(self._tasks)

    def serve(self, arrived: RequestArrived, peer: Peer) -> None:
        """Answer a new request, now or later."""
        request = arrived.request
        try:
            refused = objection(request, self.core.settings.abilities) or self._in_the_way(arrived)
        except (DecodeError, InvalidValue):
            refused = refusal(request, 400)
        if refused is not None:
            self.core.reject(peer, request.method, refused.status, refused.reason)
            self.core.respond(arrived.key, refused)
        elif request.method == "CANCEL":
            self._cancel(arrived)
        elif request.to.tag is not None:
            usage = self._usage(request)
            if usage is None:
                self.core.respond(arrived.key, refusal(request, 481))
            else:
                usage.received(arrived, peer)
        elif request.method in self.special:
            self.special[request.method](arrived, peer)
        elif request.method in _NEED_SPECIAL:
            allowed = [name for name in self.core.settings.abilities.methods if name not in _NEED_SPECIAL]
            self.core.respond(
                arrived.key, make_response(request, 405, headers=[("Allow", ", ".join(allowed))])
            )
        else:
            self.call(self.handler, arrived, peer)

    def acknowledged(self, request: Request) -> None:
        """Hand an ACK for a 2xx to its dialog; one without is dropped."""
        usage = self._usage(request)
        if usage is not None:
            usage.acknowledged(request)

    def _usage(self, request: Request) -> Usage | None:
        found = DialogId.of_request(request)
        return self.usages.get(found) or self.usages.get(found.half)

    def ended(self, key: ServerKey) -> None:
        """The transaction of a request is forgotten."""
        same = self._request_of.pop(key, None)
        if same is not None:
            del self._first_of[same]

    def call(self, handler: Handler, arrived: RequestArrived, peer: Peer) -> None:
        """Run a handler and send what it answers."""
        request = arrived.request
        try:
            answer = handler(request, peer)
        # A handler is not ours: whatever it raises, its peer is answered and the endpoint lives on.
        except Exception as error:  # noqa: BLE001
            self._answer(arrived, self._failure(request, error))
            return
        if isinstance(answer, Response):
            self._answer(arrived, answer)
        else:
            self.spawn(self._wait_for(answer, arrived))

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something in the background; it is cancelled when the endpoint closes.

        Nobody waits for it, so what goes wrong in it is told and goes no further.
        """
        task = asyncio.create_task(self._alone(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _alone(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except McsecError as error:
            self.core.counters.deliveries_failed += 1
            self.core.tell(DeliveryFailed("", str(error)))
        # As in call(): a fault in here must not be lost, and must not spread.
        except Exception as error:  # noqa: BLE001
            self.core.handler_failed("", error)

    async def close(self, grace: float) -> None:
        """Refuse new requests, give running handlers ``grace`` seconds, then cancel them."""
        self.closing = True
        if self._tasks and grace > 0:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait_for(self, answer: Awaitable[Response], arrived: RequestArrived) -> None:
        try:
            async with asyncio.timeout(self.core.settings.answer_within):
                response = await answer
        except asyncio.CancelledError:
            self._answer(arrived, refusal(arrived.request, 503))
            raise
        # As in call().
        except Exception as error:  # noqa: BLE001
            response = self._failure(arrived.request, error)
        self._answer(arrived, response)

    def _answer(self, arrived: RequestArrived, response: object) -> None:
        if not isinstance(response, Response) or not response.final:
            response = self._failure(arrived.request, TypeError("a handler gives a final response"))
        try:
            self.core.respond(arrived.key, response)
        except InvalidValue as error:
            self.core.respond(arrived.key, self._failure(arrived.request, error))

    def _failure(self, request: Request, error: Exception) -> Response:
        """The answer for what a handler raised: the peer's fault shows as such, ours is told."""
        if isinstance(error, DecodeError):
            return make_response(request, 400)
        if isinstance(error, PeerError):
            return make_response(request, 403)
        self.core.handler_failed(request.method, error)
        return make_response(request, 500)

    def _in_the_way(self, arrived: RequestArrived) -> Response | None:
        """Reasons to refuse that lie with us: closing, overload, or the same request by another way (482)."""
        request = arrived.request
        if request.method in ("CANCEL", "BYE"):
            return None
        if self.closing or len(self._tasks) >= self.core.settings.handlers:
            return refusal(request, 503)
        if request.to.tag is None:
            same = (request.call_id, request.from_.tag or "", request.cseq.encode())
            if self._first_of.setdefault(same, arrived.key) != arrived.key:
                return make_response(request, 482, "Merged Request")
            self._request_of[arrived.key] = same
        return None

    def _cancel(self, arrived: RequestArrived) -> None:
        invite = None if arrived.cancels is None else self.invites.get(arrived.cancels)
        if invite is None:
            # Nothing to cancel any more; where the INVITE is still known it was answered already.
            status = 481 if arrived.cancels is None else 200
            self.core.respond(arrived.key, make_response(arrived.request, status))
            return
        self.core.respond(arrived.key, make_response(arrived.request, 200))
        invite.cancelled()
