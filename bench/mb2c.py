"""GAR/GAA per second between two processes on loopback, beside the codec alone. `python bench/mb2c.py`."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import time
from dataclasses import replace
from ipaddress import IPv4Address
from multiprocessing.connection import Connection

from mcsec.ids import Tmgi
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig
from mcsec.net.diameter.node import DiameterNode
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode, encode_answer, encode_request
from mcsec.wire.diameter.table import MB2C
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
from mcsec.wire.mb2.values import FlowId, ServiceArea, SessionDuration

GCS, BMSC, MCX, OPERATOR = "gcs.mcx.example", "bmsc.operator.example", "mcx.example", "operator.example"
IN_FLIGHT = (1, 8, 32)
REQUESTS = 6000
ROUNDS = 3
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


async def _ask(port: int, pipe: Connection) -> None:
    peer = PeerConfig(host=BMSC, realm=OPERATOR, address="127.0.0.1", port=port, require_tls=False)
    config = NodeConfig(host=GCS, realm=MCX, applications=(APPLICATION,), peers=(peer,))
    async with DiameterNode(config) as node:
        await node.until_open(BMSC)
        for width in IN_FLIGHT:
            rounds = [await _round(node, pipe, width) for _ in range(ROUNDS)]
            rate, ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(
                f"{width:3} in flight: {rate:7.0f} GAR/GAA per second"
                f" (CPU per request: {ours:.0f} us asking, {theirs:.0f} us answering)"
            )


async def _round(node: DiameterNode, pipe: Connection, width: int) -> tuple[float, float, float]:
    """Requests per second, and microseconds of CPU on each side."""
    numbers = iter(range(REQUESTS))

    async def one_after_the_other() -> None:
        for _ in numbers:
            await node.request(replace(GAR, session_id=node.new_session_id()))

    pipe.send(0)
    theirs = -pipe.recv()
    ours, began = -time.process_time(), time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(width)))
    seconds, ours = time.perf_counter() - began, ours + time.process_time()
    pipe.send(0)
    theirs += pipe.recv()
    return REQUESTS / seconds, ours / REQUESTS * 1e6, theirs / REQUESTS * 1e6


def _codec() -> None:
    header = Header(8388662, MB2C, 0xC0, 1, 2)
    gar, gaa = encode_request(GAR, 1, 2), encode_answer(GAA, header)
    for name, work in (
        (f"write GAR ({len(gar)} octets)", lambda: encode_request(GAR, 1, 2)),
        ("read GAR", lambda: decode(gar, Gar)),
        (f"write GAA ({len(gaa)} octets)", lambda: encode_answer(GAA, header)),
        ("read GAA", lambda: decode(gaa, Gaa)),
    ):
        rounds = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(1000):
                work()
            rounds.append(time.perf_counter() - began)
        print(f"{name}: {statistics.median(rounds) * 1000:.0f} us")


def main() -> None:
    """Measure the codec, then the two processes."""
    _codec()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_server, args=(there,))
    server.start()
    try:
        asyncio.run(_ask(here.recv(), here))
    finally:
        here.send(None)
        server.join(10)
    print(f"on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
