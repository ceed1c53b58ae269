"""Flows over real sockets: connections reused and watched, TLS names, UDP that gives way to TCP."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec.errors import InvalidValue
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer, Unreachable
from mcsec.net.sip.events import (
    ConnectionClosed,
    ConnectionOpened,
)
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.streams import StreamConnection
from mcsec.net.sip.transport import TransportSettings
from mcsec.net.sip.udp import Receive, UdpSocket
from support.sip_pair import FAST, Server, message, pair, raw
from support.sip_raw import raw_server
from support.sip_tls import TestAuthority
from support.waiting import until

pytestmark = pytest.mark.anyio


async def test_one_connection_serves_many_requests_at_a_time() -> None:
    async with pair("TCP") as (server, asking, hop):
        responses = await asyncio.gather(*(asking.request(message(), hop) for _ in range(200)))
        assert {response.status for response in responses} == {200}
        assert len({peer for _, peer in server.requests}) == 1
        assert sum(isinstance(event, ConnectionOpened) for event in server.events) == 1


async def test_udp_and_tcp_share_a_port_that_is_free_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    bind = UdpSocket.bind
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        chosen = [taken]

        def first_a_taken_one(host: str, port: int, receive: Receive) -> UdpSocket:
            return bind(host, port or (chosen.pop() if chosen else 0), receive)

        monkeypatch.setattr(UdpSocket, "bind", first_a_taken_one)
        async with Endpoint(lambda request, peer: make_response(request, 200)) as endpoint:
            host, port = await endpoint.listen_both("127.0.0.1")
            assert not chosen
            assert port != taken
            for transport in ("UDP", "TCP"):
                assert endpoint.core.transport.address(transport) == (host, port)
            with pytest.raises(OSError, match="in use"):
                await endpoint.listen_both("127.0.0.1", taken)


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


async def test_pings_keep_a_good_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TransportSettings(ping=0.03, pong=0.5)
    pings: list[float] = []
    ping = StreamConnection.ping

    def noted(connection: StreamConnection, now: float) -> None:
        if connection.pinged is None:
            pings.append(now)
        ping(connection, now)

    monkeypatch.setattr(StreamConnection, "ping", noted)
    async with pair("TCP", transport=settings) as (server, asking, hop):
        await asking.request(message(), hop)
        # Each but the last was answered, and the first of them longer ago than a peer may be silent.
        await until(lambda: len(pings) > 3 and pings[-1] - pings[0] > settings.pong)
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
