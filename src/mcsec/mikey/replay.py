"""Memory of the messages that were received, bounded, so that none is acted on twice.

A message is known by a digest of its signed octets: an ECCSI signature can be altered and stay valid (s and
q - s), what it signs cannot. Only messages with a good signature get here, so strangers cannot fill the
memory.
"""

from __future__ import annotations

import heapq
import math
from threading import Lock

from mcsec.errors import InvalidValue
from mcsec.mikey.refusals import REPLAYED

#: Remembers a key download from each of 65,536 peers within the window, in about 10 MB.
DEFAULT_LIMIT = 65_536


class ReplayCache:
    """Remembers digests until their timestamps have left the freshness window.

    When ``limit`` digests are held, the one with the oldest timestamp is forgotten, and from then on
    everything up to that timestamp counts as replayed: a full memory narrows the window, it never lets a
    replay through.

    ``not_before`` (Unix seconds) is such a floor from the start: a receiver that restarts with an empty
    memory passes the time of its start.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT, not_before: float = -math.inf) -> None:
        if limit < 1:
            raise InvalidValue("a replay cache remembers at least one message")
        self._limit = limit
        self._floor = not_before
        self._by_time: list[tuple[float, bytes]] = []
        self._known: set[bytes] = set()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def floor(self) -> float:
        """Messages with a timestamp up to this one are refused."""
        return self._floor

    def admit(self, digest: bytes, timestamp: float, horizon: float) -> None:
        """Remember a message, whose signature was verified, by the digest of its signed octets.

        :param timestamp: the message's own, Unix seconds.
        :param horizon: messages with older timestamps are refused as stale, so they need not be remembered.
        :raises Replayed: it is known, or too old to tell.
        """
        # Messages may be opened on several threads; the question and the answer must be one step.
        with self._lock:
            self._admit(digest, timestamp, horizon)

    def _admit(self, digest: bytes, timestamp: float, horizon: float) -> None:
        while self._by_time and self._by_time[0][0] < horizon:
            self._known.discard(heapq.heappop(self._by_time)[1])
        if timestamp <= self._floor:
            raise REPLAYED.because("the message is older than what the replay cache remembers")
        if digest in self._known:
            raise REPLAYED.because("the message was received before")
        self._known.add(digest)
        heapq.heappush(self._by_time, (timestamp, digest))
        if len(self._known) > self._limit:
            self._floor, forgotten = heapq.heappop(self._by_time)
            self._known.discard(forgotten)
