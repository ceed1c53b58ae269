"""The endpoint over real sockets on loopback: UDP, TCP and TLS, both address families."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.errors import CheckFailed, InvalidValue, Refused
from mcsec.net.sip.auth import DigestClient, DigestServer, Unauthorized
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer, Unreachable
from mcsec.net.sip.events import (
    ConnectionClosed,
    ConnectionOpened,
    HandlerFailed,
    MessageMalformed,
    RequestRejected,
    SipEvent,
)
from mcsec.net.sip.message import Request, Response, decode
from mcsec.net.sip.peer import Hop, Peer, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.timers import Timings
from mcsec.net.sip.transport import TransportSettings
from mcsec.net.sip.vetting import Abilities
from mcsec.net.sip.window import WindowSettings
from support.sip_raw import raw_server
from support.sip_tls import TestAuthority

pytestmark = pytest.mark.anyio

FAST = Timings(t1=0.02, t2=0.08, t4=0.1)
BODY = bytes(range(256)) + b"\r\n\r\n"


def message(uri: str = "sip:bob@mc.example", *, body: bytes = BODY, **options: object) -> Request:
    return make_request(
        "MESSAGE", uri, from_="sip:alice@mc.example", body=body, content_type="application/mikey", **options
    )


class Server:
    """An endpoint that keeps what it got and answers 200."""

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self.requests: list[tuple[Request, Peer]] = []
        self.events: list[SipEvent] = []
        self.endpoint = Endpoint(
            self.answer, settings or EndpointSettings(timings=FAST), on_event=self.events.append
        )

    def answer(self, request: Request, peer: Peer) -> Response:
        self.requests.append((request, peer))
        return make_response(request, 200, body=request.body, content_type="application/octet-stream")


@contextlib.asynccontextmanager
async def pair(
    kind: str, host: str = "127.0.0.1", /, *, server: EndpointSettings | None = None, **client: object
) -> AsyncIterator[tuple[Server, Endpoint, Hop]]:
    serving = Server(server)
    settings = EndpointSettings(timings=FAST, **client)
    async with (
        serving.endpoint,
        Endpoint(lambda request, peer: make_response(request, 405), settings) as asking,
    ):
        _, port = await serving.endpoint.listen(kind, host)
        if kind == "UDP":
            await asking.listen("UDP", host)
        yield serving, asking, Hop(kind, host, port)


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


async def test_one_connection_serves_many_requests_at_a_time() -> None:
    async with pair("TCP") as (server, asking, hop):
        responses = await asyncio.gather(*(asking.request(message(), hop) for _ in range(200)))
        assert {response.status for response in responses} == {200}
        assert len({peer for _, peer in server.requests}) == 1
        assert sum(isinstance(event, ConnectionOpened) for event in server.events) == 1


async def test_the_called_side_calls_back_by_the_same_connection() -> None:
    got: list[Request] = []

    def answer(request: Request, peer: Peer) -> Response:
        got.append(request)
        return make_response(request, 202)

    server = Server()
    async with server.endpoint, Endpoint(answer, EndpointSettings(timings=FAST)) as client:
        _, port = await server.endpoint.listen("TCP", "127.0.0.1")
        await client.request(message(), Hop("TCP", "127.0.0.1", port))
        _, peer = server.requests[0]
        assert (await server.endpoint.request(message("sip:alice@mc.example"), peer)).status == 202
        by_address = Hop("TCP", peer.host, peer.port)
        assert (await server.endpoint.request(message("sip:alice@mc.example"), by_address)).status == 202
        assert len(got) == 2


async def test_a_large_request_leaves_udp_for_tcp() -> None:
    server = Server()
    async with server.endpoint, Endpoint(server.answer, EndpointSettings(timings=FAST)) as asking:
        _, port = await server.endpoint.listen("UDP", "127.0.0.1")
        await server.endpoint.listen("TCP", "127.0.0.1", port)
        await asking.listen("UDP", "127.0.0.1")
        hop = Hop("UDP", "127.0.0.1", port)
        for size in (100, 2000):
            await asking.request(message(body=b"x" * size), hop)
        assert [peer.transport for _, peer in server.requests] == ["UDP", "TCP"]
        assert [request.vias[0].transport for request, _ in server.requests] == ["UDP", "TCP"]


async def test_a_large_request_stays_on_udp_where_nothing_else_is_spoken() -> None:
    async with pair("UDP") as (server, asking, hop):
        assert (await asking.request(message(body=b"x" * 2000), hop)).status == 200
        assert server.requests[0][1].transport == "UDP"


async def test_tls_shows_who_is_there(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    server = Server(EndpointSettings(timings=FAST, trust=Trust(names=frozenset({"core.mc.example"}))))
    assertion = [("P-Asserted-Identity", "<sip:psi@mc.example>")]
    async with server.endpoint:
        _, port = await server.endpoint.listen(
            "TLS", "127.0.0.1", tls=authority.server("server.mc.example", ask=True)
        )
        hop = Hop("TLS", "127.0.0.1", port, "server.mc.example")
        for name in ("core.mc.example", "other.mc.example", None):
            settings = EndpointSettings(timings=FAST, client_tls=authority.client(name))
            async with Endpoint(server.answer, settings) as client:
                assert (
                    await client.request(message("sips:bob@mc.example", headers=assertion), hop)
                ).status == 200
        names = [peer.names for _, peer in server.requests]
        assert names[0] == {"core.mc.example", "sip:core.mc.example"}
        assert names[2] == frozenset()
        asserted = [request.headers.get("P-Asserted-Identity") for request, _ in server.requests]
        assert asserted == ["<sip:psi@mc.example>", None, None]


async def test_tls_refuses_a_server_with_another_name(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    server = Server()
    settings = EndpointSettings(timings=FAST, client_tls=authority.client())
    async with server.endpoint, Endpoint(server.answer, settings) as client:
        _, port = await server.endpoint.listen("TLS", "127.0.0.1", tls=authority.server("server.mc.example"))
        with pytest.raises(Unreachable, match="ertificate"):
            await client.request(message(), Hop("TLS", "127.0.0.1", port, "evil.example"))
        right = Hop("TLS", "127.0.0.1", port, "server.mc.example")
        assert (await client.request(message(), right)).status == 200
        # A connection that was verified for one name is not used for another.
        with pytest.raises(Unreachable):
            await client.request(message(), replace(right, name="evil.example"))


async def test_a_sips_uri_never_goes_in_clear() -> None:
    async with pair("TCP") as (server, asking, hop):
        with pytest.raises(InvalidValue):
            await asking.request(message("sips:bob@mc.example"), hop)
        with pytest.raises(InvalidValue):
            await asking.request(message(), replace(hop, transport="TLS"))
        assert server.requests == []


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


async def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with pair("TCP") as (_, asking, hop):
            with pytest.raises(Unreachable):
                await asking.request(message(), replace(hop, port=unused.getsockname()[1]))
            with pytest.raises(Unreachable):
                await asking.request(message(), Hop("TCP", "no-such-host.invalid", 5060))
    async with pair("UDP") as (_, asking, hop):
        with socket.socket(type=socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            with pytest.raises(NoAnswer):
                await asking.request(message(), replace(hop, port=silent.getsockname()[1]))
        assert asking.counters.retransmissions_sent > 5
        with pytest.raises(Unreachable):
            await asking.request(message(), Hop("UDP", "::1", 5060))


async def test_a_connection_that_breaks_fails_its_requests_at_once() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(hang_up) as (_, port), pair("TCP") as (_, asking, hop):
        with pytest.raises(Unreachable):
            await asking.request(message(), replace(hop, port=port))


async def test_the_window_holds_senders_back() -> None:
    most = 0

    async def slow(request: Request, peer: Peer) -> Response:
        nonlocal most
        most = max(most, server.serving.busy)
        await asyncio.sleep(0.005)
        return make_response(request, 200)

    settings = EndpointSettings(timings=FAST, window=WindowSettings(initial=5, most=5))
    async with Endpoint(slow) as server, Endpoint(slow, settings) as asking:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        tasks = [asyncio.create_task(asking.request(message(), hop)) for _ in range(40)]
        await asyncio.sleep(0.01)
        for task in tasks[-10:]:
            task.cancel()
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
            await asyncio.sleep(10)
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
        await gate.wait()
        return make_response(request, 200)

    async with Endpoint(handler) as server, Endpoint(handler) as asking:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        request = message()
        first = asyncio.create_task(asking.request(request, hop))
        await asyncio.sleep(0.02)
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
        await asyncio.sleep(0.02)
        refused = await asking.request(message(), hop)
        assert (refused.status, refused.headers.get("Retry-After")) == (503, "5")
        gate.set()
        assert [(await task).status for task in waiting] == [200, 200]


async def raw(port: int, octets: bytes) -> bytes:
    """What the server answers to octets on a connection of their own; nothing when it cuts the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(octets)
        await writer.drain()
        return await asyncio.wait_for(reader.read(65536), 1.0)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


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


