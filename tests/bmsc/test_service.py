"""The BM-SC on real sockets: MB2-C by Diameter, MB2-U by UDP, the air by multicast on loopback."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mcsec.bmsc.config import BmscConfig, Cell, Diameter
from mcsec.bmsc.doors import Doors
from mcsec.bmsc.events import BearerActive, BearerEnded, DatagramsDropped, NotificationLost
from mcsec.bmsc.faults import Delay, Fault, FaultTable, Operation, Silence
from mcsec.bmsc.radio import Emission
from mcsec.bmsc.service import Bmsc
from mcsec.errors import InvalidValue, LocalError
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig, Timings
from mcsec.net.diameter.effects import PeerRestarted
from mcsec.net.diameter.errors import PeerLost, RequestTimeout
from mcsec.net.diameter.node import DiameterNode
from mcsec.net.radio import RadioSender
from mcsec.wire.mb2.groups import (
    MbmsBearerRequest,
    MbmsBearerResponse,
    SupportedFeatures,
    UserplaneProtocolResult,
)
from mcsec.wire.mb2.masks import BearerEvent, Feature, FecResult
from mcsec.wire.mb2.messages import APPLICATION, Gar, Gna, Gnr
from mcsec.wire.mb2.userplane import InnerPacket
from support.bmsc import OTHER_GCS, config, start, stop
from support.nodes import BMSC, GCS, MCX, OPERATOR
from support.sip_tls import TestAuthority
from support.waiting import PATIENCE, soon, until

pytestmark = pytest.mark.anyio

FAST = Timings(connect=30, capabilities=30, disconnect=1, redial=0.05, redial_most=0.2, request=30)


class Place:
    """A BM-SC and a GCS AS connected to it."""

    def __init__(
        self, bmsc: Bmsc, gcs: DiameterNode, events: list[Any], notified: list[Gnr], air: list[Emission]
    ):
        self.bmsc, self.gcs, self.events, self.notified, self.air = bmsc, gcs, events, notified, air

    async def ask(self, *bearers: MbmsBearerRequest, timeout: float = 60, **options: Any) -> Any:
        gar = Gar(
            session_id=self.gcs.new_session_id(),
            origin_host=GCS,
            origin_realm=MCX,
            destination_realm=OPERATOR,
            mbms_bearer_request=bearers,
            **options,
        )
        return await self.gcs.request(gar, timeout=timeout)

    async def bearer(self, request: MbmsBearerRequest) -> MbmsBearerResponse:
        return (await self.ask(request)).mbms_bearer_response[0]


@asynccontextmanager
async def place(*faults: Fault, **options: Any) -> AsyncIterator[Place]:
    events: list[Any] = []
    notified: list[Gnr] = []
    air: list[Emission] = []
    bmsc = Bmsc(
        config(**options),
        (Listener(address="127.0.0.1", port=0),),
        peers=(PeerConfig(host=GCS, realm=MCX, require_tls=False), PeerConfig(host=OTHER_GCS, realm=MCX)),
        on_event=events.append,
        on_diameter=events.append,
        on_air=air.append,
        faults=FaultTable(*faults),
        timings=FAST,
    )
    async with bmsc:
        peer = PeerConfig(
            host=BMSC, realm=OPERATOR, address="127.0.0.1", port=bmsc.node.ports[0], require_tls=False
        )
        node_config = NodeConfig(
            host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,), timings=FAST
        )
        gcs = DiameterNode(node_config, on_event=events.append)

        def on_gnr(gnr: Gnr) -> Gna:
            notified.append(gnr)
            return Gna(
                session_id=gnr.session_id,
                origin_host=GCS,
                origin_realm=MCX,
                result_code=2001,
                restart_counter=1,
            )

        gcs.serve(Gnr, on_gnr)
        async with gcs:
            await soon(gcs.until_open(BMSC))
            yield Place(bmsc, gcs, events, notified, air)


def join(group: str) -> socket.socket:
    """A listener on loopback, at a port of its own."""
    ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ears.bind((group, 0))
    here = struct.pack("4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex("lo"))
    ears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, here)
    ears.settimeout(PATIENCE)
    return ears


def packet(payload: bytes, port: int, group: str) -> bytes:
    return InnerPacket(ip_address("10.0.0.1"), ip_address(group), 40000, port, payload).encode()


async def test_from_mb2u_to_the_air() -> None:
    group = str(IPv4Address("239.192.0.0") + secrets.randbits(18))
    cells = (Cell(name="all", areas=frozenset({1, 2, 3})),)
    async with place(cells=cells) as here:
        bearer = await here.bearer(start(None, 1))
        payloads = [secrets.token_bytes(n) for n in (0, 1, 100, 1400)]
        with join(group) as ears, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            for payload in payloads:
                octets = packet(payload, ears.getsockname()[1], group)
                server.sendto(octets, (str(bearer.bmsc_address[0]), bearer.bmsc_port or 0))
            server.sendto(b"rubbish", (str(bearer.bmsc_address[0]), bearer.bmsc_port or 0))
            heard = [await asyncio.to_thread(ears.recv, 2000) for _ in payloads]
        assert heard == payloads
        assert [emission.broadcast.payload for emission in here.air] == payloads
        assert here.bmsc.counters["passed"] == 4
        assert here.bmsc.counters["mb2u.inner"] == 1
        assert here.bmsc.counters["radio.sent"] == 4
        assert here.bmsc.counters["radio.unsent"] == 0
        await here.bearer(stop(bearer.tmgi, bearer.mbms_flow_identifier))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.sendto(packet(b"late", 5004, group), (str(bearer.bmsc_address[0]), bearer.bmsc_port or 0))
            server.sendto(packet(b"later", 5004, group), (str(bearer.bmsc_address[0]), bearer.bmsc_port or 0))
        await until(lambda: here.bmsc.counters["mb2u.no-bearer"] == 2)
        assert len(here.air) == 4
        dropped = [event for event in here.events if isinstance(event, DatagramsDropped)]
        assert [(event.reason, event.host) for event in dropped] == [
            ("mb2u.inner", GCS),
            ("mb2u.no-bearer", ""),
        ]


async def test_the_weather_takes_its_time() -> None:
    cells = (Cell(name="far", areas=frozenset({1}), interface=None, delay=0.1, duplicate=1.0),)
    async with place(cells=cells, mb2u_addresses=(ip_address("127.0.0.1"), ip_address("::1"))) as here:
        bearer = await here.bearer(start(None, 1))
        assert len(bearer.bmsc_address) == 1
        began = asyncio.get_running_loop().time()
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
            server.sendto(packet(b"hello", 5004, "239.1.1.1"), ("::1", bearer.bmsc_port or 0))
        await until(lambda: len(here.air) == 2)
        assert asyncio.get_running_loop().time() - began >= 0.1


async def test_both_addresses_are_a_feature() -> None:
    addresses = (ip_address("127.0.0.1"), ip_address("::1"))
    async with place(mb2u_addresses=addresses) as here:
        features = (SupportedFeatures(feature_list=Feature.IPV4V6),)
        answer = await here.ask(start(None, 1), supported_features=features)
        assert answer.mbms_bearer_response[0].bmsc_address == addresses


async def test_notifications() -> None:
    async with place(activation=0.05, tmgi_lifetime=1) as here:
        bearer = await here.bearer(start(None, 1))
        await until(lambda: here.notified)
        (event,) = here.notified[0].mbms_bearer_event_notification
        assert event.mbms_bearer_event == BearerEvent.ACTIVATED
        assert bearer.tmgi is not None
        assert bearer.mbms_flow_identifier is not None
        key = (bearer.tmgi, bearer.mbms_flow_identifier)
        here.bmsc.user_plane_event(key, UserplaneProtocolResult(fec_result=FecResult.TRYING))
        here.bmsc.end(key)
        await until(lambda: len(here.notified) == 4)
        assert here.notified[3].tmgi_expiry is not None
        assert here.notified[3].destination_host == GCS
        assert {gnr.restart_counter for gnr in here.notified} == {here.bmsc.engine.restart_counter}
        assert [type(event) for event in here.events if isinstance(event, BearerActive | BearerEnded)] == [
            BearerActive,
            BearerEnded,
        ]


async def test_a_notification_that_nobody_takes_is_told() -> None:
    async with place() as here:
        bearer = await here.bearer(start(None, 1))
        await here.gcs.stop()
        assert bearer.tmgi is not None
        assert bearer.mbms_flow_identifier is not None
        here.bmsc.end((bearer.tmgi, bearer.mbms_flow_identifier))
        await until(lambda: any(isinstance(event, NotificationLost) for event in here.events))


async def test_late_and_missing_answers() -> None:
    async with place(Fault(Operation.HEARTBEAT, Delay(0.1)), Fault(Operation.HEARTBEAT, Silence())) as here:
        began = asyncio.get_running_loop().time()
        assert (await here.ask()).result_code == 2001
        assert asyncio.get_running_loop().time() - began >= 0.1
        with pytest.raises(RequestTimeout):
            await here.ask(timeout=0.1)
        assert (await here.ask()).result_code == 2001


@pytest.mark.parametrize("abruptly", [False, True])
@pytest.mark.parametrize("keep_state", [False, True])
async def test_restart(tmp_path: Path, keep_state: bool, abruptly: bool) -> None:
    async with place(state=tmp_path / "bmsc.json") as here:
        bearer = await here.bearer(start(None, 1))
        before = (await here.ask()).restart_counter
        waiting = None
        if abruptly:
            here.bmsc.faults.add(Fault(Operation.HEARTBEAT, Delay(60)))
            waiting = asyncio.create_task(here.ask(timeout=60))
            await asyncio.sleep(0.02)
        await here.bmsc.restart(keep_state=keep_state, abruptly=abruptly)
        if waiting is not None:
            with pytest.raises(PeerLost):
                await waiting
        await soon(here.gcs.until_open(BMSC))
        answer = await here.ask(stop(bearer.tmgi, bearer.mbms_flow_identifier))
        (response,) = answer.mbms_bearer_response
        assert (response.mbms_bearer_result is None) is keep_state
        assert (answer.restart_counter == before) is keep_state
        restarts = [event for event in here.events if isinstance(event, PeerRestarted)]
        assert (len(restarts) == 0) is keep_state


async def test_as_a_file_says(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    certificate, key = authority.files(BMSC, x509.DNSName(BMSC))
    diameter = Diameter(
        listen=("127.0.0.1:0", "[::1]:0"),
        certificate=Path(certificate.name),
        key=Path(key.name),
        authorities=Path(authority.file.name),
    )
    async with Bmsc.configured(config(diameter=diameter, state=Path("state.json")), tmp_path) as bmsc:
        assert bmsc.engine.restart_counter == 1
        peer = PeerConfig(
            host=BMSC, realm=OPERATOR, address="::1", port=bmsc.node.ports[1], tls=authority.client(GCS)
        )
        node_config = NodeConfig(
            host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,), timings=FAST
        )
        async with DiameterNode(node_config) as gcs:
            await soon(gcs.until_open(BMSC))
    assert (tmp_path / "state.json").exists()
    with pytest.raises(LocalError):
        Bmsc.configured(config(), tmp_path)
    with pytest.raises(LocalError, match="no address and port"):
        Bmsc.configured(config(diameter=Diameter(plain=True, listen=("localhost",))), tmp_path)


async def test_two_families_at_one_port() -> None:
    doors = Doors((ip_address("127.0.0.1"), ip_address("::1")), 0, 5)
    try:
        assert len(set(doors.ports)) == 5
        with pytest.raises(LocalError, match="MB2-U port"):
            Doors((ip_address("127.0.0.1"),), doors.ports[0], 1)
    finally:
        doors.close()
        doors.close()


async def test_what_cannot_be_had_leaves_nothing_behind() -> None:
    listener = (Listener(address="127.0.0.1", port=0),)
    bad = replace(config(), cells=(Cell(name="x", areas=frozenset({1}), interface="nosuch0"),))
    with pytest.raises(LocalError, match="nosuch0"):
        await Bmsc(bad, listener).__aenter__()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(LocalError, match="MB2-U port"):
            await Bmsc(replace(config(), mb2u_port=taken.getsockname()[1]), listener).__aenter__()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        busy = (Listener(address="127.0.0.1", port=taken.getsockname()[1]),)
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await Bmsc(config(), busy).__aenter__()
    assert isinstance(bad, BmscConfig)


def test_the_radio_sends_to_groups_only() -> None:
    with RadioSender() as sender:
        with pytest.raises(InvalidValue):
            sender.send(ip_address("127.0.0.1"), 5004, b"")
        sender.send(ip_address("239.1.1.1"), 5004, bytes(70_000))
        assert (sender.sent, sender.dropped) == (0, 1)
    with pytest.raises(InvalidValue):
        RadioSender("lo", 256)
