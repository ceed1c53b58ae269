"""Order in what arrives: RTP packets of a call in the order in which they were spoken, each once.

Sans-I/O. A packet that is missing is waited for a while; then the others go on without it. Copies, by the other path
around a switch between unicast and a bearer, are told by SSRC and sequence number and dropped (TS 24.380 10.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mcsec.errors import InvalidValue
from mcsec.wire.rtp import RtpHeader, RtpPacket

#: Streams that are remembered. A call has few talkers; what nobody talks on any more is forgotten first.
_STREAMS = 32
#: Steps between sequence numbers that are no longer one talk (RFC 3550 A.1: the sender started anew).
_JUMP = 3000


@dataclass(frozen=True, slots=True)
class Frame:
    """A payload in its place. ``lost``: packets before it that did not come. ``starts``: a talk burst begins."""

    ssrc: int
    payload_type: int
    timestamp: int
    payload: bytes
    starts: bool
    lost: int


@dataclass(slots=True)
class _Stream:
    # The next sequence number that is due, counted on over 16 bits.
    due: int
    used: float
    waiting: dict[int, tuple[RtpPacket, float]] = field(default_factory=dict)


class Arrival:
    """What arrives in one call.

    :ivar copies: packets that came again. :ivar late: packets that came when the others had gone on without them.
    :ivar lost: packets that were not waited for any longer.
    """

    def __init__(self, wait: float = 0.06, depth: int = 50) -> None:
        """:param wait: seconds that a missing packet is waited for. :param depth: packets that may wait meanwhile."""
        if wait < 0 or depth < 1:
            raise InvalidValue("a packet is waited for in no time before now", code="audio.wait")
        self._wait, self._depth = wait, depth
        self._streams: dict[int, _Stream] = {}
        self.copies = self.late = self.lost = 0

    def packet(self, packet: RtpPacket, now: float) -> list[Frame]:
        """One packet; the frames that can be heard now, in order."""
        header = packet.header
        stream = self._streams.get(header.ssrc)
        if stream is None:
            self._make_room()
            stream = self._streams[header.ssrc] = _Stream(header.sequence, now)
        stream.used = now
        ahead = _signed(header.sequence - stream.due)
        if abs(ahead) > _JUMP:
            frames = self._give_up(stream)
            stream.due, ahead = header.sequence, 0
        else:
            frames = []
        place = stream.due + ahead
        if place in stream.waiting:
            self.copies += 1
        elif ahead < 0:
            # Either a copy, or it was given up: the replay window in front of this tells genuine from forged.
            self.late += 1
        else:
            stream.waiting[place] = packet, now + self._wait
        return frames + self._release(stream, now)

    def poll(self, now: float) -> list[Frame]:
        """The frames that need not wait any longer for one that is missing."""
        return [frame for stream in self._streams.values() for frame in self._release(stream, now)]

    def flush(self) -> list[Frame]:
        """Everything that still waits: nothing more will come."""
        return [frame for stream in self._streams.values() for frame in self._give_up(stream)]

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        return min(
            (until for stream in self._streams.values() for _, until in stream.waiting.values()), default=None
        )

    # --- inside

    def _release(self, stream: _Stream, now: float) -> list[Frame]:
        frames: list[Frame] = []
        while stream.waiting:
            first = min(stream.waiting)
            _, until = stream.waiting[first]
            if first > stream.due and now < until and len(stream.waiting) <= self._depth:
                break
            frames.append(self._take(stream, first))
        return frames

    def _give_up(self, stream: _Stream) -> list[Frame]:
        return [self._take(stream, place) for place in sorted(stream.waiting)]

    def _take(self, stream: _Stream, place: int) -> Frame:
        packet, _ = stream.waiting.pop(place)
        lost, stream.due = place - stream.due, place + 1
        self.lost += lost
        header: RtpHeader = packet.header
        return Frame(header.ssrc, header.payload_type, header.timestamp, packet.payload, header.marker, lost)

    def _make_room(self) -> None:
        if len(self._streams) >= _STREAMS:
            del self._streams[min(self._streams, key=lambda ssrc: self._streams[ssrc].used)]


def _signed(difference: int) -> int:
    """A difference of two numbers of 16 bits, from -32768 to 32767."""
    return (difference + 0x8000 & 0xFFFF) - 0x8000
