"""MB2 measured: GAR/GAA between two processes, and what one packet on a bearer costs, whoever listens.

The path of a packet is that of the product, on one core and over two UDP sockets on loopback: protected, encapsulated,
sent; received, checked and re-sent by the BM-SC's user plane; received and unprotected by a client.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address
from multiprocessing.connection import Connection
from typing import Any

from mcsec.bmsc.bearer import Bearer, State
from mcsec.bmsc.config import BmscConfig
from mcsec.bmsc.userplane import UserPlane
from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.errors import LocalError
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.key import DEFAULT, Maker, make
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import SenderKeys
from mcsec.keys.rotation import Rotation
from mcsec.lab.bench.timing import per_call
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig
from mcsec.net.diameter.node import DiameterNode
from mcsec.server.indexes import MemoryIndexes
from mcsec.server.signalling import OnBearer, Signalling
from mcsec.wire.mb2.groups import (
    AllocationRetentionPriority,
    MbmsBearerRequest,
    MbmsBearerResponse,
    QosInformation,
    StartStop,
    TmgiAllocationRequest,
    TmgiAllocationResponse,
)
from mcsec.wire.mb2.messages import APPLICATION, Gaa, Gar
from mcsec.wire.mb2.userplane import InnerPacket
from mcsec.wire.mb2.values import FlowId, ServiceArea, SessionDuration
from mcsec.wire.rtcp.floor import FloorIdle

GCS, BMSC, MCX, OPERATOR = "gcs.mcx.example", "bmsc.operator.example", "mcx.example", "operator.example"
#: Requests without an answer at a time.
IN_FLIGHT = 32
FEW, MANY = 10, 100_000
PLACE = (IPv4Address("239.255.77.2"), 42002)
TMGIS = (Tmgi(1, "001", "01"), Tmgi(2, "001", "01"))

GAR = Gar(
    session_id="",
    origin_host=GCS,
    origin_realm=MCX,
    destination_realm=OPERATOR,
    tmgi_allocation_request=TmgiAllocationRequest(tmgi_number=2, tmgi=TMGIS[:1]),
    mbms_bearer_request=(
        MbmsBearerRequest(
            mbms_startstop_indication=StartStop.START,
            tmgi=TMGIS[0],
            qos_information=QosInformation(
                qos_class_identifier=65,
                max_requested_bandwidth_dl=256_000,
                guaranteed_bitrate_dl=128_000,
                allocation_retention_priority=AllocationRetentionPriority(priority_level=2),
            ),
            mbms_service_area=ServiceArea((1, 2, 300)),
            mbms_start_time=1_795_450_024,
        ),
    ),
    restart_counter=3,
)
GAA = Gaa(
    session_id="",
    origin_host=BMSC,
    origin_realm=OPERATOR,
    result_code=2001,
    tmgi_allocation_response=TmgiAllocationResponse(
        tmgi=TMGIS, mbms_session_duration=SessionDuration.of(3600)
    ),
    mbms_bearer_response=(
        MbmsBearerResponse(
            tmgi=TMGIS[0],
            mbms_flow_identifier=FlowId(1),
            bmsc_address=(IPv4Address("127.0.0.1"),),
            bmsc_port=9470,
        ),
    ),
    restart_counter=42,
)


async def _serve(pipe: Connection) -> None:
    peer = PeerConfig(host=GCS, realm=MCX, require_tls=False)
    listener = Listener(address="127.0.0.1", port=0)
    config = NodeConfig(
        host=BMSC, realm=OPERATOR, applications=(APPLICATION,), peers=(peer,), listeners=(listener,)
    )
    async with DiameterNode(config) as node:
        node.serve(Gar, lambda gar: replace(GAA, session_id=gar.session_id))
        pipe.send(node.ports[0])
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        loop.add_reader(pipe.fileno(), asked.set)
        while True:
            await asked.wait()
            asked.clear()
            while pipe.poll():
                if pipe.recv() is None:
                    loop.remove_reader(pipe.fileno())
                    return
                pipe.send(time.process_time())


def _server(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


@dataclass(frozen=True, slots=True)
class Mb2Report:
    """Figures of one run. Rates are for each second, times are microseconds.

    ``path_packets``: of one core that does the work of server, BM-SC and client. ``cost_few`` and ``cost_many``: of
    deciding about and protecting one packet, with 10 and with 100,000 listeners.
    """

    in_flight: int
    requests: float
    asking_us: float
    answering_us: float
    path_packets: float
    cost_few: float
    cost_many: float

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {name: round(value, 2) for name, value in asdict(self).items()}

    def to_text(self) -> str:
        """For people."""
        return "\n".join(
            (
                f"{self.requests:,.0f} GAR/GAA per second between two processes, {self.in_flight} in flight",
                f"  CPU per request: {self.asking_us:.0f} us asking, {self.answering_us:.0f} us answering",
                f"{self.path_packets:,.0f} packets per second through MB2-U, server to client, on one core",
                f"  protecting a packet: {self.cost_few:.1f} us with {FEW} listeners,"
                f" {self.cost_many:.1f} us with {MANY:,}",
            )
        )


def measure(requests: int, rounds: int, progress: Callable[[str], None]) -> Mb2Report:
    """All figures: ``requests`` in each of ``rounds`` rounds; the median counts.

    :raises LocalError: a process or packet did not come through.
    """
    progress("GAR/GAA between two processes")
    rate, ours, theirs = _mb2c(requests, rounds)
    progress("packets through MB2-U")
    path = per_call(_path(), rounds)
    progress(f"packets for {FEW} and for {MANY:,} listeners")
    few, many = _said_to(FEW)[0], _said_to(MANY)[0]
    costs = [(per_call(few, 1), per_call(many, 1)) for _ in range(rounds)]
    cost_few, cost_many = (statistics.median(column) * 1e6 for column in zip(*costs, strict=True))
    return Mb2Report(IN_FLIGHT, rate, ours, theirs, 1 / path, cost_few, cost_many)


def _mb2c(requests: int, rounds: int) -> tuple[float, float, float]:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_server, args=(there,))
    server.start()
    try:
        if not here.poll(30):
            raise LocalError("the other process did not start", code="bench.process")
        return asyncio.run(_ask(here.recv(), here, requests, rounds))
    finally:
        here.send(None)
        server.join(10)


async def _ask(port: int, pipe: Connection, requests: int, rounds: int) -> tuple[float, float, float]:
    peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=port, require_tls=False)
    config = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,))
    async with DiameterNode(config) as node:
        await node.until_open(BMSC)
        taken = [await _round(node, pipe, requests) for _ in range(rounds)]
    rate, ours, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    return rate, ours, theirs


async def _round(node: DiameterNode, pipe: Connection, requests: int) -> tuple[float, float, float]:
    """Requests per second, and microseconds of CPU on each side."""
    numbers = iter(range(requests))

    async def one_after_the_other() -> None:
        for _ in numbers:
            await node.request(replace(GAR, session_id=node.new_session_id()))

    pipe.send(0)
    theirs = -pipe.recv()
    ours, began = -time.process_time(), time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
    seconds, ours = time.perf_counter() - began, ours + time.process_time()
    pipe.send(0)
    theirs += pipe.recv()
    return requests / seconds, ours / requests * 1e6, theirs / requests * 1e6


def _said_to(listeners: int) -> tuple[Callable[[], OnBearer], SrtcpReceiver]:
    """Protects one floor message for so many listeners who hold the key, and what one of them opens it with."""
    now = time.time()
    key = make(PurposeTag.MUSIK, scope=DEFAULT, maker=Maker(MCX, GCS), now=now)
    rotation = Rotation(PurposeTag.MUSIK, DEFAULT)
    names = [f"sip:user{number}@{MCX}" for number in range(listeners)]
    for name in names:
        rotation.admit(name)
        rotation.listen(name, now)
    rotation.offer(key, now)
    for name in names:
        rotation.held(name, key.key_id, now)
    rotation.poll(now + 1)
    listening = set(names)
    signalling = Signalling(SenderKeys(MCX, musiks={None: rotation}), MemoryIndexes())
    bearer = str(TMGIS[0])
    message = FloorIdle(ssrc=signalling.ssrc(Traffic.MBMS_FLOOR, bearer), sequence_number=1)

    def say() -> OnBearer:
        (sent,) = signalling.floor(bearer, "sip:group@mcx.example", message, listening, now + 1)
        if not isinstance(sent, OnBearer):
            raise LocalError("nothing went on the bearer", code="bench.bearer")
        return sent

    receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
    receiver.add_key(*key.srtp_material())
    return say, receiver


def _path() -> Callable[[], object]:
    """Takes one packet from the server to a client."""
    say, receiver = _said_to(FEW)
    bearer = Bearer(
        TMGIS[0], FlowId(1), GCS, 9470, frozenset({1}), QosInformation(), State.ACTIVE, time.time()
    )
    plane = UserPlane(BmscConfig(host=BMSC, realm=OPERATOR, mcc="001", mnc="01", enforce_bitrate=False))
    source = IPv4Address("127.0.0.1")
    bmsc, client = _Way(), _Way()

    def carry() -> object:
        inner = InnerPacket(source, PLACE[0], 5000, PLACE[1], say().packet.octets)
        broadcast = plane.arrived(bearer, bmsc.through(inner.encode()), source, time.monotonic())
        if broadcast is None:
            raise LocalError("the BM-SC dropped a packet", code="bench.bearer")
        return receiver.unprotect(client.through(broadcast.payload))

    return carry


class _Way:
    """A UDP socket on loopback that sends to itself."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(self._socket.getsockname())
        self._socket.settimeout(5)

    def through(self, octets: bytes) -> bytes:
        """Sent and received."""
        self._socket.send(octets)
        return self._socket.recv(65535)

    def __del__(self) -> None:
        self._socket.close()