async def test_keep_alives_are_answered() -> None:
    async with pair("TCP") as (_, _, hop):
        assert await raw(hop.port, b"\r\n\r\n") == b"\r\n"


@pytest.mark.parametrize(
    ("settings", "octets"),
    [
        (TransportSettings(stalled=0.05, ping=0), b"MESSAGE sip:b@h SIP/2.0\r\n"),
        (TransportSettings(idle=0.05, ping=0), b""),
    ],
)
async def test_stalled_and_idle_connections_are_closed(settings: TransportSettings, octets: bytes) -> None:
    async with pair("TCP", server=EndpointSettings(transport=settings)) as (server, _, hop):
        assert await raw(hop.port, octets) == b""
        assert any(isinstance(event, ConnectionClosed) for event in server.events)


async def test_a_silent_peer_is_noticed_by_ping() -> None:
    got = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            if data[-4:] == b"\r\n\r\n" and not data.startswith(b"MESSAGE"):
                got.set()

    settings = TransportSettings(ping=0.05, pong=0.1)
    async with raw_server(silent) as (_, port), pair("TCP", transport=settings) as (_, asking, hop):
        with pytest.raises(Unreachable):
            await asking.request(message(), replace(hop, port=port))
        assert got.is_set()


async def test_pings_keep_a_good_connection() -> None:
    settings = TransportSettings(ping=0.03, pong=0.2)
    async with pair("TCP", transport=settings) as (server, asking, hop):
        await asking.request(message(), hop)
        await asyncio.sleep(0.3)
        await asking.request(message(), hop)
        assert sum(isinstance(event, ConnectionOpened) for event in server.events) == 1


