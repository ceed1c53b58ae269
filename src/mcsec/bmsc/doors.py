"""The UDP sockets of MB2-U: one port for each bearer, at each address of the BM-SC."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from mcsec.errors import LocalError

Address = IPv4Address | IPv6Address
_MAX_DATAGRAM = 65535
#: Datagrams read at once, before others get their turn.
_BATCH = 64
_BUFFER = 1 << 20
_ATTEMPTS = 20
#: Few servers send, and many packets: each address is read once.
_address = lru_cache(maxsize=1024)(ip_address)


class Doors:
    """Open sockets; ``arrived(port, octets, source)`` is called for each datagram while :meth:`watch` is on."""

    def __init__(self, addresses: Sequence[Address], first: int, number: int) -> None:
        """:param first: the first port, the others follow; 0 takes any that are free at every address.

        :raises LocalError: a port cannot be had.
        """
        self._sockets: list[tuple[int, socket.socket]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        try:
            for offset in range(number):
                self._open(addresses, first and first + offset)
        except OSError as error:
            self.close()
            raise LocalError(f"no MB2-U port at {addresses[0]}: {error.strerror}", code="mb2u.port") from None

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports, in order."""
        return tuple(dict.fromkeys(port for port, _ in self._sockets))

    def watch(self, arrived: Callable[[int, bytes, Address], None]) -> None:
        """Begin to read. Needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        for port, made in self._sockets:
            self._loop.add_reader(made, self._read, made, port, arrived)

    def close(self) -> None:
        """Give the ports back; more than once does no harm."""
        for _, made in self._sockets:
            if self._loop is not None:
                self._loop.remove_reader(made)
            made.close()
        self._sockets.clear()

    def _open(self, addresses: Sequence[Address], port: int) -> None:
        """One port at every address. A port that the system chose may be taken at the next address: choose again."""
        for attempt in range(_ATTEMPTS):
            opened: list[socket.socket] = []
            chosen = port
            try:
                for address in addresses:
                    opened.append(_bound(address, chosen))
                    chosen = opened[-1].getsockname()[1]
            except OSError:
                for made in opened:
                    made.close()
                if port or attempt == _ATTEMPTS - 1:
                    raise
            else:
                self._sockets += [(chosen, made) for made in opened]
                return

    def _read(self, made: socket.socket, port: int, arrived: Callable[[int, bytes, Address], None]) -> None:
        for _ in range(_BATCH):
            if made.fileno() < 0:
                return
            try:
                octets, source = made.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            arrived(port, octets, _address(source[0]))


def _bound(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((str(address), port))
    except OSError:
        made.close()
        raise
    return made
