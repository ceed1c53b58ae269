"""The UDP ports of call legs: for each leg one for floor control and one for media.

What arrives is given to the leg with the address that it came from; nothing here is opened or believed. What leaves is
a protected packet, or media that is passed on as it came: there is no way to send anything else.

::

    ports = PortPool("127.0.0.1")
    with ports.open(on_floor, on_media) as leg:
        describe(leg.floor, leg.media)
        leg.send_floor(packet, ("127.0.0.1", 40002))
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Self

from mcsec.crypto.srtp import BearerPacket, ProtectedPacket, bearer_octets
from mcsec.errors import Forbidden, InvalidValue, LocalError

Address = tuple[str, int]
"""A host, as an address, and a UDP port."""
OnDatagram = Callable[[bytes, Address], None]
"""What is called with a datagram and where it came from. It runs in the event loop and must not block."""

_MAX_DATAGRAM = 65535
#: Datagrams that are read at once from one port, before other tasks get their turn.
_BATCH = 64
#: File descriptors that are left to everything else.
_OTHERS = 256


class Port:
    """One UDP port. A context manager.

    :ivar address: where it receives. :ivar dropped: packets that the system did not take.
    """

    def __init__(
        self, bound: socket.socket, on_datagram: OnDatagram, released: Callable[[Address], None]
    ) -> None:
        self._socket, self._on_datagram, self._released = bound, on_datagram, released
        self.address = _address(bound)
        self.dropped = 0
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(bound, self._read)

    def send_floor(self, packet: ProtectedPacket, to: Address) -> None:
        """Floor control, at once.

        :raises Forbidden: it is not protected.
        """
        if type(packet) is not ProtectedPacket:
            raise Forbidden("floor control leaves protected", code="net.clear", clause="TS 24.380 13.1")
        self._send(packet.octets, to)

    def send_media(self, packet: BearerPacket, to: Address) -> None:
        """Media, at once.

        :raises Forbidden: it is neither protected nor media that is passed on.
        """
        self._send(bearer_octets(packet), to)

    def close(self) -> None:
        """Give the port back; more than once does no harm."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            self._socket.close()
            # A leg and its port hold one another; without this only a search for cycles would find them.
            self._on_datagram = _nobody
            self._released(self.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, octets: bytes, to: Address) -> None:
        if not self._open:
            self.dropped += 1
            return
        try:
            self._socket.sendto(octets, to)
        except OSError:
            # Media and floor control are no queue: what does not fit is lost, and timers make up for it. A refusal
            # may also be the echo of an earlier datagram.
            self.dropped += 1

    def _read(self) -> None:
        for _ in range(_BATCH):
            # What was received before may have closed the port.
            if not self._open:
                return
            try:
                octets, source = self._socket.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                # The echo of a datagram of ours that nobody took (ICMP).
                continue
            self._on_datagram(octets, (source[0], source[1]))


class MediaPorts:
    """The two ports of one leg. A context manager.

    :ivar floor: where floor control is received. :ivar media: where media is.
    """

    def __init__(self, floor: Port, media: Port) -> None:
        self._floor, self._media = floor, media
        self.floor, self.media = floor.address, media.address

    @property
    def dropped(self) -> int:
        """Packets that the system did not take."""
        return self._floor.dropped + self._media.dropped

    def send_floor(self, packet: ProtectedPacket, to: Address) -> None:
        """Floor control, from the floor port; see :meth:`Port.send_floor`."""
        self._floor.send_floor(packet, to)

    def send_media(self, packet: BearerPacket, to: Address) -> None:
        """Media, from the media port; see :meth:`Port.send_media`."""
        self._media.send_media(packet, to)

    def close(self) -> None:
        """Give the ports back; more than once does no harm."""
        self._floor.close()
        self._media.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PortPool:
    """Opens ports on one address: from a range, or, where none is given, any that are free.

    A port of the range comes again only when all others have been used, so that what is late for one call does not
    arrive in the next.
    """

    def __init__(self, host: str = "127.0.0.1", first: int = 0, last: int = 0) -> None:
        """:raises InvalidValue: no range of ports."""
        if first and not 0 < first < last < 65536:
            raise InvalidValue(f"{first} to {last} are no UDP ports", code="net.ports")
        self.host = host
        self._range = range(first, last + 1) if first else range(0)
        self._next = self._around()
        self._taken: set[int] = set()

    def open(self, on_floor: OnDatagram, on_media: OnDatagram) -> MediaPorts:
        """The ports of one leg. Needs a running event loop.

        :raises LocalError: there is none left.
        """
        media = self.open_one(on_media)
        try:
            return MediaPorts(self.open_one(on_floor), media)
        except LocalError:
            media.close()
            raise

    def open_one(self, on_datagram: OnDatagram) -> Port:
        """One port, where several legs share the other. Needs a running event loop.

        :raises LocalError: there is none left.
        """
        return Port(self._bind(), on_datagram, self._released)

    def _bind(self) -> socket.socket:
        if not self._range:
            return self._bound(0)
        for _ in range(len(self._range)):
            port = next(self._next)
            if port in self._taken:
                continue
            try:
                made = self._bound(port)
            except _Taken:
                continue
            self._taken.add(port)
            return made
        raise LocalError("every port for media is in use", code="net.ports", hint="widen the range of ports")

    def _bound(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            made = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise LocalError(f"no socket for media: {error.strerror}", code="net.ports") from None
        made.setblocking(False)
        try:
            made.bind((self.host, port))
        except OSError as error:
            made.close()
            if port:
                raise _Taken(str(error)) from None
            raise LocalError(f"no port for media: {error.strerror}", code="net.ports") from None
        return made

    def _around(self) -> Iterator[int]:
        while True:
            yield from self._range

    def _released(self, address: Address) -> None:
        self._taken.discard(address[1])


def _nobody(octets: bytes, source: Address) -> None:
    """Whose port it was is gone."""


class _Taken(LocalError):
    """Somebody else has the port."""


def _address(bound: socket.socket) -> Address:
    name = bound.getsockname()
    return name[0], name[1]


def make_room(legs: int) -> int:
    """Let this process open the ports of ``legs`` legs, as far as the system allows; for how many there is room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * legs + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return legs if soft == resource.RLIM_INFINITY else min(legs, max(0, (soft - _OTHERS) // 2))
