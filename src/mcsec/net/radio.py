"""Multicast for an emulated transmitter: datagrams as they are, to any group, through one interface.

Only a BM-SC emulator has a use for this: it passes on what it cannot read. Everything else sends through
:mod:`mcsec.net.multicast`, which takes nothing unprotected; a test keeps it that way.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from mcsec.errors import InvalidValue, LocalError

_ANY = bytes(4)
_MOST_WAYS = 1024
_Way = tuple[socket.socket, tuple[str | int, ...]]


class RadioSender:
    """Sends through one interface. A context manager.

    ``sent`` counts datagrams that the system took, ``dropped`` those that it had no room for or no way to send.

    :param ttl: 0 keeps everything on this machine.
    :raises LocalError: no such interface.
    """

    def __init__(self, interface: str = "lo", ttl: int = 0) -> None:
        if not 0 <= ttl <= 255:
            raise InvalidValue("a TTL is in 0 to 255", code="net.radio.ttl")
        try:
            self._index = socket.if_nametoindex(interface)
        except OSError as error:
            raise LocalError(f"no interface {interface}: {error.strerror}", code="net.radio") from None
        self._ttl = ttl
        self._sockets: dict[int, socket.socket] = {}
        # One bearer's packets go to few places.
        self._ways: dict[tuple[int, int, int], _Way] = {}
        self.sent = self.dropped = 0

    def send(self, address: IPv4Address | IPv6Address, port: int, octets: bytes) -> None:
        """One datagram, at once.

        :raises InvalidValue: no multicast address.
        """
        way = self._ways.get((address.version, int(address), port)) or self._way(address, port)
        try:
            way[0].sendto(octets, way[1])
        except OSError:
            # The air is no queue: what the system does not take is lost, and counted.
            self.dropped += 1
        else:
            self.sent += 1

    def close(self) -> None:
        """Gives the sockets back."""
        for made in self._sockets.values():
            made.close()
        self._sockets.clear()
        self._ways.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _way(self, address: IPv4Address | IPv6Address, port: int) -> _Way:
        if not address.is_multicast:
            raise InvalidValue(f"{address} is no multicast address", code="net.radio.address")
        target = (str(address), port) if address.version == 4 else (str(address), port, 0, self._index)
        if len(self._ways) >= _MOST_WAYS:
            self._ways.clear()
        way = self._ways[address.version, int(address), port] = (self._socket(address.version), target)
        return way

    def _socket(self, version: int) -> socket.socket:
        made = self._sockets.get(version)
        if made is not None:
            return made
        made = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        made.setblocking(False)
        if version == 4:
            there = struct.pack("4s4si", _ANY, _ANY, self._index)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, there)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, self._ttl)
        else:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self._index)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, self._ttl)
        self._sockets[version] = made
        return made
