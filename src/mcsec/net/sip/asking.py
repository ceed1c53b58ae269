"""Requests of ours that wait for one final answer, held back by the window of their next hop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcsec.errors import PeerError
from mcsec.net.sip.core import Core
from mcsec.net.sip.gates import Gate
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.ways import Target

OnResponse = Callable[[Response], None]


class Passage:
    """One entry through a gate; left once, whatever happens."""

    def __init__(self, core: Core, gate: Gate) -> None:
        self._core, self._gate = core, gate
        self._inside = True

    @classmethod
    async def enter(cls, core: Core, request: Request, target: Target | None) -> Passage:
        """Wait for room at the next hop of a request.

        :raises InvalidValue: the request names no next hop.
        """
        hop = target or core.ways.next_hop(request)
        gate = core.gates.of((hop.transport, hop.host, hop.port))
        await gate.enter()
        return cls(core, gate)

    def resent(self) -> None:
        """The request was sent again: a sign of loss."""
        if self._inside:
            self._gate.window.resent(self._core.clock.now())

    def leave(self, *, answered: bool) -> None:
        """Make room for others."""
        if self._inside:
            self._inside = False
            if answered:
                self._gate.answered(self._core.clock.now())
            else:
                self._gate.dropped()


class _Question:
    """A request until its final answer; a 2xx to an INVITE that comes again goes to ``again``."""

    def __init__(
        self,
        core: Core,
        passage: Passage | None,
        method: str,
        provisional: OnResponse | None,
        again: OnResponse | None,
    ) -> None:
        self.answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._core, self._passage, self._method = core, passage, method
        self._provisional, self._again = provisional, again

    def heard(self, response: Response) -> None:
        """A response came."""
        if self._passage is not None and (response.final or self._method == "INVITE"):
            # A telephone that rings loads nobody: an INVITE gives its room up with the first sign of life.
            self._passage.leave(answered=True)
        if self.answer.done():
            if self._again is not None and response.ok:
                self._again(response)
        elif response.final:
            self.answer.set_result(response)
        elif self._provisional is not None:
            self._core.guarded(self._method, self._provisional, response)

    def failed(self, error: PeerError) -> None:
        """No response will come."""
        if self._passage is not None:
            self._passage.leave(answered=False)
        if not self.answer.done():
            self.answer.set_exception(error)

    def resent(self) -> None:
        """It was sent again."""
        if self._passage is not None:
            self._passage.resent()


async def ask(
    core: Core,
    request: Request,
    target: Target | None,
    *,
    on_provisional: OnResponse | None = None,
    on_again: OnResponse | None = None,
) -> Response:
    """Send a request and wait for its final response, of any status; see :meth:`Endpoint.request`.

    When the caller is cancelled the request is forgotten.

    :raises NoAnswer: :raises Unreachable: :raises InvalidValue: as there.
    """
    passage = await Passage.enter(core, request, target)
    try:
        ready, peer = await core.ways.prepare(request, target)
        if core.transport.congested(peer):
            await core.transport.drain(peer)
        return await _wait(
            core, ready, peer, _Question(core, passage, request.method, on_provisional, on_again)
        )
    finally:
        passage.leave(answered=False)


async def ask_as_is(core: Core, request: Request, peer: Peer) -> Response:
    """The same for a request that has its Via already: a CANCEL, which goes the way of its INVITE at once.

    :raises NoAnswer: :raises Unreachable: as for any request.
    """
    return await _wait(core, request, peer, _Question(core, None, request.method, None, None))


async def _wait(core: Core, request: Request, peer: Peer, question: _Question) -> Response:
    key = core.ask(request, peer, question)
    try:
        return await question.answer
    except asyncio.CancelledError:
        core.abandon(key)
        raise
