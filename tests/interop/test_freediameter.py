"""freeDiameter's daemon as the other side, with an extension of ours that teaches it MB2-C."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mcsec.ids import Tmgi
from mcsec.lab.ports import free_port
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig, Timings
from mcsec.net.diameter.effects import PeerDown
from mcsec.net.diameter.errors import PeerLost, RequestRefused
from mcsec.net.diameter.node import DiameterNode
from mcsec.wire.diameter.avp import Avp
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.mb2.masks import BearerEvent
from mcsec.wire.mb2.messages import APPLICATION, Gaa, Gar, Gna, Gnr
from mcsec.wire.mb2.values import FlowId, ServiceArea, SessionDuration
from support.mb2 import GAA, GAR
from support.nodes import BMSC, GCS, MCX, OPERATOR, gar
from support.processes import halt
from support.sip_tls import TestAuthority
from support.waiting import patience, soon, until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("freeDiameterd", "gcc")]

FAST = Timings(
    connect=30, capabilities=30, disconnect=3, redial=0.2, redial_most=1, watchdog=1.5, watchdog_jitter=0.1
)
SOURCE = Path(__file__).parent / "freediameter_mb2" / "mb2.c"
EXTENSIONS = Path("/usr/lib/freeDiameter")


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("freediameter") / "mb2.fdx"
    command = [
        "gcc",
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-shared",
        "-o",
        str(built),
        str(SOURCE),
    ]
    subprocess.run(command, check=True, timeout=60)
    return built


class Daemon:
    """A running freeDiameterd."""

    def __init__(
        self,
        directory: Path,
        process: subprocess.Popen[bytes],
        port: int,
        tls_port: int,
        authority: TestAuthority,
    ) -> None:
        self.port, self.tls_port, self.process, self.authority = port, tls_port, process, authority
        self._file = directory / "messages"

    @property
    def messages(self) -> list[str]:
        """What it received: command, path of AVP codes, value."""
        return self._file.read_text().splitlines() if self._file.exists() else []

    async def once(self, line: str) -> list[str]:
        """Its messages, once ``line`` is among them."""
        await until(lambda: line in self.messages)
        return self.messages


@asynccontextmanager
async def daemon(
    directory: Path,
    extension: Path | None,
    role: str,
    host: str,
    realm: str,
    other: str,
    *,
    dial: int = 0,
    tls: bool = False,
) -> AsyncIterator[Daemon]:
    """It listens, and with ``dial`` calls ``other`` at that port."""
    authority = TestAuthority(directory)
    certificate, key = authority.files(host, x509.DNSName(host))
    port, tls_port = free_port(), free_port()
    allowed = directory / "allowed.conf"
    allowed.write_text(f"{'' if tls else 'ALLOW_IPSEC '}{other}\n")
    lines = [
        f'Identity = "{host}";',
        f'Realm = "{realm}";',
        f"Port = {port};",
        f"SecPort = {tls_port};",
        "No_SCTP;",
        "No_IPv6;",
        'ListenOn = "127.0.0.1";',
        "TcTimer = 30;",
        "TwTimer = 6;",
        "NoRelay;",
        f'TLS_Cred = "{certificate}", "{key}";',
        f'TLS_CA = "{authority.file}";',
        f'LoadExtension = "{EXTENSIONS}/acl_wl.fdx" : "{allowed}";',
    ]
    if extension is not None:
        lines.append(f'LoadExtension = "{extension}" : "{role}:{directory}/messages";')
    if dial:
        lines.append(f'ConnectPeer = "{other}" {{ No_TLS; ConnectTo = "127.0.0.1"; Port = {dial}; }};')
    config = directory / "freediameter.conf"
    config.write_text("\n".join(lines) + "\n")
    log = (directory / "log").open("wb")
    process = subprocess.Popen(
        ["freeDiameterd", "-c", str(config)], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    try:
        await _listening(process, port, directory / "log")
        yield Daemon(directory, process, port, tls_port, authority)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, 30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        log.close()


async def _listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    async with patience():
        while True:
            assert process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


def our_node(host: str, realm: str, peer: PeerConfig, events: list[Any], **options: Any) -> DiameterNode:
    config = NodeConfig(
        host=host, realm=realm, applications=(APPLICATION,), peers=(peer,), timings=FAST, **options
    )
    return DiameterNode(config, on_event=events.append)


def request() -> Gar:
    return gar(
        tmgi_allocation_request=GAR.tmgi_allocation_request,
        mbms_bearer_request=GAR.mbms_bearer_request,
        supported_features=GAR.supported_features,
        restart_counter=3,
    )


async def test_it_answers_as_bmsc_and_notifies(tmp_path: Path, extension: Path) -> None:
    events: list[Any] = []
    notified: list[Gnr] = []

    def on_gnr(message: Gnr) -> Gna:
        notified.append(message)
        return Gna(
            session_id=message.session_id,
            origin_host=GCS,
            origin_realm=MCX,
            result_code=2001,
            restart_counter=3,
        )

    async with daemon(tmp_path, extension, "bmsc", BMSC, OPERATOR, GCS) as bmsc:
        peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=bmsc.port, require_tls=False)
        async with our_node(GCS, MCX, peer, events) as node:
            node.serve(Gnr, on_gnr)
            await soon(node.until_open(BMSC))
            answer = await node.request(request())
            assert answer.tmgi_allocation_response is not None
            assert answer.tmgi_allocation_response.tmgi == (Tmgi(0xB00001, "001", "01"),)
            (bearer,) = answer.mbms_bearer_response
            assert (bearer.mbms_flow_identifier, bearer.bmsc_port) == (FlowId(1), 9470)
            assert bearer.mbms_session_duration == SessionDuration.of(3600)
            assert answer.restart_counter == 42
            messages = await bmsc.once("GNA end")
            # Two watchdog intervals: it answers ours.
            sent = node.counters["sent.request"]
            await until(lambda: node.counters["sent.request"] >= sent + 2)
            assert node.peers == {BMSC: "i-open"}
        assert not any(isinstance(event, PeerDown) and "watchdog" in event.reason for event in events)
    (notification,) = notified
    (event,) = notification.mbms_bearer_event_notification
    assert event.mbms_bearer_event == BearerEvent.ACTIVATED
    assert notification.destination_host == GCS
    assert {
        "GAR 628.629 1",
        "GAR 628.630 1",
        "GAR 3509.3516 2",
        "GAR 3509.900 123456130014",
        "GAR 3504.902 0",
        "GAR 3504.1016.1028 65",
        "GAR 3504.1016.515 256000",
        "GAR 3504.1016.1025 128000",
        "GAR 3504.1016.1034.1046 2",
        "GAR 3504.1016.1034.1047 0",
        "GAR 3504.1016.1034.1048 1",
        "GAR 3504.903 0200010002012c",
        "GAR 3504.3507 eeaee328",
        "GAR 3504.934 000000f11000abcde1",
        "GAR 932 3",
        "GNA 268 2001",
        "GNA 932 3",
    } <= set(messages)
    assert not [line for line in messages if line.endswith("unknown")]


async def test_it_asks_as_gcs_as_over_a_connection_that_it_dialled(tmp_path: Path, extension: Path) -> None:
    events: list[Any] = []
    served: list[Gar] = []

    def on_gar(message: Gar) -> Gaa:
        served.append(message)
        return Gaa(
            session_id=message.session_id,
            origin_host=BMSC,
            origin_realm=OPERATOR,
            result_code=2001,
            tmgi_allocation_response=GAA.tmgi_allocation_response,
            mbms_bearer_response=GAA.mbms_bearer_response,
            restart_counter=42,
        )

    peer = PeerConfig(host=GCS, realm=MCX, require_tls=False)
    async with our_node(
        BMSC, OPERATOR, peer, events, listeners=(Listener(address="127.0.0.1", port=0),)
    ) as node:
        node.serve(Gar, on_gar)
        async with daemon(tmp_path, extension, "gcs", GCS, MCX, BMSC, dial=node.ports[0]) as gcs:
            messages = await gcs.once("GAA end")
            notification = Gnr(
                session_id=node.new_session_id(),
                origin_host=BMSC,
                origin_realm=OPERATOR,
                destination_realm=MCX,
                destination_host=GCS,
                restart_counter=42,
            )
            answer = await node.request(notification)
            assert answer.restart_counter == 3
            assert "GNR 932 42" in gcs.messages
        # It says good-bye when it is stopped, and we answer.
        assert [event.reason for event in events if isinstance(event, PeerDown)] == [
            "it said good-bye: rebooting"
        ]
    (message,) = served
    assert message.tmgi_allocation_request is not None
    assert message.tmgi_allocation_request.tmgi_number == 2
    (bearer,) = message.mbms_bearer_request
    assert bearer.mbms_service_area == ServiceArea((1, 2, 300))
    assert bearer.qos_information is not None
    assert bearer.qos_information.allocation_retention_priority is not None
    assert bearer.qos_information.allocation_retention_priority.priority_level == 2
    assert {
        "GAA 268 2001",
        "GAA 3510.904 070800",
        "GAA 3505.920 0001",
        "GAA 3505.3500 00017f000001",
        "GAA 3505.3501 9470",
        "GAA 932 42",
    } <= set(messages)


async def test_mutual_tls(tmp_path: Path, extension: Path) -> None:
    async with daemon(tmp_path, extension, "bmsc", BMSC, OPERATOR, GCS, tls=True) as bmsc:
        client = bmsc.authority.client(GCS)
        peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=bmsc.tls_port, tls=client)
        async with our_node(GCS, MCX, peer, []) as node:
            await soon(node.until_open(BMSC))
            assert (await node.request(request())).result_code == 2001


async def test_without_the_extension_there_is_nothing_to_talk_about(tmp_path: Path) -> None:
    events: list[Any] = []
    async with daemon(tmp_path, None, "", BMSC, OPERATOR, GCS) as plain:
        peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=plain.port, require_tls=False)
        async with our_node(GCS, MCX, peer, events):
            await until(lambda: events)
    assert str(ResultCode.NO_COMMON_APPLICATION) in events[0].reason


async def test_what_it_does_not_know_it_refuses_and_we_understand(tmp_path: Path, extension: Path) -> None:
    async with daemon(tmp_path, extension, "bmsc", BMSC, OPERATOR, GCS) as bmsc:
        peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=bmsc.port, require_tls=False)
        async with our_node(GCS, MCX, peer, []) as node:
            await soon(node.until_open(BMSC))
            with pytest.raises(RequestRefused) as caught:
                await node.request(gar(other=(Avp(4_000_000, b"?", 10415),)))
            assert caught.value.result_code == ResultCode.AVP_UNSUPPORTED
            await halt(bmsc.process.pid)
            waiting = asyncio.create_task(node.request(gar(), timeout=60))
            with pytest.raises(PeerLost):
                await soon(waiting)
            os.kill(bmsc.process.pid, signal.SIGCONT)


@pytest.mark.slow
async def test_its_watchdog_is_answered(tmp_path: Path, extension: Path) -> None:
    async with daemon(tmp_path, extension, "bmsc", BMSC, OPERATOR, GCS) as bmsc:
        peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=bmsc.port, require_tls=False)
        config = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,))
        async with DiameterNode(config) as node:
            await soon(node.until_open(BMSC))
            await asyncio.sleep(18)  # its interval is 6 s, and it gives up after two without an answer
            assert node.counters["received.request"] >= 2
            assert node.peers == {BMSC: "i-open"}
