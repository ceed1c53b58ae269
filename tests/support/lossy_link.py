"""Two network namespaces and a bad link between them: ``unshare --user --map-root-user --net python -m
support.lossy_link LOSS DELAY``.

Not every kernel has netem, so the link is this program: each namespace has a TUN device, and IP packets are carried
between the two with chance and delay, both ways. TCP meets the loss as on a real link. Prints the process identifiers
of both namespaces (``nsenter -t``) when the link is up, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import socket
import struct
import subprocess
import sys

NEAR, FAR = "10.77.0.1", "10.77.0.2"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_MOST = 65_535


def device(own: str, other: str) -> int:
    """A TUN device of this namespace, with addresses; its descriptor."""
    made = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(made, _TUNSETIFF, struct.pack("16sH", b"air0", _IFF_TUN | _IFF_NO_PI))
    for command in (
        ("link", "set", "lo", "up"),
        ("addr", "add", own, "peer", other, "dev", "air0"),
        ("link", "set", "air0", "up"),
    ):
        subprocess.run(["ip", *command], check=True)
    return made


class End:
    """One direction's end of the link: packets that are lost, late, or carried."""

    def __init__(self, loss: float, delay: float, seed: int) -> None:
        self._loss, self._delay = loss, delay
        self._chance = random.Random(seed)
        self.carried = self.lost = 0

    def carry(self, source: int, target: int) -> None:
        """Everything that waits at ``source``."""
        while True:
            try:
                packet = os.read(source, _MOST)
            except BlockingIOError:
                return
            if self._chance.random() < self._loss:
                self.lost += 1
                continue
            self.carried += 1
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, _write, target, packet)
            else:
                _write(target, packet)


def _write(target: int, packet: bytes) -> None:
    try:
        os.write(target, packet)
    except BlockingIOError:
        # A full queue loses packets, as on any link.
        return


async def _near(loss: float, delay: float) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    tun = device(NEAR, FAR)
    far = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-m", "support.lossy_link", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
    )
    theirs.close()
    assert far.stdout is not None
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, far.stdout.readline)
    out, back = End(loss, delay, 1), End(loss, delay, 2)
    loop.add_reader(tun, out.carry, tun, ours.fileno())
    loop.add_reader(ours, back.carry, ours.fileno(), tun)
    print(os.getpid(), far.pid, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(out.carried + back.carried, out.lost + back.lost, flush=True)
    far.kill()
    far.wait()


async def _far(link: int) -> None:
    os.set_blocking(link, False)
    tun = device(FAR, NEAR)
    there, here = End(0, 0, 0), End(0, 0, 0)
    loop = asyncio.get_running_loop()
    loop.add_reader(tun, there.carry, tun, link)
    loop.add_reader(link, here.carry, link, tun)
    print("up", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        asyncio.run(_far(int(sys.argv[1])))
    else:
        asyncio.run(_near(float(sys.argv[1]), float(sys.argv[2])))
