"""Three network namespaces: ``unshare --user --map-root-user --net python -m support.partition SOCKET``.

In the middle there is :data:`HUB`. Each of two nodes has two links to it: one for everything, and one for the database
alone, where ``SOCKET`` of a PostgreSQL stands behind a port. Prints the process identifiers of the three namespaces
(``nsenter -t``). On ``cut N`` and ``mend N`` the link of node N to the database is cut and mended, and the order is
said again. Whatever a node sends by UDP is recorded where it arrives, and printed when the standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import Any

#: Where everybody finds what both nodes need; where node N is; and where node N finds the database.
HUB = "10.78.0.1"
DATABASE_PORT = 5432
NODES = (1, 2)
_IP, _UDP = 0x0800, 17
_SO_TIMESTAMPNS = 35


def address(node: int) -> str:
    """Of a node."""
    return f"10.78.{node}.2"


def database(node: int) -> str:
    """Where a node finds the database."""
    return f"10.79.{node}.1"


def _ip(*words: str, pid: int | None = None) -> None:
    before = () if pid is None else ("nsenter", "--net", "-t", str(pid))
    subprocess.run([*before, "ip", *words], check=True)


def _link(pid: int, name: str, node: int, net: str) -> None:
    near = f"{name}{node}"
    _ip("link", "add", near, "type", "veth", "peer", "name", name, "netns", str(pid))
    _ip("address", "add", f"{net}.{node}.1/24", "dev", near)
    _ip("link", "set", near, "up")
    _ip("address", "add", f"{net}.{node}.2/24", "dev", name, pid=pid)
    _ip("link", "set", name, "up", pid=pid)


def _node(node: int) -> subprocess.Popen[bytes]:
    """A namespace that lasts as long as a process in it."""
    holder = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    _ip("link", "set", "lo", "up", pid=holder.pid)
    _link(holder.pid, "any", node, "10.78")
    _link(holder.pid, "db", node, "10.79")
    _ip("route", "add", "default", "via", f"10.78.{node}.1", pid=holder.pid)
    return holder


class Capture:
    """UDP of one node as it arrives, with the kernel's time."""

    def __init__(self, node: int, found: list[dict[str, Any]]) -> None:
        self._node, self._found = node, found
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((f"any{node}", _IP))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self.look)

    def look(self) -> None:
        """Everything that came."""
        with suppress(BlockingIOError):
            while True:
                octets, told, _, source = self._socket.recvmsg(65_535, 64)
                header = 4 * (octets[0] & 0xF)
                if source[2] == socket.PACKET_OUTGOING or octets[9] != _UDP:
                    continue
                seconds, nanoseconds = struct.unpack("qq", told[0][2])
                self._found.append(
                    {
                        "node": self._node,
                        "time": seconds + nanoseconds / 1e9,
                        "port": int.from_bytes(octets[header + 2 : header + 4]),
                        "octets": octets[header + 8 :].hex(),
                    }
                )


async def _carry(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while octets := await reading.read(65_536):
            writing.write(octets)
            await writing.drain()
    writing.close()


async def main(path: str) -> None:
    """``path``: the socket of PostgreSQL."""
    _ip("link", "set", "lo", "up")
    _ip("address", "add", f"{HUB}/32", "dev", "lo")
    holders = [_node(node) for node in NODES]
    found: list[dict[str, Any]] = []
    captures = [Capture(node, found) for node in NODES]

    async def relay(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(path)
        await asyncio.gather(_carry(reading, back), _carry(there, writing))

    await asyncio.start_server(relay, "0.0.0.0", DATABASE_PORT)
    print(os.getpid(), *(holder.pid for holder in holders), flush=True)
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        order, node = line
        _ip("link", "set", f"db{node}", "down" if order == "cut" else "up")
        print(order, flush=True)
    for capture in captures:
        capture.look()
    print(json.dumps(found), flush=True)
    for holder in holders:
        holder.kill()
        holder.wait()
    # Whoever still speaks to the database is cut off with the namespace.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
