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
from mcsec.net.sip.calls import Call
from mcsec.net.sip.compose import make_request, make_response, new_branch
from mcsec.net.sip.dialogs import Dialog
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer
from mcsec.net.sip.events import HandlerFailed, SipEvent
from mcsec.net.sip.framing import StreamFramer
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.inviting import CallRefused
from mcsec.net.sip.message import Request, Response, decode, encode
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.session_timer import SessionTimer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.timers import Timings
from support.sip_raw import raw_server

pytestmark = pytest.mark.anyio

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


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_call_from_ringing_to_bye(transport: str) -> None:
    heard: list[int] = []
    async with pair(transport=transport) as (bob, calling, hop, _):
        call = await calling.invite(
            invite(), hop, on_provisional=lambda response: heard.append(response.status)
        )
        assert (call.state, call.remote_body) == (CallState.CONFIRMED, b"answer")
        assert heard == [180]
        await asyncio.wait_for(_has(bob.calls), 1.0)
        theirs = bob.calls[0]
        assert (theirs.state, theirs.remote_body) == (CallState.CONFIRMED, b"offer")
        await call.hang_up()
        await asyncio.wait_for(theirs.ended.wait(), 1.0)
        assert (call.reason, theirs.reason) == ("we hung up", "they hung up")
        with pytest.raises(WrongState):
            await call.hang_up()


async def _has(things: list[Call]) -> None:
    while not things:
        await asyncio.sleep(0.001)


async def test_the_called_side_hangs_up_by_the_connection_of_the_caller() -> None:
    async with pair() as (bob, calling, hop, _):
        call = await calling.invite(invite(), hop)
        await _has(bob.calls)
        await bob.calls[0].hang_up()
        await asyncio.wait_for(call.ended.wait(), 1.0)
        assert call.reason == "they hung up"


@pytest.mark.parametrize("status", [486, 603, 302])
async def test_a_call_is_refused(status: int) -> None:
    async def refuse(incoming: IncomingCall) -> None:
        incoming.refuse(status, headers=[("Warning", '399 h "no"')])

    async with pair(refuse) as (_, calling, hop, _):
        with pytest.raises(CallRefused) as caught:
            await calling.invite(invite(), hop)
        assert caught.value.response.status == status
        assert caught.value.response.headers.get("Warning") == '399 h "no"'


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
        task = asyncio.create_task(calling.invite(invite(), hop))
        await asyncio.wait_for(ringing.wait(), 1.0)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(stopped.wait(), 1.0)
        with pytest.raises(NoAnswer):
            await calling.invite(invite(), hop, ring=0.05)


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
        await asyncio.wait_for(_has(bob.calls), 1.0)
        await asyncio.wait_for(bob.calls[0].ended.wait(), 1.0)
        assert bob.calls[0].reason == "they hung up"


async def test_cancel_waits_for_a_sign_of_life() -> None:
    """A proxy that is silent gets no CANCEL until it answers; then it does."""
    seen: list[str] = []
    replies: asyncio.Queue[bytes] = asyncio.Queue()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = decode(await reader.readuntil(b"offer"))
        assert isinstance(request, Request)
        seen.append(request.method)
        await asyncio.sleep(0.1)
        assert seen == ["INVITE"]
        writer.write(encode(make_response(request, 180)))
        cancel = decode(await reader.readuntil(b"\r\n\r\n"))
        assert isinstance(cancel, Request)
        seen.append(cancel.method)
        assert cancel.vias == request.vias
        writer.write(encode(make_response(cancel, 200)) + encode(make_response(request, 487)))
        ack = decode(await reader.readuntil(b"\r\n\r\n"))
        assert isinstance(ack, Request)
        seen.append(ack.method)
        await replies.put(b"done")

    async with (
        raw_server(silent) as address,
        Endpoint(lambda request, peer: make_response(request, 200)) as calling,
    ):
        with pytest.raises(NoAnswer):
            await calling.invite(invite(), Hop("TCP", *address), ring=0.05)
        await asyncio.wait_for(replies.get(), 2.0)
        assert seen == ["INVITE", "CANCEL", "ACK"]


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


