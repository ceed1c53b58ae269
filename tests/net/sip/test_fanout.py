"""The fast path: what it renders is SIP, what it matches is its own, and memory follows the window."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer, Unreachable
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.message import Request, Response, decode, encode
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.template import Branches, MessageTemplate, via_line
from mcsec.net.sip.timers import Timings
from mcsec.net.sip.window import WindowSettings
from support.sip_raw import raw_server
from support.waiting import until

FAST = Timings(t1=0.05, t2=0.2, t4=0.2)
ICSI = '*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt";require;explicit'


def prototype(method: str = "MESSAGE") -> Request:
    return make_request(
        method,
        "sip:replaced@mc.example",
        from_="sip:server@mc.example",
        headers=[
            ("Via", "SIP/2.0/UDP replaced"),
            ("P-Asserted-Identity", "<sip:psi@mc.example>"),
            ("Accept-Contact", ICSI),
        ],
        body=b"replaced",
        content_type="multipart/mixed;boundary=x",
    )


PROTOTYPE = prototype()
TEMPLATE = MessageTemplate.of(PROTOTYPE)


@given(st.binary(max_size=300), st.sampled_from(["UDP", "TCP", "TLS"]))
def test_what_is_rendered_is_the_prototype_for_another_recipient(body: bytes, transport: str) -> None:
    uri = "sip:bob%20b@mc.example;user=phone"
    octets = TEMPLATE.render(uri, via_line(transport, "[::1]", 5070), b"z9hG4bKx", b"call", body)
    request = decode(octets, stream=True)
    assert isinstance(request, Request)
    assert (request.method, request.uri, request.body) == ("MESSAGE", uri, body)
    assert (request.to.uri, request.call_id) == (uri, "call")
    assert request.vias[0].encode() == f"SIP/2.0/{transport} [::1]:5070;branch=z9hG4bKx;rport"
    kept = PROTOTYPE.headers.without("Via", "To", "Call-ID")
    assert request.headers.without("Via", "To", "Call-ID") == kept
    assert len(octets) <= TEMPLATE.size(uri, body)


@pytest.mark.parametrize(
    "uri", ["", "bob", "sip:a b", "sip:a>b", "sip:a\r\nX: y", "sip:a<b", 'sip:a"b', "sip:é"]
)
def test_a_recipient_is_one_uri(uri: str) -> None:
    with pytest.raises(InvalidValue):
        TEMPLATE.render(uri, via_line("TCP", "h", 1), b"b", b"c", b"")


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL"])
def test_invites_are_not_fanned_out(method: str) -> None:
    with pytest.raises(InvalidValue):
        MessageTemplate.of(prototype(method))


def answer_to(branch: bytes, status: int) -> bytes:
    octets = TEMPLATE.render("sip:b@h", via_line("TCP", "h", 1), branch, b"c", b"")
    request = decode(octets)
    assert isinstance(request, Request)
    return encode(make_response(request, status))


def test_answers_are_matched_by_branch_and_nothing_else() -> None:
    branches, others = Branches(), Branches()
    number, branch = branches.next()
    assert branches.answered(answer_to(branch, 200)) == (number, 200)
    assert branches.answered(answer_to(branch, 488)) == (number, 488)
    assert branches.answered(answer_to(others.next()[1], 200)) is None
    assert branches.answered(answer_to(branch + b"z", 200)) is None
    assert branches.answered(answer_to(branch, 200)[8:]) is None
    assert branches.answered(b"") is None


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.anyio
async def test_every_recipient_gets_its_own_body_and_its_outcome(transport: str) -> None:
    got: dict[str, bytes] = {}

    def handler(request: Request, peer: Peer) -> Response:
        got[request.uri] = request.body
        number = int(request.uri[8:].split("@")[0])
        if number % 10 == 3:
            return make_response(request, 488, headers=[("Warning", '399 h "136 failed"')])
        return make_response(request, 200)

    async with Endpoint(handler) as server, Endpoint(handler) as sender:
        _, port = await server.listen(transport, "127.0.0.1")
        await sender.listen("UDP", "127.0.0.1")
        hop = Hop(transport, "127.0.0.1", port)
        outcomes: list[Outcome] = []
        deliveries = [Delivery(f"sip:user{n}@mc.example", b"\x00\r\n%d" % n, hop, n) for n in range(300)]
        await sender.fan_out(TEMPLATE, deliveries, outcomes.append)
        assert sorted(outcome.delivery.note for outcome in outcomes) == list(range(300))
        assert got == {delivery.uri: delivery.body for delivery in deliveries}
        refused = [outcome for outcome in outcomes if outcome.status == 488]
        assert len(refused) == 30
        assert all(outcome.response and outcome.response.headers.get("Warning") for outcome in refused)
        assert {outcome.status for outcome in outcomes} == {200, 488}


@pytest.mark.anyio
async def test_recipients_are_asked_for_no_faster_than_they_are_served() -> None:
    asked = 0
    ahead = 0

    def many() -> Iterator[Delivery]:
        nonlocal asked, ahead
        for number in range(2000):
            asked += 1
            ahead = max(ahead, asked - server.counters.requests_received)
            yield Delivery(f"sip:user{number}@mc.example", b"x", hop)

    settings = EndpointSettings(window=WindowSettings(initial=8, most=16))
    async with Endpoint(lambda request, peer: make_response(request, 200)) as server:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        async with Endpoint(lambda request, peer: make_response(request, 200), settings) as sender:
            outcomes: list[Outcome] = []
            await sender.fan_out(TEMPLATE, many(), outcomes.append)
            assert len(outcomes) == 2000
            assert ahead <= 17


@pytest.mark.anyio
async def test_lost_requests_are_sent_again_and_given_up_in_the_end() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        hop = Hop("UDP", *silent.getsockname())
        settings = EndpointSettings(timings=Timings(t1=0.02, t2=0.08, t4=0.1))
        async with Endpoint(lambda request, peer: make_response(request, 200), settings) as sender:
            await sender.listen("UDP", "127.0.0.1")
            outcomes: list[Outcome] = []
            await sender.fan_out(TEMPLATE, [Delivery("sip:bob@mc.example", b"x", hop)], outcomes.append)
            assert isinstance(outcomes[0].error, NoAnswer)
            silent.setblocking(False)
            sent = []
            while True:
                try:
                    sent.append(silent.recv(65536))
                except BlockingIOError:
                    break
            assert len(sent) > 5
            assert len(set(sent)) == 1
            assert sender.core.gates.of(("UDP", *silent.getsockname())).idle


@pytest.mark.anyio
async def test_a_losing_link_delivers_everything() -> None:
    """Every fifth request and answer is thrown away; what is sent again arrives."""
    count = 0

    def lose(octets: bytes) -> bool:
        nonlocal count
        count += 1
        return count % 5 == 0

    settings = EndpointSettings(timings=FAST)
    async with (
        Endpoint(lambda request, peer: make_response(request, 200), settings) as server,
        Endpoint(lambda request, peer: make_response(request, 200), settings) as sender,
    ):
        _, port = await server.listen("UDP", "127.0.0.1")
        await sender.listen("UDP", "127.0.0.1")
        send = sender.core.transport.send
        sender.core.transport.send = lambda octets, peer: None if lose(octets) else send(octets, peer)  # type: ignore[method-assign]  # the link loses
        hop = Hop("UDP", "127.0.0.1", port)
        outcomes: list[Outcome] = []
        deliveries = [Delivery(f"sip:user{n}@mc.example", b"x", hop) for n in range(200)]
        await sender.fan_out(TEMPLATE, deliveries, outcomes.append)
        assert [outcome.status for outcome in outcomes] == [200] * 200
        assert sender.counters.retransmissions_sent >= 40


@pytest.mark.anyio
async def test_what_cannot_be_sent_has_an_outcome_too() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with (
            raw_server(hang_up) as broken,
            Endpoint(lambda request, peer: make_response(request, 200)) as sender,
        ):
            outcomes: list[Outcome] = []
            deliveries = [
                Delivery("sip:bob@mc.example", b"x", Hop("TCP", *unused.getsockname())),
                Delivery("sip:b b@mc.example", b"x", Hop("TCP", *broken)),
                Delivery("tel:+1", b"x"),
                Delivery("sip:bob@mc.example", b"x", Hop("TCP", *broken)),
            ]
            await sender.fan_out(TEMPLATE, deliveries, outcomes.append)
            kinds = [type(outcome.error) for outcome in outcomes]
            assert kinds == [Unreachable, InvalidValue, InvalidValue, Unreachable]


@pytest.mark.anyio
async def test_a_cancelled_fan_out_leaves_nothing_behind() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        hop = Hop("UDP", *silent.getsockname())
        async with Endpoint(lambda request, peer: make_response(request, 200)) as sender:
            await sender.listen("UDP", "127.0.0.1")
            deliveries = [Delivery(f"sip:user{n}@mc.example", b"x", hop) for n in range(100)]
            task = asyncio.create_task(sender.fan_out(TEMPLATE, deliveries, lambda outcome: None))
            gate = sender.core.gates.of(("UDP", *silent.getsockname()))
            await until(lambda: gate.window.in_flight >= 32)
            assert gate.window.in_flight == 32
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert sender.core.gates.of(("UDP", *silent.getsockname())).idle


@pytest.mark.anyio
async def test_what_the_caller_raises_comes_back_to_the_caller() -> None:
    def fail(outcome: Outcome) -> None:
        raise RuntimeError("mine")

    async with Endpoint(lambda request, peer: make_response(request, 200)) as server:
        _, port = await server.listen("TCP", "127.0.0.1")
        async with Endpoint(lambda request, peer: make_response(request, 200)) as sender:
            hop = Hop("TCP", "127.0.0.1", port)
            with pytest.raises(RuntimeError, match="mine"):
                await sender.fan_out(TEMPLATE, [Delivery("sip:bob@mc.example", b"x", hop)] * 3, fail)