async def test_more_connections_than_allowed_are_cut() -> None:
    async with pair("TCP", server=EndpointSettings(transport=TransportSettings(connections=1))) as (
        _,
        asking,
        hop,
    ):
        await asking.request(message(), hop)
        assert await raw(hop.port, b"\r\n\r\n") == b""
        assert (await asking.request(message(), hop)).status == 200


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
    async def handler(request: Request, peer: Peer) -> Response:
        await asyncio.sleep(0.05)
        return make_response(request, 200)

    async with Endpoint(handler) as asking:
        async with Endpoint(handler) as server:
            _, port = await server.listen("TCP", "127.0.0.1")
            hop = Hop("TCP", "127.0.0.1", port)
            early = asyncio.create_task(asking.request(message(), hop))
            await asyncio.sleep(0.02)
            closing = asyncio.create_task(server.close(1.0))
            await asyncio.sleep(0)
            assert (await asking.request(message(), hop)).status == 503
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
            await asyncio.sleep(0.02)
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


async def test_listening_wants_a_context_for_tls_only(tmp_path: Path) -> None:
    async with Server().endpoint as endpoint:
        with pytest.raises(InvalidValue):
            await endpoint.listen("TLS", "127.0.0.1")
        with pytest.raises(InvalidValue):
            await endpoint.listen("TCP", "127.0.0.1", tls=TestAuthority(tmp_path).server("x"))
        _, port = await endpoint.listen("TCP", "127.0.0.1")
        with pytest.raises(OSError, match="in use"):
            await endpoint.listen("TCP", "127.0.0.1", port)
        assert endpoint.contact("me", "TCP").encode() == f"sip:me@127.0.0.1:{port};transport=tcp"