async def test_a_session_timer_is_kept_by_the_refresher() -> None:
    async def answer(incoming: IncomingCall) -> None:
        bob.calls.append(await incoming.accept(body=b"answer", content_type=SDP))

    bob = Bob()
    async with pair(answer, bob=bob) as (_, calling, hop, _):
        call = await calling.invite(invite(), hop, session_interval=1800)
        await _has(bob.calls)
        assert (call._timer, bob.calls[0]._timer) == (SessionTimer(1800, True), SessionTimer(1800, False))
        for either in (call, bob.calls[0]):
            either._session_due()
            await asyncio.sleep(0.1)
            if either is call:
                # Ours to refresh: a re-INVITE, and the call goes on.
                assert call.state is bob.calls[0].state is CallState.CONFIRMED
                assert bob.calls[0].remote_body == b"offer"
        # Theirs to refresh, and it did not come: the call is over on both sides.
        assert bob.calls[0].reason == "the session was not refreshed"
        await asyncio.wait_for(call.ended.wait(), 1.0)


async def test_a_refresh_that_comes_too_often_is_refused() -> None:
    async with pair() as (_, calling, hop, _):
        with pytest.raises(CallRefused) as caught:
            await calling.invite(invite(headers=[("Session-Expires", "10"), ("Supported", "timer")]), hop)
        assert caught.value.response.headers.get("Min-SE") == "90"


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
        await asyncio.wait_for(failed.wait(), 4.0)
        assert len(got) > 5
        assert len({response.to.tag for response in got}) == 1
        assert not [event for event in bob.events if isinstance(event, HandlerFailed)]


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
        await asyncio.wait_for(done.wait(), 1.0)


async def test_who_takes_no_calls_says_so() -> None:
    async with Endpoint(lambda request, peer: make_response(request, 200)) as called:
        _, port = await called.listen("TCP", "127.0.0.1")
        async with Endpoint(lambda request, peer: make_response(request, 200)) as calling:
            with pytest.raises(CallRefused) as caught:
                await calling.invite(invite(), Hop("TCP", "127.0.0.1", port))
            assert caught.value.response.status == 405
            assert "INVITE" not in (caught.value.response.headers.get("Allow") or "")


