"""Two network namespaces joined by a veth pair, with datagrams lost on the way: nothing in them reaches this machine.

Where the kernel has netem (``sch_netem``), it loses them on both ends of the pair. Where it has not, a relay in the far
namespace does, between the veth address and whoever is behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NEAR, FAR = "10.77.0.1", "10.77.0.2"
_CLONE_NEWNET = 0x40000000


@dataclass
class Loss:
    """How much is lost each way, and how much was."""

    share: float
    by_kernel: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(20261123))
    relayed: int = 0
    dropped: int = 0

    def strikes(self) -> bool:
        if self.by_kernel:
            return False
        self.relayed += 1
        lost = self.chance.random() < self.share
        self.dropped += lost
        return lost


@dataclass(frozen=True)
class Pair:
    """The names of the namespaces, where :data:`NEAR` and :data:`FAR` are."""

    near: str
    far: str
    loss: Loss

    def command(self, *words: str) -> tuple[str, ...]:
        """A command line that runs in the far namespace."""
        return ("ip", "netns", "exec", self.far, *words)


def _run(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _must(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


@contextlib.contextmanager
def namespaces(share: float) -> Iterator[Pair]:
    """A pair of namespaces; ``share`` of all datagrams is lost, each way."""
    if os.geteuid() != 0:
        message = "network namespaces need root: run these tests as root"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    name = f"mcsec{os.getpid()}"
    pair = Pair(f"{name}n", f"{name}f", Loss(share))
    try:
        for side in (pair.near, pair.far):
            _must("ip", "netns", "add", side)
            _must("ip", "-n", side, "link", "set", "lo", "up")
        _must("ip", "-n", pair.near, "link", "add", "near", "type", "veth", "peer", "name", "far")
        _must("ip", "-n", pair.near, "link", "set", "far", "netns", pair.far)
        for side, address, device in ((pair.near, NEAR, "near"), (pair.far, FAR, "far")):
            _must("ip", "-n", side, "address", "add", f"{address}/24", "dev", device)
            _must("ip", "-n", side, "link", "set", device, "up")
        percent = f"{share * 100:g}%"
        pair.loss.by_kernel = all(
            _run("tc", "-n", side, "qdisc", "add", "dev", device, "root", "netem", "loss", percent)
            for side, device in ((pair.near, "near"), (pair.far, "far"))
        )
        yield pair
    finally:
        for side in (pair.near, pair.far):
            _run("ip", "netns", "delete", side)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets that this thread makes belong to a namespace, also after the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    away = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    try:
        assert libc.setns(away, _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(home, _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(home)
        os.close(away)


class _Relay:
    """Everybody who comes has a socket of its own towards the target, so that answers find back.

    The sockets are made without an await, so that nobody else makes one in the wrong namespace meanwhile.
    """

    def __init__(self, pair: Pair, host: str, target: tuple[str, int]) -> None:
        self._pair, self._host, self._target = pair, host, target
        self._loop = asyncio.get_running_loop()
        self._backs: dict[tuple[str, int], socket.socket] = {}

    def open(self, address: tuple[str, int]) -> int:
        self._front = self._socket(address, self._forward)
        port: int = self._front.getsockname()[1]
        return port

    def close(self) -> None:
        for one in (self._front, *self._backs.values()):
            self._loop.remove_reader(one)
            one.close()

    def _forward(self, data: bytes, source: tuple[str, int]) -> None:
        if self._pair.loss.strikes():
            return
        if source not in self._backs:
            self._backs[source] = self._socket((self._host, 0), lambda data, _: self._back(data, source))
        self._send(self._backs[source], data, self._target)

    def _back(self, data: bytes, behind: tuple[str, int]) -> None:
        if not self._pair.loss.strikes():
            self._send(self._front, data, behind)

    def _socket(
        self, address: tuple[str, int], take: Callable[[bytes, tuple[str, int]], None]
    ) -> socket.socket:
        with inside(self._pair.far):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind(address)
        self._loop.add_reader(made, self._read, made, take)
        return made

    def _read(self, ours: socket.socket, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        # Whoever is gone is told by ICMP, which comes as an error of the next call.
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            take(*ours.recvfrom(65_535))

    def _send(self, ours: socket.socket, data: bytes, to: tuple[str, int]) -> None:
        # A full buffer loses datagrams, as any link does.
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            ours.sendto(data, to)


@contextlib.asynccontextmanager
async def relay(pair: Pair, front: str, back: str, target: tuple[str, int]) -> AsyncIterator[int]:
    """A port of address ``front`` in the far namespace; what comes there goes on to ``target`` from ``back``."""
    made = _Relay(pair, back, target)
    port = made.open((front, 0))
    try:
        yield port
    finally:
        made.close()
