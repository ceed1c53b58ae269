"""Calls between two endpoints on loopback: accept, refuse, cancel, re-invite, refresh, hang up, and losing things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from mcsec._core import Secret
from mcsec.errors import InvalidValue, WrongState
from mcsec.net.sip.auth import DigestClient, DigestServer, Unauthorized
from mcsec.net.sip.call_states import CallState
from mcsec.net.sip.calls import Call, glare_wait
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer
from mcsec.net.sip.events import HandlerFailed, SipEvent
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.inviting import CallRefused
from mcsec.net.sip.message import Request, Response, decode
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.session_timer import SessionTimer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.timers import Timings
from support.waiting import soon, until

FAST = EndpointSettings(timings=Timings(t1=0.02, t2=0.08, t4=0.1))
SDP = "application/sdp"


def invite(**options: object) -> Request:
    return make_request(
        "INVITE",
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        body=b"offer",
        content_type=SDP,
        **options,
    )


class Bob:
    """Accepts calls and keeps them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.messages: list[Request] = []
        self.events: list[SipEvent] = []
        self.incoming = asyncio.Event()

    def message(self, request: Request, peer: Peer) -> Response:
        self.messages.append(request)
        return make_response(request, 200)

    async def answer(self, incoming: IncomingCall) -> None:
        self.incoming.set()
        incoming.progress(180)
        self.calls.append(await incoming.accept(body=b"answer", content_type=SDP))


@asynccontextmanager
async def pair(
    on_invite: Callable[[IncomingCall], object] | None = None,
    *,
    transport: str = "TCP",
    bob: Bob | None = None,
) -> AsyncIterator[tuple[Bob, Endpoint, Hop, Endpoint]]:
    bob = bob or Bob()
    called = Endpoint(bob.message, FAST, on_invite=on_invite or bob.answer, on_event=bob.events.append)  # type: ignore[arg-type]  # tests pass coroutines
    calling = Endpoint(lambda request, peer: make_response(request, 200), FAST)
    async with called, calling:
        _, port = await called.listen(transport, "127.0.0.1")
        if transport == "UDP":
            await calling.listen("UDP", "127.0.0.1")
        yield bob, calling, Hop(transport, "127.0.0.1", port), called


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_call_from_ringing_to_bye(transport: str) -> None:
    heard: list[int] = []
    async with pair(transport=transport) as (bob, calling, hop, _):
        call = await calling.invite(
            invite(), hop, on_provisional=lambda response: heard.append(response.status)
        )
        assert (call.state, call.remote_body) == (CallState.CONFIRMED, b"answer")
        assert heard == [180]
        await _has(bob.calls)
        theirs = bob.calls[0]
        assert (theirs.state, theirs.remote_body) == (CallState.CONFIRMED, b"offer")
        await call.hang_up()
        await soon(theirs.ended.wait())
        assert (call.reason, theirs.reason) == ("we hung up", "they hung up")
        with pytest.raises(WrongState):
            await call.hang_up()


async def _has(things: list[Call]) -> None:
    await until(lambda: things)


@pytest.mark.anyio
async def test_the_called_side_hangs_up_by_the_connection_of_the_caller() -> None:
    async with pair() as (bob, calling, hop, _):
        call = await calling.invite(invite(), hop)
        await _has(bob.calls)
        await bob.calls[0].hang_up()
        await soon(call.ended.wait())
        assert call.reason == "they hung up"


@pytest.mark.anyio
@pytest.mark.parametrize("status", [486, 603, 302])
async def test_a_call_is_refused(status: int) -> None:
    async def refuse(incoming: IncomingCall) -> None:
        incoming.refuse(status, headers=[("Warning", '399 h "no"')])

    async with pair(refuse) as (_, calling, hop, _):
        with pytest.raises(CallRefused) as caught:
            await calling.invite(invite(), hop)
        assert caught.value.response.status == status
        assert caught.value.response.headers.get("Warning") == '399 h "no"'


@pytest.mark.anyio
async def test_handlers_of_calls_that_fail_or_forget_are_answered_for() -> None:
    async def forget(incoming: IncomingCall) -> None:
        return

    async def fail(incoming: IncomingCall) -> None:
        raise RuntimeError("bug")

    for handler, status in ((forget, 480), (fail, 500)):
        async with pair(handler) as (bob, calling, hop, _):
            with pytest.raises(CallRefused) as caught:
                await calling.invite(invite(), hop)
            assert caught.value.response.status == status
            assert [event.error for event in bob.events if isinstance(event, HandlerFailed)] == (
                ["RuntimeError"] if status == 500 else []
            )


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_call_that_nobody_wants_any_more_is_cancelled(transport: str) -> None:
    stopped = asyncio.Event()
    ringing = asyncio.Event()

    async def ring(incoming: IncomingCall) -> None:
        incoming.progress(180)
        ringing.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert incoming.state is CallState.ENDED
            stopped.set()
            raise

    async with pair(ring, transport=transport) as (_, calling, hop, _):
        heard: list[Response] = []
        task = asyncio.create_task(calling.invite(invite(), hop, on_provisional=heard.append))
        await soon(ringing.wait())
        await until(lambda: heard)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await soon(stopped.wait())
        with pytest.raises(NoAnswer):
            await calling.invite(invite(), hop, ring=0.05)


