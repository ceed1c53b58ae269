"""Calls with a telephone that forks, repeats, refuses to refresh, or is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from mcsec.net.sip.call_states import CallState
from mcsec.net.sip.calls import Call
from mcsec.net.sip.compose import make_request, make_response, new_branch
from mcsec.net.sip.dialogs import Dialog
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer
from mcsec.net.sip.events import DeliveryFailed, HandlerFailed, SipEvent
from mcsec.net.sip.framing import StreamFramer
from mcsec.net.sip.message import Request, decode, encode
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.session_timer import SessionTimer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.timers import Timings
from support.sip_raw import raw_server
from support.waiting import patience, soon, until

FAST = EndpointSettings(timings=Timings(t1=0.02, t2=0.08, t4=0.1))
SDP = "application/sdp"


def invite() -> Request:
    return make_request(
        "INVITE", "sip:bob@mc.example", from_="sip:alice@mc.example", body=b"offer", content_type=SDP
    )


@pytest.mark.anyio
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
        await soon(replies.get())
        assert seen == ["INVITE", "CANCEL", "ACK"]


@pytest.mark.anyio
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
        await soon(done.wait())
        assert sorted(seen) == [("ACK", "one"), ("ACK", "one"), ("ACK", "two"), ("BYE", "two")]
        assert call.state is CallState.CONFIRMED


class Phone:
    """A telephone on a raw connection: answers INVITEs as told, keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.reinvite_status = 200
        self.repeat = 1
        self.contact = ""
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        host, port = writer.get_extra_info("sockname")
        contact = ("Contact", self.contact or f"<sip:bob@{host}:{port};transport=tcp>")
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


@pytest.mark.anyio
async def test_a_2xx_to_a_reinvite_that_comes_again_is_acknowledged_again() -> None:
    async with phone() as (other, call, _):
        other.repeat = 3
        assert (await call.reinvite(b"x", SDP)).status == 200
        await until(lambda: other.methods().count("ACK") >= 4)
        acks = [request for request in other.got if request.method == "ACK"]
        assert [ack.cseq.number for ack in acks] == [1, 2, 2, 2]
        assert len({ack.vias[0].branch for ack in acks[1:]}) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "ended"), [(200, False), (488, True), (481, True), (408, True)])
async def test_a_refresh_that_fails_ends_the_call(status: int, ended: bool) -> None:
    async with phone() as (other, call, _):
        call._timer = SessionTimer(1800, True)
        other.reinvite_status = status
        await call.refresh()
        assert call.ended.is_set() is ended
        if ended:
            assert str(status) in call.reason
            await until(lambda: "BYE" in other.methods())
        call._session_due()


@pytest.mark.anyio
async def test_glare_is_waited_out_once() -> None:
    async with phone() as (other, call, _):
        other.reinvite_status = 491
        assert (await call.reinvite(b"x", SDP)).status == 491
        assert other.methods().count("INVITE") == 3


@pytest.mark.anyio
async def test_a_peer_that_is_gone_ends_the_call_without_noise() -> None:
    async with phone() as (other, call, calling):
        assert other.writer is not None
        call._timer = SessionTimer(1800, True)
        call.dialog.target = "sip:bob@127.0.0.1:1;transport=tcp"
        await call.refresh()
        assert call.reason == "the session could not be refreshed: sip.unreachable"
    async with phone() as (_, call, calling):
        call.dialog.target = "sip:bob@127.0.0.1:1;transport=tcp"
        await call.hang_up()
        assert call.ended.is_set()
        assert calling.serving.usages == {}


@pytest.mark.anyio
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
        await soon(call.ended.wait())
        assert call.reason == "the answer was not acknowledged"
        await until(lambda: "BYE" in other.methods())


@pytest.mark.anyio
async def test_a_caller_that_gives_up_as_the_answer_comes_hangs_up() -> None:
    other = Phone()
    async with (
        raw_server(other.serve) as address,
        Endpoint(lambda request, peer: make_response(request, 200), FAST) as calling,
    ):
        task = asyncio.create_task(calling.invite(invite(), Hop("TCP", *address)))
        async with patience():
            # In the very turn of the loop in which the answer makes a call, and the task has not heard of it.
            while not calling.serving.usages:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: "BYE" in other.methods())


@pytest.mark.anyio
async def test_a_contact_that_cannot_be_reached_is_told_and_costs_nothing_else() -> None:
    """The answer wants TLS and we have none: no ACK and no BYE can follow, and nothing else breaks."""
    other = Phone()
    other.contact = "<sips:bob@127.0.0.1:5999>"
    events: list[SipEvent] = []
    async with (
        raw_server(other.serve) as address,
        Endpoint(lambda request, peer: make_response(request, 200), FAST, on_event=events.append) as calling,
    ):
        call = await calling.invite(invite(), Hop("TCP", *address))
        await until(lambda: any(isinstance(event, DeliveryFailed) for event in events))
        await call.hang_up()
        assert other.methods() == ["INVITE"]
        assert not [event for event in events if isinstance(event, HandlerFailed)]
