"""The node on real sockets: IPv4, IPv6, TLS and, where the kernel has it, SCTP."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mcsec.errors import InvalidValue, LocalError
from mcsec.net.diameter.config import Limits, Listener, NodeConfig, PeerConfig, Timings, Transport
from mcsec.net.diameter.effects import ConnectionRefused, DialFailed, Event, PeerDown
from mcsec.net.diameter.errors import PeerLost, RequestRefused, RequestTimeout, Unreachable
from mcsec.net.diameter.node import DiameterNode
from mcsec.net.diameter.transport import TransportUnavailable, open_socket
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.mb2.messages import APPLICATION, Gar, Gna, Gnr
from support.nodes import BMSC, GCS, MCX, OPERATOR, answer_to, gar, gnr
from support.sip_tls import TestAuthority
from support.waiting import soon, until

pytestmark = pytest.mark.anyio

FAST = Timings(
    connect=30, capabilities=30, disconnect=1, redial=0.05, redial_most=0.2, request=30, watchdog=6
)


def _has(transport: Transport) -> bool:
    try:
        open_socket(transport, socket.AF_INET).close()
    except TransportUnavailable:
        return False
    return True


@dataclass
class Two:
    """A GCS AS that dials a BM-SC, and what happened to them."""

    gcs: DiameterNode
    bmsc: DiameterNode
    events: list[Event] = field(default_factory=list)


@asynccontextmanager
async def two(
    address: str = "127.0.0.1",
    *,
    transport: Transport = Transport.TCP,
    server: ssl.SSLContext | None = None,
    client: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    wait: bool = True,
) -> AsyncIterator[Two]:
    events: list[Event] = []
    secure = server is not None
    common: dict[str, Any] = {"applications": (APPLICATION,), "timings": FAST, "limits": limits or Limits()}
    bmsc = DiameterNode(
        NodeConfig(
            host=BMSC,
            realm=OPERATOR,
            peers=(PeerConfig(host=GCS, realm=MCX, require_tls=secure),),
            listeners=(Listener(address=address, port=0, transport=transport, tls=server),),
            **common,
        ),
        on_event=events.append,
    )
    bmsc.serve(Gar, lambda request: answer_to(request, BMSC, OPERATOR))
    async with bmsc:
        dialled = PeerConfig(
            host=BMSC,
            realm=OPERATOR,
            address=address,
            port=bmsc.ports[0],
            transport=transport,
            tls=client,
            require_tls=secure,
        )
        gcs = DiameterNode(
            NodeConfig(host=GCS, realm=MCX, peers=(dialled,), **common), on_event=events.append
        )
        gcs.serve(Gnr, lambda request: answer_to(request, GCS, MCX))
        async with gcs:
            if wait:
                await soon(gcs.until_open(BMSC))
            yield Two(gcs, bmsc, events)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", [transport for transport in Transport if _has(transport)])
async def test_both_ways(address: str, transport: Transport) -> None:
    """python-diameter has IPv4 only, and no TLS (defect 9)."""
    async with two(address, transport=transport) as pair:
        answer = await pair.gcs.request(gar())
        assert answer == answer_to(gar(), BMSC, OPERATOR)
        notified = await pair.bmsc.request(gnr())
        assert isinstance(notified, Gna)
        assert pair.gcs.peers == {BMSC: "i-open"}
        assert pair.bmsc.peers == {GCS: "r-open"}
        await pair.gcs.until_open(BMSC)


def test_a_transport_that_the_kernel_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(TransportUnavailable, match="no sctp sockets: Protocol not supported"):
        open_socket(Transport.SCTP, socket.AF_INET)


async def test_mutual_tls(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    server, client = authority.server(BMSC, ask=True), authority.client(GCS)
    async with two(server=server, client=client) as pair:
        assert (await pair.gcs.request(gar())).result_code == 2001
    assert not any(isinstance(event, ConnectionRefused) for event in pair.events)


async def test_tls_checks_names_on_both_sides(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    right, wrong = authority.server(BMSC, ask=True), authority.server("other.example", ask=True)
    async with two(server=wrong, client=authority.client(GCS), wait=False) as pair:
        await until(lambda: any(isinstance(event, DialFailed) for event in pair.events))
        (reason, *_) = [event.reason for event in pair.events if isinstance(event, DialFailed)]
        assert "certificate" in reason
        with pytest.raises(Unreachable):
            await pair.gcs.request(gar())
    for client in (authority.client(), authority.client("impostor.example")):
        async with two(server=right, client=client, wait=False) as pair:
            await until(lambda: any(isinstance(event, ConnectionRefused) for event in pair.events))
            (reason, *_) = [event.reason for event in pair.events if isinstance(event, ConnectionRefused)]
            assert reason == "its certificate does not carry its name"


async def test_handlers_may_take_their_time() -> None:
    async with two() as pair:

        async def slow(request: Gar) -> Any:
            await asyncio.sleep(0.02)
            return answer_to(request, BMSC, OPERATOR)

        pair.bmsc.serve(Gar, slow)
        answers = await asyncio.gather(*(pair.gcs.request(gar(n)) for n in range(20)))
        assert [answer.session_id for answer in answers] == [f"{GCS};1;{n}" for n in range(20)]


async def test_more_requests_than_may_be_in_flight_wait() -> None:
    async with two(limits=Limits(in_flight=3)) as pair:
        most = now = 0

        async def count(request: Gar) -> Any:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.005)
            now -= 1
            return answer_to(request, BMSC, OPERATOR)

        pair.bmsc.serve(Gar, count)
        await asyncio.gather(*(pair.gcs.request(gar(n)) for n in range(10)))
        assert most == 3


async def test_a_handler_that_fails_is_answered_and_reported() -> None:
    async with two() as pair:
        reports: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

        async def late(request: Gar) -> Any:
            raise KeyError(request.session_id)

        def wrong(request: Gar) -> Any:
            return replace(answer_to(request, BMSC, OPERATOR), result_code=-1)

        for handler in (lambda _: 1 / 0, late, wrong):
            pair.bmsc.serve(Gar, handler)
            with pytest.raises(RequestRefused) as caught:
                await pair.gcs.request(gar())
            assert caught.value.result_code == ResultCode.UNABLE_TO_COMPLY
        assert [type(report["exception"]) for report in reports] == [
            ZeroDivisionError,
            KeyError,
            InvalidValue,
        ]
        assert pair.gcs.peers == {BMSC: "i-open"}


async def test_without_handler_the_node_cannot_comply() -> None:
    async with two() as pair:
        del pair.bmsc._handlers[Gar]
        with pytest.raises(RequestRefused):
            await pair.gcs.request(gar())


async def test_loss_fails_the_waiting_at_once_and_the_peer_is_back_soon() -> None:
    async with two() as pair:
        never = asyncio.get_running_loop().create_future()
        asked: list[Gar] = []

        def ask(request: Gar) -> Any:
            asked.append(request)
            return never

        pair.bmsc.serve(Gar, ask)
        waiting = asyncio.create_task(pair.gcs.request(gar(), timeout=600))
        await until(lambda: asked)
        for line in list(pair.bmsc._lines.values()):
            line.transport.abort()
        with pytest.raises(PeerLost):
            await soon(waiting)
        pair.bmsc.serve(Gar, lambda request: answer_to(request, BMSC, OPERATOR))
        await soon(pair.gcs.until_open(BMSC))
        await pair.gcs.request(gar())
        assert any(isinstance(event, PeerDown) for event in pair.events)
        never.cancel()


async def test_time_out_and_cancellation() -> None:
    async with two() as pair:
        never = asyncio.get_running_loop().create_future()
        pair.bmsc.serve(Gar, lambda _: never)
        with pytest.raises(RequestTimeout):
            await pair.gcs.request(gar(), timeout=0.05)
        waiting = asyncio.create_task(pair.gcs.request(gar(), timeout=60))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert pair.gcs._engine.requests._pending == {}
        assert pair.gcs._waiting == {}
        never.cancel()


async def test_what_cannot_be_written_is_ours() -> None:
    async with two() as pair:
        with pytest.raises(InvalidValue):
            await pair.gcs.request(gar(restart_counter=-1))
        with pytest.raises(LocalError):
            await pair.gcs.request(None)  # type: ignore[arg-type]  # the point of the test
        assert (await pair.gcs.request(gar())).result_code == 2001


async def test_a_peer_that_does_not_read_is_closed() -> None:
    async with two(limits=Limits(unsent=1 << 16, in_flight=400)) as pair:
        (line,) = pair.gcs._lines.values()
        line.transport.pause_reading()
        big = gnr(session_id="x" * 40_000)
        requests = [asyncio.create_task(pair.bmsc.request(big, timeout=60)) for _ in range(400)]
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert all(isinstance(result, PeerLost | Unreachable) for result in results)
        assert PeerDown(GCS, "it does not read what it is sent") in pair.events


async def test_nobody_there_and_nothing_left_behind() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=port, require_tls=False)
        events: list[Event] = []
        config = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,), timings=FAST)
        async with DiameterNode(config, on_event=events.append):
            await until(lambda: len(events) >= 3)
        assert all(isinstance(event, DialFailed) for event in events)
        taken.listen()
        listeners = (Listener(address="127.0.0.1", port=0), Listener(address="127.0.0.1", port=port))
        with pytest.raises(OSError, match="in use"):
            await DiameterNode(replace(config, listeners=listeners)).start()


async def test_session_ids_differ() -> None:
    config = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,))
    node = DiameterNode(config, origin_state_id=7)
    assert [node.new_session_id() for _ in range(2)] == [f"{GCS};7;0", f"{GCS};7;1"]


async def test_ports_stay_known_when_a_node_is_gone() -> None:
    """Whoever starts it again, as after a crash, listens where it was."""
    async with two() as both:
        before = both.bmsc.ports
        await both.bmsc.abort()
        assert both.bmsc.ports == before
        assert before[0] > 0
