"""The bearers that calls go on: which are on the air, their subchannels, and sending there once for everybody.

Calls ask for nothing but this; :class:`JointAir` takes it from the server's bearers (MB2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mcsec.crypto.srtp import BearerPacket
from mcsec.errors import McsecError
from mcsec.ids import Tmgi
from mcsec.net.mb2u import Place
from mcsec.server.bearers.joint import Joint
from mcsec.server.bearers.transmitter import Transmitter
from mcsec.wire.rtcp.subchannel import MbmsSubchannel

#: m-lines of our announcements (:func:`mcsec.wire.sdp_mcptt.announcement`): general purpose, audio, floor.
AUDIO_LINE, FLOOR_LINE = 2, 3
#: Subchannels of one bearer, each with a media and a floor port above the general purpose one.
SUBCHANNELS = 64


class Air(Protocol):
    """Bearers, by the names that the server has for them."""

    def bearers(self) -> Mapping[str, Tmgi]:
        """What is on the air now."""

    def place(self, bearer: str) -> Place:
        """The general purpose subchannel of a bearer.

        :raises InvalidValue: it is not on the air.
        """

    def send(self, bearer: str, packet: BearerPacket, to: Place) -> None:
        """One packet for everybody on a bearer, once; lost where the bearer is gone."""


class NoAir:
    """A server without bearers."""

    def bearers(self) -> Mapping[str, Tmgi]:
        """None."""
        return {}

    def place(self, bearer: str) -> Place:
        """There is none."""
        raise KeyError(bearer)

    def send(self, bearer: str, packet: BearerPacket, to: Place) -> None:
        """There is nowhere to send."""


class JointAir:
    """The bearers of MB2.

    :ivar lost: packets for a bearer that was gone already.
    """

    def __init__(self, joint: Joint, transmitter: Transmitter) -> None:
        self._joint, self._transmitter = joint, transmitter
        self.lost = 0

    def bearers(self) -> Mapping[str, Tmgi]:
        """What is on the air now."""
        return {name: air.tmgi for name, air in self._joint.on_air.items()}

    def place(self, bearer: str) -> Place:
        """The general purpose subchannel of a bearer."""
        return self._joint.place(bearer)

    def send(self, bearer: str, packet: BearerPacket, to: Place) -> None:
        """One packet, once."""
        try:
            self._transmitter.send(bearer, packet, to)
        except McsecError:
            # MB2-C tells that the bearer is gone, and what follows goes by unicast.
            self.lost += 1


class Subchannels:
    """Which subchannels of the bearers are in use."""

    def __init__(self, air: Air) -> None:
        self._air = air
        self._taken: dict[str, set[int]] = {}

    def assign(self, bearer: str) -> MbmsSubchannel | None:
        """A free one; None: there is none, or the bearer is gone."""
        if bearer not in self._air.bearers():
            return None
        address, port = self._air.place(bearer)
        taken = self._taken.setdefault(bearer, set())
        for number in range(SUBCHANNELS):
            media = port + 2 + 2 * number
            if number not in taken and media < 0xFFFF:
                taken.add(number)
                return MbmsSubchannel(AUDIO_LINE, FLOOR_LINE, address, media, media + 1)
        return None

    def free(self, bearer: str, channel: MbmsSubchannel) -> None:
        """A call gave it back."""
        taken = self._taken.get(bearer, set())
        if bearer in self._air.bearers():
            taken.discard((channel.media_port - self._air.place(bearer)[1] - 2) // 2)
        else:
            taken.clear()
