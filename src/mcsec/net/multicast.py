"""UDP multicast on one interface: what stands for an MBMS bearer where there is no radio.

By default everything stays on this machine: interface ``lo``, TTL and hop limit 0. Linux has no IPv6 multicast on
``lo`` until it gets a route for it (``ip -6 route add local ff00::/8 dev lo table local``).

The sender takes packets of the types that may go on a bearer, and no octets: there is no way to put signalling
on a bearer in clear.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self, TypeAlias

from mcsec.crypto.srtp import BearerPacket, bearer_octets
from mcsec.errors import InvalidValue, LocalError

LOOPBACK = "lo"
_ANY = b"\0\0\0\0"
_MAX_DATAGRAM = 65535
#: Datagrams that are read at once, before other tasks get their turn.
_BATCH = 64
_SIOCGIFADDR = 0x8915
# Linux; Python's socket module has no names for these.
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29

Source: TypeAlias = tuple[str, int]
"""Address and port of a sender."""


@dataclass(frozen=True, slots=True)
class MulticastGroup:
    """A multicast address and a UDP port.

    :raises InvalidValue: the address is no multicast address, or the port none.
    """

    address: IPv4Address | IPv6Address
    port: int

    def __post_init__(self) -> None:
        if not self.address.is_multicast:
            raise InvalidValue(f"{self.address} is no multicast address", code="net.multicast.address")
        if not 0 < self.port < 1 << 16:
            raise InvalidValue("a port is in 1 to 65535", code="net.multicast.port")

    @classmethod
    def of(cls, address: str, port: int) -> Self:
        """From an address in text form."""
        try:
            return cls(ip_address(address), port)
        except ValueError as error:
            raise InvalidValue(str(error), code="net.multicast.address") from None

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


class MulticastSender:
    """Sends to one group. A context manager.

    ``sent`` counts datagrams that the system took, ``dropped`` those that it had no room for.

    :param ttl: 0 keeps everything on this machine.
    :param source: the address to send from; by default that of the interface.
    :raises LocalError: no such interface, or no way to send there.
    """

    def __init__(
        self, group: MulticastGroup, *, interface: str = LOOPBACK, ttl: int = 0, source: str | None = None
    ) -> None:
        if not 0 <= ttl <= 255:
            raise InvalidValue("a TTL is in 0 to 255", code="net.multicast.ttl")
        self.group = group
        self.sent = 0
        self.dropped = 0
        self._socket = _socket(group)
        try:
            _aim(self._socket, group, interface, ttl, source)
        except OSError as error:
            self._socket.close()
            raise _refused(f"no multicast to {group} on {interface}", error) from error

    def send(self, packet: BearerPacket) -> None:
        """One datagram, at once.

        :raises Forbidden: neither protected nor media that is passed on.
        :raises LocalError: the system refused to send.
        """
        octets = bearer_octets(packet)
        try:
            self._socket.send(octets)
        except BlockingIOError:
            # A bearer is no queue: what does not fit now is lost, as on the air.
            self.dropped += 1
        except OSError as error:
            raise _refused(f"sending to {self.group} failed", error) from error
        else:
            self.sent += 1

    def close(self) -> None:
        """Gives the socket back; more than once does no harm."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MulticastReceiver:
    """Receives from any number of groups and calls ``on_packet(octets, source, group)`` for each datagram.

    ``on_packet`` runs in the event loop and must not block; what it raises goes to the loop's exception
    handler. A context manager; leaves every group at its end.
    """

    def __init__(
        self, on_packet: Callable[[bytes, Source, MulticastGroup], None], *, interface: str = LOOPBACK
    ) -> None:
        self._on_packet = on_packet
        self._interface = interface
        self._joined: dict[MulticastGroup, tuple[asyncio.AbstractEventLoop, socket.socket]] = {}

    @property
    def groups(self) -> frozenset[MulticastGroup]:
        """The groups that are joined."""
        return frozenset(self._joined)

    def join(self, group: MulticastGroup) -> None:
        """Starts to receive from ``group``; nothing happens when it is joined. Needs a running event loop.

        :raises LocalError: no such interface, or the system refused.
        """
        if group in self._joined:
            return
        loop = asyncio.get_running_loop()
        ears = _socket(group)
        try:
            _listen(ears, group, self._interface)
        except OSError as error:
            ears.close()
            raise _refused(f"cannot join {group} on {self._interface}", error) from error
        self._joined[group] = loop, ears
        loop.add_reader(ears, self._read, ears, group)

    def leave(self, group: MulticastGroup) -> None:
        """Stops at once; nothing happens when ``group`` is not joined."""
        found = self._joined.pop(group, None)
        if found is not None:
            loop, ears = found
            loop.remove_reader(ears)
            ears.close()

    def close(self) -> None:
        """Leaves every group."""
        for group in tuple(self._joined):
            self.leave(group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, ears: socket.socket, group: MulticastGroup) -> None:
        for _ in range(_BATCH):
            # The callback may have left the group.
            if ears.fileno() < 0:
                return
            try:
                octets, source = ears.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            self._on_packet(octets, (source[0], source[1]), group)


def _refused(what: str, error: OSError) -> LocalError:
    """Our error for the system's refusal."""
    return LocalError(
        f"{what}: {error.strerror or error}",
        code="net.multicast",
        hint="the interface must be up and have a route for multicast; for IPv6 on loopback: "
        "ip -6 route add local ff00::/8 dev lo table local",
    )


def _socket(group: MulticastGroup) -> socket.socket:
    family = socket.AF_INET if group.address.version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


def _aim(made: socket.socket, group: MulticastGroup, interface: str, ttl: int, source: str | None) -> None:
    """Connects a sending socket to ``group`` through ``interface``."""
    index = socket.if_nametoindex(interface)
    if group.address.version == 4:
        # Without a bound address the system may choose that of another interface.
        made.bind((source or _address_of(made, interface), 0))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", _ANY, _ANY, index))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        made.connect((str(group.address), group.port))
    else:
        if source:
            made.bind((source, 0))
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        made.connect((str(group.address), group.port, 0, index))


def _listen(made: socket.socket, group: MulticastGroup, interface: str) -> None:
    """Binds a socket to ``group`` and joins it on ``interface``.

    It is bound to the group's address, so it gets nothing else; and with MULTICAST_ALL off it gets nothing that
    another socket joined on another interface.
    """
    index = socket.if_nametoindex(interface)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    packed = group.address.packed
    if group.address.version == 4:
        made.bind((str(group.address), group.port))
        made.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        made.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", packed, _ANY, index)
        )
    else:
        made.bind((str(group.address), group.port, 0, index))
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("I", index))


def _address_of(made: socket.socket, interface: str) -> str:
    """The IPv4 address of an interface (netdevice(7))."""
    request = struct.pack("16s24x", interface.encode()[:15])
    return socket.inet_ntoa(fcntl.ioctl(made, _SIOCGIFADDR, request)[20:24])
