"""Telling a copy from news: what comes on the legs of many users goes on a bearer once.

Floor Taken and Floor Idle have a number that their sender counts (TS 24.380 8.2.3.10), media packets a number of their
stream (RFC 3550 5.1). What is remembered is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from mcsec.wire.rtcp.floor import FloorIdle, FloorMessage, FloorTaken

_FLOOR, _MEDIA = 32, 256


class _Seen:
    """The last things that were seen."""

    def __init__(self, size: int) -> None:
        self._order: deque[Hashable] = deque()
        self._known: set[Hashable] = set()
        self._size = size

    def new(self, what: Hashable) -> bool:
        """Whether ``what`` was not seen before; it is from now on."""
        if what in self._known:
            return False
        self._known.add(what)
        self._order.append(what)
        if len(self._order) > self._size:
            self._known.discard(self._order.popleft())
        return True


class Copies:
    """What one call has sent on its bearers lately."""

    def __init__(self) -> None:
        self._floor = _Seen(_FLOOR)
        self._media = _Seen(_MEDIA)

    def floor_is_new(self, message: FloorMessage) -> bool:
        """Whether a message for everybody comes for the first time; any other is for one, and never new."""
        if not isinstance(message, FloorTaken | FloorIdle):
            return False
        return self._floor.new((type(message), message.sequence_number))

    def media_is_new(self, octets: bytes) -> bool:
        """Whether a media packet comes for the first time, by its SSRC and number; ``octets`` are 12 or more."""
        return self._media.new(octets[2:4] + octets[8:12])
