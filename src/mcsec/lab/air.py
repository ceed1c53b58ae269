"""One bearer on this machine: MB2-U to the BM-SC, multicast on loopback from there, the clients that listen, and a tap
that records it all.

Three subchannels, each a socket of its own: general purpose (subchannel control), floor control, media. What cannot
go on the bearer goes to single clients by UDP.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Self

from mcsec.client.engine import ClientEngine
from mcsec.crypto.srtp import BearerPacket
from mcsec.ids import Tmgi
from mcsec.keys.events import Event
from mcsec.keys.kinds import Traffic
from mcsec.net.mb2u import Place
from mcsec.net.multicast import MulticastGroup, MulticastReceiver, Source
from mcsec.net.unicast import Address, UnicastEndpoint
from mcsec.server.signalling import OnBearer, Sent, ToClient

#: How long the last packet of a step may take to arrive.
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram as the tap recorded it."""

    time: float
    traffic: Traffic
    source: Source
    destination: Address
    octets: bytes


@dataclass(slots=True)
class Count:
    """Packets and octets of one path."""

    packets: int = 0
    octets: int = 0

    def add(self, size: int) -> None:
        """One more packet."""
        self.packets += 1
        self.octets += size


@dataclass(slots=True)
class _Ear:
    client: ClientEngine
    multicast: MulticastReceiver | None
    unicast: UnicastEndpoint
    heard: list[Event] = field(default_factory=list)


def subchannels() -> Mapping[Traffic, MulticastGroup]:
    """The multicast groups of a bearer: a fresh address and ports, so that two runs on one machine do not hear one
    another. The ports are below those that the system gives out by itself.
    """
    address = IPv4Address("239.192.0.0") + secrets.randbits(18)
    base = 20_000 + 4 * secrets.randbelow(3_000)
    return {
        Traffic.SUBCHANNEL_CONTROL: MulticastGroup(address, base),
        Traffic.MBMS_FLOOR: MulticastGroup(address, base + 1),
        Traffic.GROUP_MEDIA: MulticastGroup(address, base + 2),
    }


class Air:
    """The bearer ``tmgi`` for the call of one group.

    :ivar tap: every datagram that was heard, in order. :ivar counts: what was sent, by path.
    """

    def __init__(
        self,
        tmgi: Tmgi,
        groups: Mapping[Traffic, MulticastGroup],
        to_bearer: Callable[[BearerPacket, Place], None],
    ) -> None:
        """:param groups: the subchannels. :param to_bearer: takes each broadcast packet to the BM-SC."""
        self.tmgi = tmgi
        self.groups = groups
        self._to_bearer = to_bearer
        self.tap: list[Heard] = []
        self.counts: dict[str, Count] = {}
        self._tap = MulticastReceiver(self._record)
        self._ears: dict[str, _Ear] = {}
        self._server: UnicastEndpoint | None = None

    async def open(self) -> None:
        """Opens the server's unicast socket and the tap."""
        self._server = await UnicastEndpoint.open(lambda _octets, _source: None)
        for group in self.groups.values():
            self._tap.join(group)

    async def attend(self, client: ClientEngine) -> list[Event]:
        """``client`` takes part: it has a unicast socket from now on. What it hears goes into the list returned."""
        heard: list[Event] = []

        def on_unicast(octets: bytes, source: Address) -> None:
            self.tap.append(Heard(time.time(), Traffic.UNICAST_FLOOR, source, unicast.address, octets))
            heard.extend(client.control_packet(octets, Traffic.UNICAST_FLOOR, client.uri, time.time()))

        unicast = await UnicastEndpoint.open(on_unicast)
        self._ears[client.uri] = _Ear(client, None, unicast, heard)
        return heard

    async def overhear(self, client: ClientEngine, group: str) -> None:
        """``client`` listens to all three subchannels in the call of ``group``, invited or not."""
        heard = await self.attend(client)
        names = {
            Traffic.SUBCHANNEL_CONTROL: str(self.tmgi),
            Traffic.MBMS_FLOOR: group,
            Traffic.GROUP_MEDIA: group,
        }
        by_group = {self.groups[traffic]: (traffic, name) for traffic, name in names.items()}

        def on_multicast(octets: bytes, _source: Source, to: MulticastGroup) -> None:
            traffic, name = by_group[to]
            if traffic is Traffic.GROUP_MEDIA:
                heard.extend(client.media_packet(octets, name, time.time()))
            else:
                heard.extend(client.control_packet(octets, traffic, name, time.time()))

        receiver = MulticastReceiver(on_multicast)
        for to in by_group:
            receiver.join(to)
        self._ears[client.uri].multicast = receiver

    def leave(self, uri: str) -> None:
        """``uri`` stops listening."""
        ear = self._ears.pop(uri)
        if ear.multicast is not None:
            ear.multicast.close()
        ear.unicast.close()

    def heard(self, uri: str) -> list[Event]:
        """Everything that reached ``uri``, in order."""
        return self._ears[uri].heard

    def send(self, sent: Iterable[Sent], traffic: Traffic) -> list[Sent]:
        """Puts packets where they belong; gives back what was decided, refusals included."""
        done = list(sent)
        for one in done:
            if isinstance(one, OnBearer):
                self.broadcast(one.packet, traffic)
            elif isinstance(one, ToClient):
                assert self._server is not None, "open() comes first"
                self._server.send(one.packet, self._ears[one.client].unicast.address)
                self._count("unicast", len(one.packet.octets))
        return done

    def broadcast(self, packet: BearerPacket, traffic: Traffic) -> None:
        """One packet for everyone, sent once over MB2-U."""
        group = self.groups[traffic]
        self._to_bearer(packet, (group.address, group.port))
        self._count("bearer", len(packet.octets))

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Waits until ``condition`` holds; False when it does not in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        while not condition():
            if loop.time() > deadline:
                return False
            await asyncio.sleep(0.002)
        return True

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for uri in list(self._ears):
            self.leave(uri)
        self._tap.close()
        if self._server is not None:
            self._server.close()
        # Transports close in the next turn of the loop.
        await asyncio.sleep(0)

    def _record(self, octets: bytes, source: Source, group: MulticastGroup) -> None:
        traffic = next(traffic for traffic, known in self.groups.items() if known == group)
        self.tap.append(Heard(time.time(), traffic, source, (str(group.address), group.port), octets))

    def _count(self, path: str, size: int) -> None:
        self.counts.setdefault(path, Count()).add(size)
