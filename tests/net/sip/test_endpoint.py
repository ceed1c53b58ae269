"""The endpoint over real sockets on loopback: UDP, TCP and TLS, both address families."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from mcsec._core import Secret
from mcsec.errors import CheckFailed, InvalidValue, Refused
from mcsec.net.sip.auth import DigestClient, DigestServer, Unauthorized
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import Unreachable
from mcsec.net.sip.events import (
    HandlerFailed,
    MessageMalformed,
    RequestRejected,
    SipEvent,
)
from mcsec.net.sip.message import Request, Response, decode
from mcsec.net.sip.peer import Hop, Peer, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.vetting import Abilities
from mcsec.net.sip.window import WindowSettings
from support.sip_pair import BODY, FAST, Server, message, pair, raw
from support.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_binary_body_comes_through(transport: str, host: str) -> None:
    async with pair(transport, host) as (server, asking, hop):
        response = await asking.request(message(), hop)
        assert (response.status, response.body) == (200, BODY)
        request, peer = server.requests[0]
        assert request.body == BODY
        assert (peer.transport, peer.host) == (transport, host)
        assert request.vias[0].params.get("received") == host
        assert request.vias[0].params.get("rport") == str(peer.port)


@pytest.mark.parametrize(
    ("transport", "trust", "kept"),
    [
        ("TCP", Trust(), False),
        ("TCP", Trust(addresses=(ip_network("127.0.0.0/8"),)), True),
        ("TCP", Trust(addresses=(ip_network("10.0.0.0/8"),)), False),
        ("UDP", Trust(addresses=(ip_network("127.0.0.0/8"),)), False),
        ("UDP", Trust(addresses=(ip_network("127.0.0.0/8"),), datagrams=True), True),
    ],
)
async def test_assertions_of_strangers_are_not_seen(transport: str, trust: Trust, kept: bool) -> None:
    headers = [("P-Asserted-Identity", "<sip:psi@mc.example>"), ("P-Asserted-Service", "urn:x")]
    async with pair(transport, server=EndpointSettings(trust=trust)) as (server, asking, hop):
        await asking.request(message(headers=headers), hop)
        request, _ = server.requests[0]
        assert ("P-Asserted-Identity" in request.headers) is kept
        assert ("P-Asserted-Service" in request.headers) is kept


async def test_the_window_holds_senders_back() -> None:
    most = 0

    async def slow(request: Request, peer: Peer) -> Response:
        nonlocal most
        most = max(most, server.serving.busy)
        await go_on.wait()
        await asyncio.sleep(0.005)
        return make_response(request, 200)

    go_on = asyncio.Event()
    settings = EndpointSettings(timings=FAST, window=WindowSettings(initial=5, most=5))
    async with Endpoint(slow) as server, Endpoint(slow, settings) as asking:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        tasks = [asyncio.create_task(asking.request(message(), hop)) for _ in range(40)]
        # All are under way, and the last ten still wait for room.
        await until(lambda: server.serving.busy == 5)
        for task in tasks[-10:]:
            task.cancel()
        go_on.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, Response) for result in done) == 30
        assert most == 5
        assert asking.core.gates.of(("TCP", "127.0.0.1", port)).idle


async def test_handlers_that_fail_are_answered_for() -> None:
    events: list[SipEvent] = []

    async def handler(request: Request, peer: Peer) -> Response:
        word = request.body.decode("ascii", "replace")
        if word == "refused":
            raise Refused("no")
        if word == "bug":
            raise RuntimeError("secret text")
        if word == "slow":
            await asyncio.sleep(60)
        if word == "provisional":
            return make_response(request, 180)
        if word == "broken":
            return make_response(request, 200, "a\r\nb")
        decode(request.body)
        raise AssertionError("decode() raises")

    settings = EndpointSettings(answer_within=0.05)
    async with Endpoint(handler, settings, on_event=events.append) as server, Endpoint(handler) as asking:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        for word, status in [
            ("refused", 403), ("bug", 500), ("slow", 500), ("provisional", 500), ("broken", 500), ("undecodable", 400),
        ]:  # fmt: skip
            response = await asking.request(message(body=word.encode()), hop)
            assert response.status == status, word
        failed = [event.error for event in events if isinstance(event, HandlerFailed)]
        assert failed == ["RuntimeError", "TimeoutError", "TypeError", "InvalidValue"]
        assert "secret text" not in repr(events)


async def test_requests_are_vetted_before_any_handler_sees_them() -> None:
    async with pair("TCP", server=EndpointSettings(abilities=Abilities(methods=("MESSAGE",)))) as (
        server,
        asking,
        hop,
    ):
        refused = await asking.request(make_request("OPTIONS", "sip:bob@mc.example", from_="sip:a@b"), hop)
        assert (refused.status, refused.headers.get("Allow")) == (405, "MESSAGE")
        required = message(headers=[("Require", "path, teleport")])
        refused = await asking.request(required, hop)
        assert (refused.status, refused.headers.get("Unsupported")) == (420, "teleport")
        assert (await asking.request(message("http://mc.example/"), hop)).status == 416
        in_dialog = make_request(
            "MESSAGE", "sip:bob@mc.example", from_="sip:a@b", to="sip:bob@mc.example;tag=1"
        )
        in_dialog = replace(in_dialog, headers=in_dialog.headers.set("To", "<sip:bob@mc.example>;tag=1"))
        assert (await asking.request(in_dialog, hop)).status == 481
        cancel = make_request("CANCEL", "sip:bob@mc.example", from_="sip:a@b")
        assert (await asking.request(cancel, hop)).status == 405
        assert server.requests == []
        assert [event.status for event in server.events if isinstance(event, RequestRejected)] == [
            405,
            420,
            416,
            405,
        ]


async def test_the_same_request_by_two_ways_is_answered_once() -> None:
    gate = asyncio.Event()

    async def handler(request: Request, peer: Peer) -> Response:
        arrived.append(request)
        await gate.wait()
        return make_response(request, 200)

    arrived: list[Request] = []
    async with Endpoint(handler) as server, Endpoint(handler) as asking:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        request = message()
        first = asyncio.create_task(asking.request(request, hop))
        await until(lambda: arrived)
        assert (await asking.request(request, hop)).status == 482
        gate.set()
        assert (await first).status == 200
        assert (await asking.request(request, hop)).status == 200


async def test_overload_is_answered_503_with_a_time() -> None:
    gate = asyncio.Event()

    async def handler(request: Request, peer: Peer) -> Response:
        await gate.wait()
        return make_response(request, 200)

    async with Endpoint(handler, EndpointSettings(handlers=2)) as server, Endpoint(handler) as asking:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        waiting = [asyncio.create_task(asking.request(message(), hop)) for _ in range(2)]
        await until(lambda: server.serving.busy == 2)
        refused = await asking.request(message(), hop)
        assert (refused.status, refused.headers.get("Retry-After")) == (503, "5")
        gate.set()
        assert [(await task).status for task in waiting] == [200, 200]


async def test_malformed_octets_are_answered_counted_and_told() -> None:
    async with pair("TCP") as (server, _, hop):
        head = (
            b"MESSAGE sip:b@h SIP/9.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
            b"To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
        )
        assert (await raw(hop.port, head)).startswith(b"SIP/2.0 505 ")
        assert (await raw(hop.port, head.replace(b": 0", b": x"))).startswith(b"SIP/2.0 400 ")
        assert await raw(hop.port, b"\x16\x03\x01\r\n\r\n") == b""
        told = [event.answered for event in server.events if isinstance(event, MessageMalformed)]
        assert told == [505, 400, None]
        assert server.endpoint.counters.malformed == 3


@pytest.mark.parametrize("algorithms", [("SHA-256", "MD5"), ("MD5",)])
async def test_a_challenge_is_answered(algorithms: tuple[str, ...]) -> None:
    password = Secret(b"open sesame")
    digest = DigestServer(
        "mc.example",
        lambda user, algorithm: (
            user_hash("alice", "mc.example", password, algorithm) if user == "alice" else None
        ),
        algorithms=algorithms,
    )
    users: list[str] = []

    def handler(request: Request, peer: Peer) -> Response:
        try:
            users.append(digest.verify(request, 1000.0))
        except Unauthorized as refused:
            return digest.challenge(request, 1000.0, stale=refused.stale)
        return make_response(request, 200)

    async with Endpoint(handler) as server, Endpoint(handler) as asking:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        alice = DigestClient("alice", password)
        assert (await asking.request(message(), hop, credentials=alice)).status == 200
        # The second request goes ahead with the nonce of the first.
        assert (await asking.request(alice.apply(message()), hop)).status == 200
        assert users == ["alice", "alice"]
        for wrong in (DigestClient("alice", Secret(b"guess")), DigestClient("mallory", password)):
            refused = await asking.request(message(), hop, credentials=wrong)
            assert refused.status == 401
            with pytest.raises(CheckFailed):
                wrong.authorize(wrong.apply(message()), refused)


async def test_closing_lets_handlers_finish_and_refuses_what_comes_later() -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request: Request, peer: Peer) -> Response:
        began.set()
        await go_on.wait()
        return make_response(request, 200)

    async with Endpoint(handler) as asking:
        async with Endpoint(handler) as server:
            _, port = await server.listen("TCP", "127.0.0.1")
            hop = Hop("TCP", "127.0.0.1", port)
            early = asyncio.create_task(asking.request(message(), hop))
            await began.wait()
            closing = asyncio.create_task(server.close(10.0))
            await asyncio.sleep(0)
            assert (await asking.request(message(), hop)).status == 503
            go_on.set()
            assert (await early).status == 200
            await closing
        with pytest.raises(Unreachable):
            await asking.request(message(), hop)


async def test_closing_fails_our_own_requests() -> None:
    async def never(request: Request, peer: Peer) -> Response:
        await asyncio.sleep(60)
        return make_response(request, 200)

    async with Endpoint(never) as server:
        _, port = await server.listen("TCP", "127.0.0.1")
        async with Endpoint(never) as asking:
            task = asyncio.create_task(asking.request(message(), Hop("TCP", "127.0.0.1", port)))
            await until(lambda: server.serving.busy)
        with pytest.raises(Unreachable):
            await task
        await server.close(0.0)


async def test_a_request_without_target_goes_by_route_or_core_or_uri() -> None:
    async with pair("TCP") as (server, asking, hop):
        uri = f"sip:bob@127.0.0.1:{hop.port};transport=tcp"
        assert (await asking.request(message(uri))).status == 200
        routed = message(headers=[("Route", f"<sip:127.0.0.1:{hop.port};transport=tcp;lr>")])
        assert (await asking.request(routed)).status == 200
        with pytest.raises(InvalidValue):
            await asking.request(message("urn:service:sos"))
    async with Server().endpoint as other, pair("TCP") as (server, _, hop):
        async with Endpoint(
            lambda request, peer: make_response(request, 200), EndpointSettings(outbound=hop)
        ) as inner:
            assert (await inner.request(message("urn:service:sos"))).status == 200
            assert server.requests[0][0].uri == "urn:service:sos"
        assert other.counters.requests_received == 0
