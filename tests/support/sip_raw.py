"""TCP servers and UDP sockets that speak SIP octet by octet, for what a well-behaved peer would not do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

from support.waiting import soon

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_server(handler: Handler) -> AsyncIterator[tuple[str, int]]:
    """A TCP server on loopback; gives its address. Every connection is closed when the block ends."""
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()
            handling.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 16)
    async with server:
        yield server.sockets[0].getsockname()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
    # The loop closes an aborted socket in its next turn.
    await asyncio.sleep(0)


class RawUdp:
    """A UDP socket that says what it is told to an endpoint."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.to: tuple[str, int] = ("127.0.0.1", port)
        self.address: tuple[str, int] = self.socket.getsockname()

    def __enter__(self) -> RawUdp:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendto(octets, self.to)

    async def receive(self) -> bytes:
        """The next datagram; answers go to where it came from."""
        octets, self.to = await soon(asyncio.get_running_loop().sock_recvfrom(self.socket, 65536))
        return octets

    def at_hand(self) -> bytes:
        """The next datagram, when it is here already; nothing otherwise."""
        try:
            octets, self.to = self.socket.recvfrom(65536)
        except BlockingIOError:
            return b""
        return octets
