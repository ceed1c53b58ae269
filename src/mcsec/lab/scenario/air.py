"""What is on the air of a bearer, as anybody with a receiver records it: the subchannels that it may use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.kinds import Traffic
from mcsec.lab.air import Heard
from mcsec.lab.scenario.site import BearerWish
from mcsec.net.multicast import MulticastGroup, MulticastReceiver, Source

#: Calls that the tap can follow at a time.
_CALLS = 4


class Tap:
    """A receiver that belongs to nobody.

    :ivar heard: every datagram, in order.
    """

    def __init__(self, wish: BearerWish) -> None:
        self.heard: list[Heard] = []
        self._traffic = {MulticastGroup(wish.address, wish.port): Traffic.SUBCHANNEL_CONTROL}
        for number in range(_CALLS):
            media = wish.port + 2 + 2 * number
            self._traffic[MulticastGroup(wish.address, media)] = Traffic.GROUP_MEDIA
            self._traffic[MulticastGroup(wish.address, media + 1)] = Traffic.MBMS_FLOOR

    def of(self, *kinds: Traffic) -> list[bytes]:
        """The datagrams of some classes of traffic."""
        return [one.octets for one in self.heard if one.traffic in kinds]

    def keys(self, *kinds: Traffic) -> set[KeyId]:
        """The keys that the MKIs of the datagrams name."""
        return {_key_of(one.octets, one.traffic) for one in self.heard if one.traffic in kinds}

    def record(self, octets: bytes, source: Source, group: MulticastGroup) -> None:
        """A datagram came."""
        to = (str(group.address), group.port)
        self.heard.append(Heard(time.time(), self._traffic[group], source, to, octets))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Records within the block."""
        receiver = MulticastReceiver(self.record)
        try:
            for group in self._traffic:
                receiver.join(group)
            yield
        finally:
            receiver.close()


def _key_of(octets: bytes, traffic: Traffic) -> KeyId:
    """The key ID at the head of the MKI, which is the packet's end: 4 octets, with a GMK 8."""
    end = octets[-8:-4] if traffic is Traffic.GROUP_MEDIA else octets[-4:]
    return KeyId.decode(end)


def tags(keys: set[KeyId]) -> set[PurposeTag]:
    """The kinds of keys."""
    return {key.tag for key in keys}