async def test_forked_answers_make_one_call() -> None:
    """Two phones answer: the first is the call, the second gets ACK and BYE."""
    seen: list[tuple[str, str | None]] = []

    async def two_phones(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = decode(await reader.readuntil(b"offer"))
        assert isinstance(request, Request)
        host, port = writer.get_extra_info("sockname")
        contact = [("Contact", f"<sip:bob@{host}:{port};transport=tcp>")]
        for tag in ("one", "two", "one"):
            writer.write(encode(make_response(request, 200, to_tag=tag, headers=contact)))
        while len(seen) < 4:
            message = decode(await reader.readuntil(b"\r\n\r\n"))
            assert isinstance(message, Request)
            seen.append((message.method, message.to.tag))
            if message.method == "BYE":
                writer.write(encode(make_response(message, 200)))
        done.set()
        await reader.read()

    done = asyncio.Event()
    async with (
        raw_server(two_phones) as address,
        Endpoint(lambda request, peer: make_response(request, 200)) as calling,
    ):
        call = await calling.invite(invite(), Hop("TCP", *address))
        assert call.dialog.id.remote_tag == "one"
        await asyncio.wait_for(done.wait(), 2.0)
        assert sorted(seen) == [("ACK", "one"), ("ACK", "one"), ("ACK", "two"), ("BYE", "two")]
        assert call.state is CallState.CONFIRMED


class Phone:
    """A telephone on a raw connection: answers INVITEs as told, keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.reinvite_status = 200
        self.repeat = 1
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        host, port = writer.get_extra_info("sockname")
        contact = ("Contact", f"<sip:bob@{host}:{port};transport=tcp>")
        framer = StreamFramer()
        while data := await reader.read(65536):
            for octets in framer.feed(data):
                if not isinstance(octets, bytes):
                    continue
                message = decode(octets)
                if not isinstance(message, Request):
                    continue
                self.got.append(message)
                if message.method == "ACK":
                    continue
                again = message.method == "INVITE" and message.to.tag is not None
                status = self.reinvite_status if again else 200
                for _ in range(self.repeat if again else 1):
                    writer.write(encode(make_response(message, status, to_tag="b", headers=[contact])))

    def methods(self) -> list[str]:
        return [request.method for request in self.got]


@asynccontextmanager
async def phone() -> AsyncIterator[tuple[Phone, Call, Endpoint]]:
    other = Phone()
    async with (
        raw_server(other.serve) as address,
        Endpoint(lambda request, peer: make_response(request, 200), FAST) as calling,
    ):
        yield other, await calling.invite(invite(), Hop("TCP", *address)), calling


async def test_a_2xx_to_a_reinvite_that_comes_again_is_acknowledged_again() -> None:
    async with phone() as (other, call, _):
        other.repeat = 3
        assert (await call.reinvite(b"x", SDP)).status == 200
        async with asyncio.timeout(1.0):
            while other.methods().count("ACK") < 4:
                await asyncio.sleep(0.005)
        acks = [request for request in other.got if request.method == "ACK"]
        assert [ack.cseq.number for ack in acks] == [1, 2, 2, 2]
        assert len({ack.vias[0].branch for ack in acks[1:]}) == 1


@pytest.mark.parametrize(("status", "ended"), [(200, False), (488, True), (481, True), (408, True)])
async def test_a_refresh_that_fails_ends_the_call(status: int, ended: bool) -> None:
    async with phone() as (other, call, _):
        call._timer = SessionTimer(1800, True)
        other.reinvite_status = status
        await call._refresh()
        assert call.ended.is_set() is ended
        if ended:
            assert str(status) in call.reason
            async with asyncio.timeout(1.0):
                while "BYE" not in other.methods():
                    await asyncio.sleep(0.005)
        call._session_due()


async def test_glare_is_waited_out_once() -> None:
    async with phone() as (other, call, _):
        other.reinvite_status = 491
        assert (await call.reinvite(b"x", SDP)).status == 491
        assert other.methods().count("INVITE") == 3


async def test_a_peer_that_is_gone_ends_the_call_without_noise() -> None:
    async with phone() as (other, call, calling):
        assert other.writer is not None
        call._timer = SessionTimer(1800, True)
        call.dialog.target = "sip:bob@127.0.0.1:1;transport=tcp"
        await call._refresh()
        assert call.reason == "the session could not be refreshed: sip.unreachable"
    async with phone() as (_, call, calling):
        call.dialog.target = "sip:bob@127.0.0.1:1;transport=tcp"
        await call.hang_up()
        assert call.ended.is_set()
        assert calling.serving.usages == {}


async def test_a_reinvite_of_theirs_that_is_not_acknowledged_ends_the_call() -> None:
    async with phone() as (other, call, _):
        assert other.writer is not None
        dialog = Dialog.of_request(other.got[0], "b", f"<{call.dialog.target}>")

        def say(request: Request) -> None:
            assert other.writer is not None
            via = ("Via", f"SIP/2.0/TCP h;branch={new_branch()}")
            other.writer.write(encode(replace(request, headers=request.headers.first(*via))))

        broken = dialog.request("INVITE", headers=[("Session-Expires", "x")])
        say(broken)
        say(dialog.request("INVITE"))
        say(dialog.request("INVITE"))
        # An ACK for another INVITE stops nothing.
        say(dialog.ack(broken))
        await asyncio.wait_for(call.ended.wait(), 4.0)
        assert call.reason == "the answer was not acknowledged"
        async with asyncio.timeout(1.0):
            while "BYE" not in other.methods():
                await asyncio.sleep(0.005)


async def test_a_caller_that_gives_up_as_the_answer_comes_hangs_up() -> None:
    other = Phone()
    async with (
        raw_server(other.serve) as address,
        Endpoint(lambda request, peer: make_response(request, 200), FAST) as calling,
    ):
        task = asyncio.create_task(calling.invite(invite(), Hop("TCP", *address)))
        async with asyncio.timeout(1.0):
            while not calling.serving.usages:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(1.0):
            while "BYE" not in other.methods():
                await asyncio.sleep(0.005)
