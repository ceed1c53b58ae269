"""A re-INVITE whose answer somebody else decides: meanwhile the call is not changed by others, and may end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest

from mcsec.net.sip.call_states import CallState
from mcsec.net.sip.calls import Call
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.events import HandlerFailed, SipEvent
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop
from support.waiting import patience, until

pytestmark = pytest.mark.anyio
SDP = "application/sdp"


class Decider:
    """Answers re-INVITEs when it is told how."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def __call__(self, request: Request) -> Awaitable[Response]:
        self.asked.set()
        return self._later(request)

    async def _later(self, request: Request) -> Response:
        return make_response(request, await self.answer, body=b"changed", content_type=SDP)


@asynccontextmanager
async def calling() -> AsyncIterator[tuple[Call, Call, Decider, list[SipEvent]]]:
    """A call: the caller's end, the other end, what answers there, what happened there."""
    found: list[Call] = []
    events: list[SipEvent] = []
    decider = Decider()

    async def answer(incoming: IncomingCall) -> None:
        found.append(await incoming.accept(body=b"answer", content_type=SDP, on_reinvite=decider))

    def no(request: Request, peer: object) -> Response:
        return make_response(request, 405)

    async with (
        Endpoint(no, on_invite=answer, on_event=events.append) as called,
        Endpoint(no) as caller,
        patience(),
    ):
        host, port = await called.listen("TCP", "127.0.0.1")
        invite = make_request(
            "INVITE", "sip:b@mc.example", from_="sip:a@mc.example", body=b"offer", content_type=SDP
        )
        call = await caller.invite(invite, Hop("TCP", host, port))
        await until(lambda: found)
        yield call, found[0], decider, events


async def test_what_is_decided_is_answered() -> None:
    async with calling() as (call, theirs, decider, _):
        changing = asyncio.create_task(call.reinvite(b"urgent", SDP, [("Resource-Priority", "mcpttp.15")]))
        await decider.asked.wait()
        assert theirs.remote_body == b"offer"
        decider.answer.set_result(200)
        assert (await changing).status == 200
        assert (call.remote_body, theirs.remote_body) == (b"changed", b"urgent")


async def test_a_refusal_leaves_the_session_as_it_was() -> None:
    async with calling() as (call, theirs, decider, _):
        changing = asyncio.create_task(call.reinvite(b"urgent", SDP))
        await decider.asked.wait()
        decider.answer.set_result(403)
        assert (await changing).status == 403
        assert (call.remote_body, theirs.remote_body) == (b"answer", b"offer")
        assert call.state is theirs.state is CallState.CONFIRMED


async def test_another_one_has_to_wait() -> None:
    async with calling() as (call, theirs, decider, _):
        changing = asyncio.create_task(call.reinvite(b"urgent", SDP))
        await decider.asked.wait()
        # From another end of the same dialog, as it were: this end would not send a second one.
        call._inviting = False
        assert (await call._reinvite(b"again", SDP, ())).status == 500
        decider.answer.set_result(200)
        assert (await changing).status == 200
        assert theirs.remote_body == b"urgent"


async def test_who_hangs_up_meanwhile_is_not_kept() -> None:
    async with calling() as (call, theirs, decider, _):
        changing = asyncio.create_task(call.reinvite(b"urgent", SDP))
        await decider.asked.wait()
        await theirs.hang_up()
        decider.answer.set_result(200)
        assert (await changing).status == 487
        assert theirs.state is CallState.ENDED


async def test_a_decision_that_fails_is_ours() -> None:
    async with calling() as (call, theirs, decider, events):
        changing = asyncio.create_task(call.reinvite(b"urgent", SDP))
        await decider.asked.wait()
        decider.answer.set_exception(KeyError("no"))
        assert (await changing).status == 500
        assert [event for event in events if isinstance(event, HandlerFailed)]
        assert theirs.state is CallState.CONFIRMED
