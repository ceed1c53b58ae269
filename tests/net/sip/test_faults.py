"""The endpoint when things go wrong: strays, slow readers, full sockets, lost answers, callbacks that raise."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from mcsec.net.sip.compose import make_request, make_response, new_branch
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer, Unreachable
from mcsec.net.sip.events import (
    ConnectionClosed,
    DeliveryFailed,
    HandlerFailed,
    RequestRejected,
    ResponseUnmatched,
    SipEvent,
)
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.message import Request, Response, decode, encode
from mcsec.net.sip.notifying import Subscriber
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.streams import MOST_WAITING
from mcsec.net.sip.template import MessageTemplate
from mcsec.net.sip.timers import Timings
from support.sip_raw import RawUdp, raw_server
from support.waiting import patience, soon, until

pytestmark = pytest.mark.anyio

FAST = EndpointSettings(timings=Timings(t1=0.02, t2=0.08, t4=0.1))


def ok(request: Request, peer: Peer) -> Response:
    return make_response(request, 200)


def message(*headers: tuple[str, str], body: bytes = b"x") -> Request:
    return make_request(
        "MESSAGE",
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        headers=headers,
        body=body,
        content_type="text/plain",
    )


def via(branch: str | None = None, host: str = "h") -> tuple[str, str]:
    return ("Via", f"SIP/2.0/UDP {host};branch={branch or new_branch()};rport")


async def test_strays_are_dropped_and_told() -> None:
    events: list[SipEvent] = []
    async with Endpoint(ok, FAST, on_event=events.append) as endpoint:
        _, port = await endpoint.listen("UDP", "127.0.0.1")
        with RawUdp(port) as raw:
            raw.send(encode(make_response(message(via()), 200)))
            raw.send(encode(message(via("1"))))
            assert (await raw.receive()).startswith(b"SIP/2.0 400 Missing Branch")
            for keep_alive in (b"\r\n\r\n", b"\r\n", b""):
                raw.send(keep_alive)
            raw.send(encode(message(via())))
            assert (await raw.receive()).startswith(b"SIP/2.0 200")
        assert [type(event) for event in events] == [ResponseUnmatched, RequestRejected]
        assert (endpoint.counters.unmatched, endpoint.counters.rejected) == (1, 1)


async def test_an_answer_goes_to_the_port_of_the_via_unless_asked_otherwise() -> None:
    async with Endpoint(ok, FAST) as endpoint:
        _, port = await endpoint.listen("UDP", "127.0.0.1")
        with RawUdp(port) as elsewhere, RawUdp(port) as raw:
            name, value = via(host=f"127.0.0.1:{elsewhere.address[1]}")
            raw.send(encode(message((name, value.removesuffix(";rport")))))
            assert b"received" not in await elsewhere.receive()
            raw.send(encode(message(via(host=f"192.0.2.1:{elsewhere.address[1]}"))))
            answer = await raw.receive()
            assert b"received=127.0.0.1" in answer
            assert f"rport={raw.address[1]}".encode() in answer


async def test_an_answer_finds_its_way_when_the_connection_is_gone() -> None:
    """RFC 3261 18.2.2: to the address it came from and the port of the Via."""
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def slow(request: Request, peer: Peer) -> Response:
        arrived.set()
        await closed.wait()
        return make_response(request, 200)

    answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers.put(await reader.readuntil(b"\r\n\r\n"))

    events: list[SipEvent] = []
    async with raw_server(take) as (host, back), Endpoint(slow, FAST, on_event=events.append) as endpoint:
        _, port = await endpoint.listen("TCP", "127.0.0.1")
        for number, (where, reached) in enumerate(((back, True), (1, False)), start=1):
            arrived.clear()
            closed.clear()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(encode(message(("Via", f"SIP/2.0/TCP {host}:{where};branch={new_branch()}"))))
            await soon(arrived.wait())
            writer.close()
            await writer.wait_closed()
            await until(lambda number=number: len(_of(ConnectionClosed, events)) == number)
            closed.set()
            if reached:
                assert (await soon(answers.get())).startswith(b"SIP/2.0 200")
        await until(lambda: _of(DeliveryFailed, events))


async def test_a_peer_that_does_not_read_is_cut() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with Endpoint(ok, FAST) as endpoint, raw_server(deaf) as address:
        peer = await endpoint.core.transport.reach(Hop("TCP", *address))
        block = b"x" * (1 << 20)

        async def fill() -> None:
            for _ in range(2 * MOST_WAITING // len(block)):
                endpoint.core.transport.send(block, peer)
                await asyncio.sleep(0)

        with pytest.raises(Unreachable):
            await fill()
        await until(lambda: not endpoint.core.transport.usable(peer))
        with pytest.raises(Unreachable):
            endpoint.core.transport.send(block, peer)


async def test_a_slow_reader_slows_the_fan_out_down() -> None:
    """The connection holds what its peer has not read; more is not even rendered."""
    read = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read.wait()
        while await reader.read(1 << 20):
            pass

    async with raw_server(slow) as address, Endpoint(ok, FAST) as endpoint:
        hop = Hop("TCP", *address)
        asked = 0

        def many() -> object:
            nonlocal asked
            while True:
                asked += 1
                yield Delivery("sip:bob@mc.example", b"x" * 500_000, hop)

        template = MessageTemplate.of(message())
        task = asyncio.create_task(endpoint.fan_out(template, many(), lambda outcome: None))  # type: ignore[arg-type]  # a generator
        await asyncio.sleep(0.1)
        stuck = asked
        assert stuck < 32
        read.set()
        await until(lambda: asked != stuck)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_in_all_no_more_than_allowed_is_on_the_way() -> None:
    async with Endpoint(ok, FAST) as sender:
        await sender.listen("UDP", "127.0.0.1")
        sender._fast._most = 10
        silent = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(20)]
        try:
            for each in silent:
                each.bind(("127.0.0.1", 0))
            deliveries = [
                Delivery("sip:bob@mc.example", b"x", Hop("UDP", *each.getsockname())) for each in silent
            ]
            outcomes: list[Outcome] = []
            task = asyncio.create_task(
                sender.fan_out(MessageTemplate.of(message()), deliveries, outcomes.append)
            )
            await until(lambda: len(sender._fast) >= 10)
            assert len(sender._fast) == 10
            async with patience():
                await task
            assert all(isinstance(outcome.error, NoAnswer) for outcome in outcomes)
            assert len(outcomes) == 20
        finally:
            for each in silent:
                each.close()


async def test_a_provisional_answer_slows_the_fan_out_s_retransmissions() -> None:
    async with Endpoint(ok, FAST) as sender:
        await sender.listen("UDP", "127.0.0.1")
        with RawUdp() as raw:
            outcomes: list[Outcome] = []
            delivery = Delivery("sip:bob@mc.example", b"x", Hop("UDP", *raw.address))
            task = asyncio.create_task(
                sender.fan_out(MessageTemplate.of(message()), [delivery], outcomes.append)
            )
            octets = await raw.receive()
            request = _request(octets)
            raw.send(encode(make_response(request, 100)))
            # A broken answer, a forged one, and a refusal that cannot be read count for nothing.
            right = encode(make_response(request, 200))
            raw.send(right.replace(b"SIP/2.0 200", b"SIP/2.0 999"))
            raw.send(right.replace(b"branch=z9hG4bK", b"branch=z9hG4bK0"))
            raw.send(encode(make_response(request, 404)).replace(b"From:", b"Frm:"))
            await asyncio.sleep(0.02)
            assert outcomes == []
            raw.send(encode(make_response(request, 200)))
            await soon(task)
            assert outcomes[0].status == 200
            raw.send(encode(make_response(request, 200)))
            await until(lambda: sender.counters.unmatched == 1)


def _of(kind: type[SipEvent], events: list[SipEvent]) -> list[SipEvent]:
    return [event for event in events if isinstance(event, kind)]


def _request(octets: bytes) -> Request:
    request = decode(octets)
    assert isinstance(request, Request)
    return request


async def test_callbacks_that_raise_are_told_and_harm_nobody() -> None:
    events: list[SipEvent] = []

    def fail(*_: object) -> None:
        raise RuntimeError("bug")

    async def answer(incoming: IncomingCall) -> None:
        incoming.progress(180)
        call = await incoming.accept(on_reinvite=fail)  # type: ignore[arg-type]  # a bug, on purpose
        await call.ended.wait()

    async def serve(subscriber: Subscriber) -> None:
        subscriber.accept()
        subscriber.on_refresh = fail
        await subscriber.notify(b"x", "text/plain")

    def broken(request: Request, peer: Peer) -> Response:
        raise RuntimeError("bug")

    server = Endpoint(broken, FAST, on_invite=answer, on_subscribe=serve, on_event=events.append)
    client = Endpoint(ok, FAST, on_event=events.append)
    async with server, client:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        assert (await client.request(message(), hop)).status == 500
        invite = make_request("INVITE", "sip:b@h", from_="sip:a@h")
        call = await client.invite(invite, hop, on_provisional=fail)
        assert (await call.reinvite(b"x", "application/sdp")).status == 500
        await call.hang_up()
        subscribe = make_request("SUBSCRIBE", "sip:b@h", from_="sip:a@h", headers=[("Event", "x")])
        subscription = await client.subscribe(subscribe, fail, hop)
        await subscription._refresh()
        await subscription.unsubscribe()
        failed = {event.method for event in events if isinstance(event, HandlerFailed)}
        assert failed == {"MESSAGE", "INVITE", "SUBSCRIBE", "NOTIFY"}
        assert (await client.request(message(), hop)).status == 500


async def test_an_invite_that_nobody_answers() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with Endpoint(ok, FAST) as calling:
            await calling.listen("UDP", "127.0.0.1")
            hop = Hop("UDP", *silent.getsockname())
            with pytest.raises(NoAnswer):
                await calling.invite(make_request("INVITE", "sip:b@h", from_="sip:a@h"), hop)
            assert calling.counters.retransmissions_sent > 3
            assert len(calling.core.layer) == 0
            # Given up before any sign of life: nothing is sent, and it is forgotten in time.
            with pytest.raises(NoAnswer):
                await calling.invite(make_request("INVITE", "sip:b@h", from_="sip:a@h"), hop, ring=0.02)
            await until(lambda: not calling.core.layer)


async def test_a_cancel_without_final_answer_is_given_up() -> None:
    """RFC 3261 9.1: after 64 * T1 the INVITE counts as cancelled."""
    async with Endpoint(ok, FAST) as calling:
        await calling.listen("UDP", "127.0.0.1")
        with RawUdp() as raw:
            hop = Hop("UDP", *raw.address)
            heard: list[Response] = []
            invitation = make_request("INVITE", "sip:b@h", from_="sip:a@h")
            task = asyncio.create_task(calling.invite(invitation, hop, on_provisional=heard.append))
            octets = await raw.receive()
            raw.send(encode(make_response(_request(octets), 180)))
            await until(lambda: heard)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: not calling.core.layer)


async def test_a_2xx_that_makes_no_dialog_is_an_error() -> None:
    async with Endpoint(ok, FAST) as calling:
        await calling.listen("UDP", "127.0.0.1")
        with RawUdp() as raw:
            hop = Hop("UDP", *raw.address)
            task = asyncio.create_task(
                calling.invite(make_request("INVITE", "sip:b@h", from_="sip:a@h"), hop)
            )
            octets = await raw.receive()
            raw.send(encode(make_response(_request(octets), 200)))
            with pytest.raises(Exception, match="exactly one Contact"):
                await task


async def test_an_invite_without_contact_is_refused() -> None:
    async def answer(incoming: IncomingCall) -> None:
        raise AssertionError("not reached")

    async with Endpoint(ok, FAST, on_invite=answer) as called, Endpoint(ok, FAST) as calling:
        _, port = await called.listen("TCP", "127.0.0.1")
        bare = make_request("INVITE", "sip:b@h", from_="sip:a@h")
        assert (await calling.request(bare, Hop("TCP", "127.0.0.1", port))).status == 400
        bad = replace(bare, headers=bare.headers.add(("Contact", "<sip:a@h>"), ("Session-Expires", "x")))
        assert (await calling.request(bad, Hop("TCP", "127.0.0.1", port))).status == 400


async def test_connections_are_reached_by_name_once() -> None:
    async with Endpoint(ok, FAST) as server, Endpoint(ok, FAST) as client:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "localhost", port)
        first, second = await asyncio.gather(
            client.core.transport.reach(hop), client.core.transport.reach(hop)
        )
        assert first == second
        client.core.transport.cut(first)
        await until(lambda: not client.core.transport.usable(first))
        assert (await client.core.transport.reach(hop)).flow != first.flow


async def test_a_sender_that_gives_up_while_it_waits_takes_no_room() -> None:
    async with Endpoint(ok, FAST) as sender:
        await sender.listen("UDP", "127.0.0.1")
        with socket.socket(type=socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            hop = Hop("UDP", *silent.getsockname())
            tasks = [asyncio.create_task(sender.request(message(), hop)) for _ in range(50)]
            await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert sender.core.gates.of(("UDP", *silent.getsockname())).idle
            assert sender.core.asking == 0
