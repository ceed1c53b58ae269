"""Everything that leaves the sockets of this process, as somebody on the wire sees it, and what keys open of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.ids import KeyId
from mcsec.keys.key import Key
from mcsec.net.media_ports import Address
from mcsec.wire import rtcp

RTCP_APP = 204


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram as it was sent."""

    time: float
    source: Address
    to: Address
    octets: bytes

    @property
    def is_control(self) -> bool:
        """Whether it looks like an RTCP APP packet, which a protected one does too."""
        return len(self.octets) >= 8 and self.octets[0] >> 6 == 2 and self.octets[1] == RTCP_APP

    @property
    def in_clear(self) -> bool:
        """Whether its name stands where only a packet in clear has one."""
        return self.is_control and self.octets[8:12] in (b"MCPT", b"MCPC", b"MCMC", b"MCCP")

    @property
    def by_multicast(self) -> bool:
        return ip_address(self.to[0]).is_multicast

    def inside(self) -> bytes | None:
        """On MB2-U: what the IP packet in this datagram carries for the air."""
        whole = len(self.octets) > 28 and self.octets[0] == 0x45
        return self.octets[28:] if whole and self.octets[9] == socket.IPPROTO_UDP else None


@dataclass(frozen=True, slots=True)
class Opened:
    """A control packet, the key that opened it, and what is in it."""

    datagram: Datagram
    key: Key
    octets: bytes

    @property
    def messages(self) -> tuple[rtcp.Message, ...]:
        return rtcp.decode(self.octets)


@dataclass
class Wire:
    """What was sent since it began to listen. ``streams``: what went over TCP."""

    datagrams: list[Datagram] = field(default_factory=list)
    streams: list[bytes] = field(default_factory=list)
    keys: dict[KeyId, Key] = field(default_factory=dict)

    def know(self, keys: Iterable[Key]) -> None:
        """Keys that this test has for whoever holds them; a key that is given up later still opens what it opened."""
        self.keys |= {key.key_id: key for key in keys}

    def sent(self, source: socket.socket, octets: bytes, to: Address | None) -> None:
        if source.family not in (socket.AF_INET, socket.AF_INET6):
            return
        if source.type == socket.SOCK_DGRAM:
            where = source.getpeername() if to is None else to
            self.datagrams.append(Datagram(time.time(), source.getsockname()[:2], where[:2], bytes(octets)))
        else:
            self.streams.append(bytes(octets))

    def control(self, after: float = 0.0, *, on_air: bool = False) -> Iterator[Opened]:
        """Every control packet since ``after``, or only those by multicast.

        :raises AssertionError: one is in clear, or under no key that is known, or was changed.
        """
        for datagram in tuple(self.datagrams):
            if datagram.is_control and datagram.time >= after and (datagram.by_multicast or not on_air):
                assert not datagram.in_clear, datagram
                yield self._opened(datagram)

    def _opened(self, datagram: Datagram) -> Opened:
        key = self.keys.get(KeyId.decode(datagram.octets[-4:]))
        assert key is not None, f"under a key of nobody: {datagram}"
        # A fresh one for each: a packet is on the wire more than once, on MB2-U and on the air.
        receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
        receiver.add_key(*key.srtp_material())
        return Opened(datagram, key, receiver.unprotect(datagram.octets).octets)


def record(patch: pytest.MonkeyPatch) -> Wire:
    """Listens to every socket of this process until the test ends."""
    wire = Wire()
    # Not on the class that C has: sockets are of this one.
    sendto, send, sendmsg = socket.socket.sendto, socket.socket.send, socket.socket.sendmsg

    def noted_sendto(self: socket.socket, octets: bytes, *where: object) -> int:
        wire.sent(self, octets, where[-1])  # type: ignore[arg-type]  # the address stands last
        return sendto(self, octets, *where)  # type: ignore[call-overload, no-any-return]  # passed on

    def noted_send(self: socket.socket, octets: bytes, *flags: int) -> int:
        wire.sent(self, octets, None)
        return send(self, octets, *flags)

    patch.setattr(socket.socket, "sendto", noted_sendto)

    def noted_sendmsg(self: socket.socket, parts: Iterable[bytes], *more: object) -> int:
        parts = tuple(map(bytes, parts))
        wire.sent(self, b"".join(parts), None)
        return sendmsg(self, parts, *more)  # type: ignore[arg-type]  # passed on

    patch.setattr(socket.socket, "send", noted_send)
    patch.setattr(socket.socket, "sendmsg", noted_sendmsg)
    return wire
