"""SIPp as client and as server: REGISTER with digest, PUBLISH, MESSAGE with binary bodies, calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.net.sip.auth import DigestClient, DigestServer, Unauthorized
from mcsec.net.sip.calls import Call
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.registering import keep_registered
from mcsec.net.sip.registrar import Registrar
from mcsec.net.sip.registration import Registered, Registration, RegistrationEvent
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.template import MessageTemplate
from mcsec.net.sip.values import NameAddr
from support.sipp import sipp_client, sipp_server
from support.waiting import soon

pytestmark = [pytest.mark.anyio, pytest.mark.peer("sipp")]
TRANSPORTS = pytest.mark.parametrize("transport", ["UDP", "TCP"])
#: Every octet there is, blanks at the end, and a line end that must stay.
BINARY = bytes(range(256)) + b"\r\n--x\r\n \t\r\n"
SDP = "application/sdp"


def ok(request: Request, peer: Peer) -> Response:
    return make_response(request, 200)


@TRANSPORTS
async def test_sipp_registers_with_digest(transport: str, tmp_path: Path) -> None:
    registrar = Registrar()
    password = Secret(b"opensesame")
    digest = DigestServer("mc.example", lambda user, algorithm: user_hash(user, "mc.example", password, algorithm),
                          algorithms=("MD5",))  # fmt: skip

    def handler(request: Request, peer: Peer) -> Response:
        try:
            assert digest.verify(request, 1.0) == "alice"
        except Unauthorized as refused:
            return digest.challenge(request, 1.0, stale=refused.stale)
        return registrar.register(request, peer, 1.0)[0]

    async with Endpoint(handler) as endpoint:
        _, port = await endpoint.listen(transport, "127.0.0.1")
        # SIPp would write its own idea of the URI into the credentials, which a server must refuse.
        await sipp_client("register_uac", transport, port, tmp_path, "-auth_uri", "mc.example")
        (binding,) = registrar.lookup("sip:alice@mc.example", 1.0)
        assert binding.expires_at == 601.0


@TRANSPORTS
@pytest.mark.parametrize(
    ("method", "event", "content_type"),
    [("MESSAGE", None, "application/mikey"), ("PUBLISH", "poc-settings", "multipart/mixed;boundary=x")],
)
async def test_sipp_sends_binary_bodies(
    transport: str, method: str, event: str | None, content_type: str, tmp_path: Path
) -> None:
    got: list[Request] = []

    def handler(request: Request, peer: Peer) -> Response:
        got.append(request)
        return make_response(request, 200)

    (tmp_path / "body.bin").write_bytes(BINARY)
    async with Endpoint(handler) as endpoint:
        _, port = await endpoint.listen(transport, "127.0.0.1")
        await sipp_client(f"{method.lower()}_uac", transport, port, tmp_path, calls=20)
        assert len(got) == 20
        for request in got:
            assert (request.method, request.body) == (method, BINARY)
            assert (request.headers.get("Event"), request.headers.get("Content-Type")) == (
                event,
                content_type,
            )


@TRANSPORTS
async def test_sipp_calls_reinvites_and_hangs_up(transport: str, tmp_path: Path) -> None:
    calls: list[Call] = []

    async def handler(incoming: IncomingCall) -> None:
        incoming.progress(180)
        calls.append(await incoming.accept(body=b"v=0\r\n", content_type=SDP))

    async with Endpoint(ok, on_invite=handler) as endpoint:
        _, port = await endpoint.listen(transport, "127.0.0.1")
        await sipp_client("invite_uac", transport, port, tmp_path, calls=10)
        for call in calls:
            await soon(call.ended.wait())
        assert [call.reason for call in calls] == ["they hung up"] * 10
        assert all(b"a=sendonly" in call.remote_body for call in calls)


@TRANSPORTS
async def test_sipp_cancels(transport: str, tmp_path: Path) -> None:
    cancelled = 0

    async def handler(incoming: IncomingCall) -> None:
        nonlocal cancelled
        incoming.progress(180)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    async with Endpoint(ok, on_invite=handler) as endpoint:
        _, port = await endpoint.listen(transport, "127.0.0.1")
        await sipp_client("invite_cancel_uac", transport, port, tmp_path, calls=3)
        assert cancelled == 3


def message(number: int) -> Request:
    return make_request(
        "MESSAGE",
        f"sip:user{number}@mc.example",
        from_="sip:server@mc.example",
        body=BINARY,
        content_type="application/mikey",
    )


@TRANSPORTS
async def test_sipp_answers_messages(transport: str, tmp_path: Path) -> None:
    async with sipp_server("message_uas", transport, tmp_path, calls=50) as port, Endpoint(ok) as endpoint:
        await endpoint.listen("UDP", "127.0.0.1")
        hop = Hop(transport, "127.0.0.1", port)
        responses = await asyncio.gather(*(endpoint.request(message(number), hop) for number in range(50)))
        assert [response.status for response in responses] == [200] * 50


@TRANSPORTS
async def test_sipp_answers_a_fan_out(transport: str, tmp_path: Path) -> None:
    async with sipp_server("message_uas", transport, tmp_path, calls=500) as port, Endpoint(ok) as endpoint:
        await endpoint.listen("UDP", "127.0.0.1")
        hop = Hop(transport, "127.0.0.1", port)
        outcomes: list[Outcome] = []
        deliveries = (Delivery(f"sip:user{number}@mc.example", BINARY, hop) for number in range(500))
        await endpoint.fan_out(MessageTemplate.of(message(0)), deliveries, outcomes.append)
        assert [outcome.status for outcome in outcomes] == [200] * 500


async def test_sipp_hears_a_retransmission(tmp_path: Path) -> None:
    async with (
        sipp_server("message_twice_uas", "UDP", tmp_path, "-nr", "-rtcheck", "loose") as port,
        Endpoint(ok) as endpoint,
    ):
        await endpoint.listen("UDP", "127.0.0.1")
        assert (await endpoint.request(message(1), Hop("UDP", "127.0.0.1", port))).status == 200
        assert endpoint.counters.retransmissions_sent == 1


@TRANSPORTS
async def test_sipp_is_called(transport: str, tmp_path: Path) -> None:
    heard: list[int] = []
    async with sipp_server("invite_uas", transport, tmp_path, calls=5) as port, Endpoint(ok) as endpoint:
        await endpoint.listen("UDP", "127.0.0.1")
        for _ in range(5):
            invite = make_request(
                "INVITE",
                "sip:bob@mc.example",
                from_="sip:alice@mc.example",
                body=b"v=0\r\n",
                content_type=SDP,
            )
            hop = Hop(transport, "127.0.0.1", port)
            call = await endpoint.invite(
                invite, hop, on_provisional=lambda response: heard.append(response.status)
            )
            assert b"m=audio 40002" in call.remote_body
            await asyncio.sleep(0.02)
            await call.hang_up()
        assert heard == [180] * 5


@TRANSPORTS
async def test_sipp_checks_our_credentials(transport: str, tmp_path: Path) -> None:
    events: asyncio.Queue[RegistrationEvent] = asyncio.Queue()
    settings = EndpointSettings()
    async with sipp_server("register_uas", transport, tmp_path) as port, Endpoint(ok, settings) as endpoint:
        await endpoint.listen("UDP", "127.0.0.1")
        registration = Registration(
            "sip:mc.example", "sip:alice@mc.example", NameAddr("sip:alice@127.0.0.1:5070")
        )
        task = asyncio.create_task(
            keep_registered(
                endpoint,
                registration,
                events.put_nowait,
                Hop(transport, "127.0.0.1", port),
                credentials=DigestClient("alice", Secret(b"opensesame")),
            )
        )
        assert await soon(events.get()) == Registered(600)
        task.cancel()
        # The registrar is gone after one call: leaving is tried, and given up with the endpoint.
        await endpoint.close(0.0)
        await asyncio.gather(task, return_exceptions=True)
