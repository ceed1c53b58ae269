"""The multicast sockets of a process, shared by all its clients: one socket for each address, whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Self

from mcsec.client.radio import Place
from mcsec.net.multicast import LOOPBACK, MulticastGroup, MulticastReceiver, Source

OnPacket = Callable[[bytes], None]


class Airwaves:
    """Joins a multicast group for the first listener, and leaves it after the last. A context manager."""

    def __init__(self, interface: str = LOOPBACK) -> None:
        self._receiver = MulticastReceiver(self._heard, interface=interface)
        self._listeners: dict[MulticastGroup, dict[Hashable, OnPacket]] = {}

    @property
    def groups(self) -> frozenset[MulticastGroup]:
        """What is joined."""
        return self._receiver.groups

    def join(self, place: Place, listener: Hashable, on_packet: OnPacket) -> None:
        """Let ``listener`` have every datagram that comes to ``place``.

        :raises InvalidValue: no multicast address or no port.
        :raises LocalError: the system refused.
        """
        group = MulticastGroup(*place)
        self._receiver.join(group)
        self._listeners.setdefault(group, {})[listener] = on_packet

    def leave(self, place: Place, listener: Hashable) -> None:
        """No more for ``listener``; nothing happens when it had not joined."""
        group = next((joined for joined in self._listeners if (joined.address, joined.port) == place), None)
        if group is None:
            return
        self._listeners[group].pop(listener, None)
        if not self._listeners[group]:
            del self._listeners[group]
            self._receiver.leave(group)

    def close(self) -> None:
        """Leave everything."""
        self._listeners.clear()
        self._receiver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _heard(self, octets: bytes, source: Source, group: MulticastGroup) -> None:
        # A packet may make a listener join or leave.
        for on_packet in tuple(self._listeners.get(group, {}).values()):
            on_packet(octets)
