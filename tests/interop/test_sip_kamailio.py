"""Kamailio as the SIP core between our endpoints: registrar with digest, routing, Record-Route, Path, TLS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from mcsec._core import Secret
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.calls import Call
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import Unreachable
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.notifying import Subscriber
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.registering import keep_registered
from mcsec.net.sip.registrar import Registrar
from mcsec.net.sip.registration import Registered, Registration, RegistrationEvent, Unregistered
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.subscribing import Notification
from mcsec.net.sip.template import MessageTemplate
from mcsec.net.sip.values import NameAddr
from support.kamailio import CORE, EDGE, kamailio
from support.sip_tls import TestAuthority
from support.waiting import patience, soon, until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("kamailio")]
BINARY = bytes(range(256)) * 4 + b"\r\n \t\r\n"
SDP = "application/sdp"


def ok(request: Request, peer: Peer) -> Response:
    return make_response(request, 200)


class Client:
    """A user whose endpoint is registered at the core."""

    def __init__(self, name: str, settings: EndpointSettings) -> None:
        self.name = name
        self.requests: list[Request] = []
        self.calls: list[Call] = []
        self.lets_ring = False
        self.ringing, self.stopped = asyncio.Event(), asyncio.Event()
        self.endpoint = Endpoint(self.take, settings, on_invite=self.answer, on_subscribe=self.inform)

    def take(self, request: Request, peer: Peer) -> Response:
        self.requests.append(request)
        return make_response(request, 200)

    async def answer(self, incoming: IncomingCall) -> None:
        incoming.progress(180)
        self.ringing.set()
        if self.lets_ring:
            try:
                await asyncio.sleep(30)
            finally:
                self.stopped.set()
        self.calls.append(await incoming.accept(body=b"v=0\r\n", content_type=SDP))

    async def inform(self, subscriber: Subscriber) -> None:
        subscriber.accept()
        await subscriber.notify(b"here", "text/plain")


@contextlib.asynccontextmanager
async def registered(name: str, hop: Hop, settings: EndpointSettings | None = None) -> AsyncIterator[Client]:
    """A client at the core, by digest, until the block ends."""
    client = Client(name, settings or EndpointSettings(outbound=hop))
    events: asyncio.Queue[RegistrationEvent] = asyncio.Queue()
    async with client.endpoint as endpoint:
        await endpoint.listen("UDP", "127.0.0.1")
        peer = await endpoint.reach(hop)
        aor = f"sip:{name}@mc.example"
        contact = NameAddr.decode(endpoint.contact_towards(aor, peer))
        task = asyncio.create_task(
            keep_registered(
                endpoint,
                Registration("sip:mc.example", aor, contact, expires=300),
                events.put_nowait,
                hop,
                credentials=DigestClient(name, Secret(b"opensesame")),
            )
        )
        assert await soon(events.get()) == Registered(300)
        yield client
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert events.get_nowait() == Unregistered("we left", None)


def message(name: str, body: bytes = BINARY) -> Request:
    return make_request(
        "MESSAGE",
        f"sip:{name}@mc.example",
        from_="sip:server@mc.example",
        body=body,
        content_type="application/mikey",
    )


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_messages_go_through_the_core_to_who_is_registered(transport: str, tmp_path: Path) -> None:
    async with kamailio(CORE, tmp_path) as core:
        hop = Hop(transport, "127.0.0.1", core.port)
        async with registered("alice", hop) as alice, Endpoint(ok, EndpointSettings(outbound=hop)) as server:
            await server.listen("UDP", "127.0.0.1")
            # 1 kB and the headers leave UDP for TCP by themselves.
            for body in (b"small", BINARY):
                assert (await server.request(message("alice", body))).status == 200
            assert [request.body for request in alice.requests] == [b"small", BINARY]
            assert (await server.request(message("nobody"))).status == 404


async def test_a_fan_out_goes_through_the_core(tmp_path: Path) -> None:
    async with kamailio(CORE, tmp_path) as core:
        hop = Hop("TCP", "127.0.0.1", core.port)
        async with registered("alice", hop) as alice, registered("bob", hop) as bob, Endpoint(ok) as server:
            outcomes: list[Outcome] = []
            names = ["alice", "bob", "nobody"] * 100
            deliveries = (Delivery(f"sip:{name}@mc.example", BINARY, hop, name) for name in names)
            await server.fan_out(MessageTemplate.of(message("x")), deliveries, outcomes.append)
            for name, status in (("alice", 200), ("bob", 200), ("nobody", 404)):
                assert [outcome.status for outcome in outcomes if outcome.delivery.note == name] == [
                    status
                ] * 100
            assert len(alice.requests) == len(bob.requests) == 100


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_calls_stay_on_the_recorded_route(transport: str, tmp_path: Path) -> None:
    async with kamailio(CORE, tmp_path) as core:
        hop = Hop(transport, "127.0.0.1", core.port)
        async with registered("alice", hop) as alice, registered("bob", hop) as bob:
            invite = make_request(
                "INVITE",
                "sip:bob@mc.example",
                from_="sip:alice@mc.example",
                body=b"v=0\r\n",
                content_type=SDP,
            )
            call = await alice.endpoint.invite(invite)
            assert call.dialog.routes
            await until(lambda: bob.calls)
            assert (await call.reinvite(b"v=0\r\na=sendonly\r\n", SDP)).status == 200
            assert (await bob.calls[0].reinvite(b"v=0\r\na=recvonly\r\n", SDP)).status == 200
            assert bob.calls[0].dialog.routes
            await bob.calls[0].hang_up()
            await soon(call.ended.wait())


async def test_a_call_is_cancelled_through_the_core(tmp_path: Path) -> None:
    async with kamailio(CORE, tmp_path) as core:
        hop = Hop("TCP", "127.0.0.1", core.port)
        async with registered("alice", hop) as alice, registered("bob", hop) as bob:
            bob.lets_ring = True
            invite = make_request("INVITE", "sip:bob@mc.example", from_="sip:alice@mc.example")
            task = asyncio.create_task(alice.endpoint.invite(invite))
            await soon(bob.ringing.wait())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await soon(bob.stopped.wait())


async def test_subscriptions_go_through_the_core(tmp_path: Path) -> None:
    async with kamailio(CORE, tmp_path) as core:
        hop = Hop("TCP", "127.0.0.1", core.port)
        async with registered("alice", hop) as alice, registered("bob", hop):
            got: asyncio.Queue[Notification] = asyncio.Queue()
            request = make_request(
                "SUBSCRIBE",
                "sip:bob@mc.example",
                from_="sip:alice@mc.example",
                headers=[("Event", "presence")],
            )
            subscription = await alice.endpoint.subscribe(request, got.put_nowait)
            assert (await soon(got.get())).body == b"here"
            async with patience():
                await subscription.unsubscribe()
            assert subscription.ended.is_set()


async def test_an_edge_proxy_puts_itself_on_the_path(tmp_path: Path) -> None:
    registrar = Registrar()

    def register(request: Request, peer: Peer) -> Response:
        return registrar.register(request, peer, 0.0)[0]

    got: list[Request] = []

    def take(request: Request, peer: Peer) -> Response:
        got.append(request)
        return make_response(request, 200)

    async with Endpoint(register) as home:
        _, port = await home.listen("TCP", "127.0.0.1")
        async with kamailio(EDGE, tmp_path, registrar=port) as edge, Endpoint(take) as client:
            hop = Hop("TCP", "127.0.0.1", edge.port)
            peer = await client.reach(hop)
            contact = client.contact_towards("sip:alice@mc.example", peer)
            request = make_request(
                "REGISTER",
                "sip:mc.example",
                from_="sip:alice@mc.example",
                to="sip:alice@mc.example",
                headers=[("Contact", contact), ("Supported", "path")],
            )
            response = await client.request(request, hop)
            assert response.status == 200
            assert f"127.0.0.1:{edge.port}" in (response.headers.get("Path") or "")
            (binding,) = registrar.lookup("sip:alice@mc.example", 0.0)
            onward = make_request(
                "MESSAGE",
                binding.contact,
                from_="sip:server@mc.example",
                headers=binding.route(),
                body=BINARY,
                content_type="application/mikey",
            )
            assert (await home.request(onward)).status == 200
            assert got[0].body == BINARY
            assert len(got[0].vias) == 2


async def test_the_core_is_reached_by_mutual_tls(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    certificate = authority.files("core.mc.example", x509.DNSName("core.mc.example"))
    async with kamailio(CORE, tmp_path, certificate=certificate, authority=authority.file) as core:
        hop = Hop("TLS", "127.0.0.1", core.tls, "core.mc.example")
        settings = EndpointSettings(outbound=hop, client_tls=authority.client("server.mc.example"))
        async with registered("alice", hop, settings) as alice, Endpoint(ok, settings) as server:
            assert (await server.request(message("alice"))).status == 200
            assert alice.requests[0].body == BINARY
            outcomes: list[Outcome] = []
            deliveries = (Delivery("sip:alice@mc.example", BINARY, hop) for _ in range(300))
            await server.fan_out(MessageTemplate.of(message("x")), deliveries, outcomes.append)
            assert [outcome.status for outcome in outcomes] == [200] * 300
        stranger = EndpointSettings(outbound=hop, client_tls=authority.client())
        async with Endpoint(ok, stranger) as nobody:
            with pytest.raises(Unreachable):
                await nobody.request(message("alice"))