@pytest.mark.anyio
async def test_a_2xx_that_crosses_the_cancel_is_acknowledged_and_ended() -> None:
    async def late(incoming: IncomingCall) -> None:
        incoming.progress(180)
        # Deaf to CANCEL: answers all the same.
        incoming._serving.invites.clear()
        await asyncio.sleep(0.1)
        bob.calls.append(await incoming.accept())

    bob = Bob()
    async with pair(late, bob=bob) as (_, calling, hop, _):
        with pytest.raises(NoAnswer):
            await calling.invite(invite(), hop, ring=0.05)
        await _has(bob.calls)
        await soon(bob.calls[0].ended.wait())
        assert bob.calls[0].reason == "they hung up"


@pytest.mark.anyio
async def test_a_session_is_changed_and_refreshed_by_either_side() -> None:
    async with pair() as (bob, calling, hop, _):
        call = await calling.invite(invite(), hop)
        await _has(bob.calls)
        theirs = bob.calls[0]
        offered: list[bytes] = []

        def change(request: Request) -> Response:
            offered.append(request.body)
            if request.body == b"bad":
                return make_response(request, 488)
            return make_response(request, 200, body=b"changed", content_type=SDP)

        theirs.on_reinvite = change
        assert (await call.reinvite(b"hold", SDP)).status == 200
        assert call.remote_body == b"changed"
        assert theirs.remote_body == b"hold"
        assert (await call.reinvite(b"bad", SDP)).status == 488
        assert call.remote_body == b"changed"
        assert call.state is theirs.state is CallState.CONFIRMED
        assert offered == [b"hold", b"bad"]
        # The caller did not say how it answers: it goes on with the session that it has.
        answer = await theirs.reinvite(b"theirs", SDP)
        assert (answer.status, answer.body) == (200, b"hold")
        await call.hang_up()
        with pytest.raises(WrongState):
            await call.reinvite(b"late", SDP)


def test_who_made_the_call_waits_longer() -> None:
    for _ in range(100):
        assert 2.1 <= glare_wait(caller=True, t1=0.5) <= 4.0
        assert 0.0 <= glare_wait(caller=False, t1=0.5) <= 2.0


@pytest.mark.anyio
async def test_two_reinvites_at_a_time_are_glare_and_one_waits() -> None:
    async with pair() as (bob, calling, hop, _):
        call = await calling.invite(invite(), hop)
        await _has(bob.calls)
        both = await asyncio.gather(call.reinvite(b"a", SDP), bob.calls[0].reinvite(b"b", SDP))
        assert [response.status for response in both] == [200, 200]
        task = asyncio.create_task(call.reinvite(b"c", SDP))
        await asyncio.sleep(0)
        with pytest.raises(WrongState):
            await call.reinvite(b"d", SDP)
        await task


@pytest.mark.anyio
async def test_a_session_timer_is_kept_by_the_refresher() -> None:
    async def answer(incoming: IncomingCall) -> None:
        bob.calls.append(await incoming.accept(body=b"answer", content_type=SDP))

    bob = Bob()
    async with pair(answer, bob=bob) as (_, calling, hop, called):
        call = await calling.invite(invite(), hop, session_interval=1800)
        await _has(bob.calls)
        assert (call._timer, bob.calls[0]._timer) == (SessionTimer(1800, True), SessionTimer(1800, False))
        # Ours to refresh: a re-INVITE with its ACK, and the call goes on.
        before = called.counters.requests_received
        call._session_due()
        await until(lambda: called.counters.requests_received == before + 2)
        assert call.state is bob.calls[0].state is CallState.CONFIRMED
        assert bob.calls[0].remote_body == b"offer"
        # Theirs to refresh, and it did not come: the call is over on both sides.
        bob.calls[0]._session_due()
        await soon(bob.calls[0].ended.wait())
        assert bob.calls[0].reason == "the session was not refreshed"
        await soon(call.ended.wait())


