"""A packet's way through MB2-U, between two processes, and what protecting it costs, whoever listens.

One process is the server: it decides, protects, encapsulates and sends. The other is the BM-SC emulator as it is run
(user plane with its checks, radio, multicast on loopback) and a client that unprotects what comes from there.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from multiprocessing.connection import Connection

from mcsec._core import Secret
from mcsec.bmsc.config import Area, BmscConfig, Cell
from mcsec.bmsc.config import GcsAs as Permission
from mcsec.bmsc.service import Bmsc
from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.errors import LocalError
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.key import DEFAULT, Key, Maker, make
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import SenderKeys
from mcsec.keys.rotation import Rotation
from mcsec.lab.bench.mb2_messages import BMSC, GCS, MCX, OPERATOR, TMGIS
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig
from mcsec.net.mb2u import Mb2uSender, Place
from mcsec.net.multicast import MulticastGroup, MulticastReceiver
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import BearerActive
from mcsec.server.bearers.service import GcsAs
from mcsec.server.indexes import MemoryIndexes
from mcsec.server.signalling import OnBearer, Signalling
from mcsec.wire.mb2.messages import APPLICATION
from mcsec.wire.rtcp.floor import FloorIdle

GROUP = MulticastGroup(IPv4Address("239.255.77.2"), 42002)
AREA = 1
#: Packets under way at most, fewer than any socket holds, and after how many the other side says how many came.
_WINDOW, _CREDIT = 160, 40
_PATIENCE = 10.0
#: The highest rate that MB2 can name; the bench must not be bound by it.
_BIT_RATE = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Path:
    """Packets per second from end to end, and microseconds of processor time in each process for one of them."""

    packets: float
    server_us: float
    rest_us: float


def path(packets: int, rounds: int) -> Path:
    """The median of some rounds.

    :raises LocalError: the other process did not start, or a packet was lost.
    """
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(target=_others, args=(there,))
    other.start()
    try:
        return asyncio.run(_send(here, packets, rounds))
    finally:
        here.send(None)
        other.join(10)


def said_to(listeners: int) -> tuple[Callable[[], OnBearer], Key]:
    """Protects one floor message for so many listeners who hold the key, which is the second."""
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

    return say, key


# --- the server


async def _send(pipe: Connection, packets: int, rounds: int) -> Path:
    say, key = said_to(10)
    mki, master_key, master_salt = key.srtp_material()
    pipe.send((mki, master_key.reveal(), master_salt.reveal()))
    if not pipe.poll(30):
        raise LocalError("the other process did not start", code="bench.process")
    peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=pipe.recv(), require_tls=False)
    node = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,))
    active: asyncio.Future[BearerActive] = asyncio.get_running_loop().create_future()

    def happened(event: Event) -> None:
        if isinstance(event, BearerActive):
            active.set_result(event)

    async with GcsAs(node, BMSC, Bearers(), happened) as gcs_as:
        gcs_as.want("bench", Wish((AREA,), max_bit_rate=_BIT_RATE))
        async with asyncio.timeout(_PATIENCE):
            place = (await active).mb2u
        taken = [_round(pipe, say, place, packets) for _ in range(rounds)]
    return Path(*(statistics.median(column) for column in zip(*taken, strict=True)))


def _round(
    pipe: Connection, say: Callable[[], OnBearer], place: Place, packets: int
) -> tuple[float, float, float]:
    destination = (GROUP.address, GROUP.port)
    with Mb2uSender(place, source=(IPv4Address("127.0.0.1"), 5000)) as sender:
        pipe.send(packets)
        theirs = -float(pipe.recv())
        ours, began = -time.process_time(), time.perf_counter()
        arrived = 0
        for number in range(1, packets + 1):
            sender.send(say().packet, destination)
            while number - arrived >= _WINDOW:
                arrived = _arrived(pipe)
        while arrived < packets:
            arrived = _arrived(pipe)
        seconds, ours = time.perf_counter() - began, ours + time.process_time()
        pipe.send(packets)
        theirs += float(pipe.recv())
    return packets / seconds, ours / packets * 1e6, theirs / packets * 1e6


def _arrived(pipe: Connection) -> int:
    if not pipe.poll(_PATIENCE):
        raise LocalError("packets were lost between server and client", code="bench.path")
    return int(pipe.recv())


# --- BM-SC and client


def _others(pipe: Connection) -> None:
    asyncio.run(_listen(pipe))


async def _listen(pipe: Connection) -> None:
    mki, master_key, master_salt = pipe.recv()
    receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
    receiver.add_key(mki, Secret(master_key), Secret(master_salt))
    config = BmscConfig(
        host=BMSC,
        realm=OPERATOR,
        mcc="001",
        mnc="01",
        gcs_as=(Permission(host=GCS, realm=MCX, bitrate=_BIT_RATE),),
        areas=(Area(code=AREA),),
        cells=(Cell(name="bench", areas=frozenset({AREA})),),
        mb2u_port=0,
    )
    wanted = arrived = 0

    def on_packet(octets: bytes, _source: object, _group: object) -> None:
        nonlocal arrived
        receiver.unprotect(octets)
        arrived += 1
        if arrived % _CREDIT == 0 or arrived == wanted:
            pipe.send(arrived)

    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    peers = (PeerConfig(host=GCS, realm=MCX, require_tls=False),)
    async with Bmsc(config, (Listener(address="127.0.0.1", port=0),), peers=peers) as bmsc:
        with MulticastReceiver(on_packet) as ears:
            ears.join(GROUP)
            pipe.send(bmsc.node.ports[0])
            loop.add_reader(pipe.fileno(), asked.set)
            while True:
                await asked.wait()
                asked.clear()
                while pipe.poll():
                    wanted = pipe.recv()
                    if wanted is None:
                        loop.remove_reader(pipe.fileno())
                        return
                    arrived = 0
                    pipe.send(time.process_time())
