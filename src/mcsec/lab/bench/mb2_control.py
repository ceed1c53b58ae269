"""GAR/GAA between two processes: requests for each second, and processor time on each side."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from dataclasses import replace
from multiprocessing.connection import Connection

from mcsec.errors import LocalError
from mcsec.lab.bench.mb2_messages import BMSC, GAA, GAR, GCS, IN_FLIGHT, MCX, OPERATOR
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig
from mcsec.net.diameter.node import DiameterNode
from mcsec.wire.mb2.messages import APPLICATION, Gar


def exchanges(requests: int, rounds: int) -> tuple[float, float, float]:
    """Requests per second, microseconds of processor time of the side that asks, and of the side that answers.

    :raises LocalError: the other process did not start.
    """
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


def _server(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


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