@pytest.mark.anyio
async def test_a_refresh_that_comes_too_often_is_refused() -> None:
    async with pair() as (_, calling, hop, _):
        with pytest.raises(CallRefused) as caught:
            await calling.invite(invite(headers=[("Session-Expires", "10"), ("Supported", "timer")]), hop)
        assert caught.value.response.headers.get("Min-SE") == "90"


@pytest.mark.anyio
async def test_requests_in_a_call_reach_the_handler_and_late_ones_do_not() -> None:
    async with pair() as (bob, calling, hop, called):
        call = await calling.invite(invite(), hop)
        await _has(bob.calls)
        message = call.dialog.request("MESSAGE", body=b"in the call", content_type="text/plain")
        assert (await calling.request(message, hop)).status == 200
        assert [request.body for request in bob.messages] == [b"in the call"]
        assert (await calling.request(message, hop)).status == 500
        assert (await calling.request(call.dialog.request("PUBLISH"), hop)).status == 405
        broken = call.dialog.request("INVITE", body=b"x", content_type=SDP)
        broken = replace(broken, headers=broken.headers.set("Contact", "<broken>"))
        assert (await calling.request(broken, hop)).status == 400
        stranger = replace(message, headers=message.headers.set("To", "<sip:bob@mc.example>;tag=other"))
        assert (await calling.request(stranger, hop)).status == 481
        await call.hang_up()
        assert called.serving.usages == {}


@pytest.mark.anyio
async def test_an_answer_without_ack_is_repeated_and_the_call_ends() -> None:
    async def accept(incoming: IncomingCall) -> None:
        try:
            await incoming.accept()
        except NoAnswer:
            failed.set()
            raise

    failed = asyncio.Event()
    async with pair(accept, transport="UDP") as (bob, calling, hop, _):
        got: list[Response] = []
        invitation = replace(invite(), headers=invite().headers.add(("Contact", "<sip:alice@127.0.0.1:9>")))
        # A request() does not know calls: it takes the 2xx and sends no ACK.
        calling.core.intercept = lambda octets: (
            bool(got.append(decode(octets))) if b" 200 " in octets[:12] else False
        )  # type: ignore[arg-type,func-returns-value]  # counts, takes nothing
        assert (await calling.request(invitation, hop)).status == 200
        await soon(failed.wait())
        assert len(got) > 5
        assert len({response.to.tag for response in got}) == 1
        assert not [event for event in bob.events if isinstance(event, HandlerFailed)]


@pytest.mark.anyio
async def test_a_challenge_to_an_invite_is_answered() -> None:
    password = Secret(b"open sesame")
    digest = DigestServer(
        "mc.example", lambda user, algorithm: user_hash(user, "mc.example", password, algorithm)
    )

    async def guarded(incoming: IncomingCall) -> None:
        try:
            digest.verify(incoming.request, 1.0)
        except Unauthorized:
            challenge = digest.challenge(incoming.request, 1.0)
            incoming.refuse(
                401, headers=[("WWW-Authenticate", challenge.headers.get("WWW-Authenticate") or "")]
            )
        else:
            bob.calls.append(await incoming.accept())

    bob = Bob()
    async with pair(guarded, bob=bob) as (_, calling, hop, _):
        with pytest.raises(CallRefused):
            await calling.invite(invite(), hop)
        call = await calling.invite(invite(), hop, credentials=DigestClient("alice", password))
        await _has(bob.calls)
        await call.hang_up()


@pytest.mark.anyio
async def test_an_incoming_call_is_settled_once() -> None:
    async def handler(incoming: IncomingCall) -> None:
        with pytest.raises(InvalidValue):
            incoming.progress(200)
        with pytest.raises(InvalidValue):
            incoming.refuse(200)
        incoming.refuse(486)
        for again in (lambda: incoming.refuse(486), lambda: incoming.progress(180)):
            with pytest.raises(WrongState):
                again()
        with pytest.raises(WrongState):
            await incoming.accept()
        done.set()

    done = asyncio.Event()
    async with pair(handler) as (_, calling, hop, _):
        with pytest.raises(CallRefused):
            await calling.invite(invite(), hop)
        await soon(done.wait())


@pytest.mark.anyio
async def test_who_takes_no_calls_says_so() -> None:
    async with Endpoint(lambda request, peer: make_response(request, 200)) as called:
        _, port = await called.listen("TCP", "127.0.0.1")
        async with Endpoint(lambda request, peer: make_response(request, 200)) as calling:
            with pytest.raises(CallRefused) as caught:
                await calling.invite(invite(), Hop("TCP", "127.0.0.1", port))
            assert caught.value.response.status == 405
            assert "INVITE" not in (caught.value.response.headers.get("Allow") or "")
