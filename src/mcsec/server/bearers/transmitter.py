"""What goes on the bearers: packets by MB2-U, and a sign of life on each general purpose subchannel.

A client says that it listens when something authentic came on the general purpose subchannel, and that it does not when
nothing came for a while (TS 24.379 14.3.3). So something is said there all the time, under the MSCCK: which bearer this
is (MBMS bearer announcement, TS 24.380 8.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from mcsec.crypto.srtp import BearerPacket
from mcsec.errors import InvalidValue, McsecError
from mcsec.keys.kinds import Traffic
from mcsec.net.mb2u import Mb2uSender, Place
from mcsec.server.bearers.joint import Joint, OnAir
from mcsec.server.service import McServer
from mcsec.server.signalling import OnBearer
from mcsec.wire.mb2.userplane import Encapsulation
from mcsec.wire.rtcp.subchannel import BearerAnnouncement


@dataclass(frozen=True, slots=True)
class _Way:
    air: OnAir
    sender: Mb2uSender


class Transmitter:
    """Sends on the bearers that a joint has on the air. Use it as an async context manager, inside the joint's."""

    def __init__(
        self,
        server: McServer,
        joint: Joint,
        source: Place,
        encapsulation: Encapsulation = Encapsulation.IP,
        sign_of_life: float = 2.0,
    ) -> None:
        """:param source: the inner source of the packets. :param sign_of_life: seconds between signs on each bearer."""
        self._server, self._joint = server, joint
        self._source, self._encapsulation, self._interval = source, encapsulation, sign_of_life
        self._ways: dict[str, _Way] = {}
        self._saying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._saying = asyncio.create_task(self._say_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._saying is not None
        self._saying.cancel()
        await asyncio.gather(self._saying, return_exceptions=True)
        for way in self._ways.values():
            way.sender.close()
        self._ways.clear()

    def send(self, name: str, packet: BearerPacket, destination: Place) -> None:
        """One packet for everyone on the bearer ``name``, to a multicast group of it; sent once.

        :raises InvalidValue: the bearer is not on the air. :raises LocalError: there is no way to the BM-SC.
        :raises Forbidden: neither protected nor media that is passed on.
        """
        air = self._joint.on_air.get(name)
        if air is None:
            raise InvalidValue(f"bearer {name} is not on the air", code="bearer.not-on-air")
        self._sender(name, air).send(packet, destination)

    def counts(self, name: str) -> Mapping[str, int]:
        """What went to the BM-SC since the bearer is on the air."""
        way = self._ways.get(name)
        if way is None:
            return {"packets": 0, "octets": 0, "dropped": 0}
        return {"packets": way.sender.sent, "octets": way.sender.octets, "dropped": way.sender.dropped}

    async def say(self) -> None:
        """A sign of life on every bearer on the air, for those who hold its key."""
        for name, air in list(self._joint.on_air.items()):
            engine, tmgi = self._server.function.engine, air.tmgi
            if str(tmgi) not in engine.keydown.msccks:
                continue  # It is announced in a moment.
            sign = BearerAnnouncement(ssrc=engine.ssrc(Traffic.SUBCHANNEL_CONTROL, tmgi), tmgis=(tmgi,))
            sent = await self._server.send(partial(engine.subchannel, tmgi, sign))
            if isinstance(sent, OnBearer) and self._joint.on_air.get(name) == air:
                self.send(name, sent.packet, self._joint.place(name))

    # --- inside

    def _sender(self, name: str, air: OnAir) -> Mb2uSender:
        way = self._ways.get(name)
        if way is None or way.air.mb2u != air.mb2u:
            if way is not None:
                way.sender.close()
            sender = Mb2uSender(air.mb2u, source=self._source, encapsulation=self._encapsulation)
            way = self._ways[name] = _Way(air, sender)
        return way.sender

    async def _say_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            for name in self._ways.keys() - self._joint.on_air.keys():
                self._ways.pop(name).sender.close()
            try:
                await self.say()
            except McsecError as error:
                self._server.tell_failure(error)
