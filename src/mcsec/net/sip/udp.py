"""One UDP socket on an event loop: reads in bursts, writes at once, queues little."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from mcsec.net.sip.errors import Unreachable

#: Asked of the kernel for each direction; it gives what its limits allow.
BUFFER = 4 << 20
# Datagrams read before others get their turn on the loop.
_BURST = 64
# Datagrams that wait while the kernel takes none; the ones after them are lost, as UDP may.
_QUEUE = 256
_LARGEST = 65_536

Receive = Callable[[bytes, str, int], None]


class UdpSocket:
    """``receive(octets, host, port)`` is called for each datagram; ``lost`` counts what was not sent."""

    def __init__(self, sock: socket.socket, receive: Receive) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._receive = receive
        self._space = bytearray(_LARGEST)
        self._waiting: deque[tuple[bytes, tuple[str, int]]] = deque()
        self.lost = 0
        self.family = sock.family
        self.address: tuple[str, int] = sock.getsockname()[:2]
        self._loop.add_reader(sock, self._read)

    @classmethod
    def bind(cls, host: str, port: int, receive: Receive) -> UdpSocket:
        """Bind to an address.

        :raises OSError: it is taken or not ours.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for direction in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, direction, BUFFER)
            sock.bind((host, port))
            return cls(sock, receive)
        except BaseException:
            sock.close()
            raise

    def send(self, octets: bytes, host: str, port: int) -> None:
        """Send a datagram.

        :raises Unreachable: the kernel refuses it, for its size or its address.
        """
        if self._waiting:
            self._queue(octets, (host, port))
            return
        try:
            self._socket.sendto(octets, (host, port))
        except BlockingIOError:
            self._queue(octets, (host, port))
            self._loop.add_writer(self._socket, self._write)
        except OSError as error:
            raise Unreachable(f"UDP {host}:{port}: {error.strerror}") from None

    def close(self) -> None:
        """Close the socket; what waits is dropped."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()

    def _queue(self, octets: bytes, address: tuple[str, int]) -> None:
        if len(self._waiting) < _QUEUE:
            self._waiting.append((octets, address))
        else:
            self.lost += 1

    def _read(self) -> None:
        space = memoryview(self._space)
        for _ in range(_BURST):
            if self._socket.fileno() < 0:
                return
            try:
                size, address = self._socket.recvfrom_into(space)
            except OSError:
                # Nothing is left to read, or an ICMP error of an earlier datagram came back.
                return
            self._receive(bytes(space[:size]), address[0], address[1])

    def _write(self) -> None:
        while self._waiting:
            octets, address = self._waiting[0]
            try:
                self._socket.sendto(octets, address)
            except BlockingIOError:
                return
            except OSError:
                # The sender was told that nothing went wrong; its transaction sends again and hears then.
                self.lost += 1
            self._waiting.popleft()
        self._loop.remove_writer(self._socket)
