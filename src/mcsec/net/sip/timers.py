"""Time for machines that have no clock: one queue of deadlines, and the durations of RFC 3261 17.1.1.1."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

Action = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Timings:
    """The base durations, in seconds (RFC 3261 table 4).

    ``t1``: estimated round trip, ``t2``: longest interval between retransmissions of a request that is no
    INVITE and of responses to INVITE, ``t4``: how long the network keeps a message. ``completed``: how long
    an INVITE client transaction absorbs retransmitted refusals on an unreliable transport (timer D).
    ``trying``: after which a server sends 100 by itself. ``spread``: share by which each retransmission is
    delayed at random, so that what was lost together does not come back together.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    completed: float = 32.0
    trying: float = 0.2
    spread: float = 0.1

    @property
    def lifetime(self) -> float:
        """64 * T1: after which an unanswered transaction has failed (timers B, F, H, J, L, M)."""
        return 64 * self.t1


DEFAULT_TIMINGS: Final = Timings()


class _Entry:
    __slots__ = ("action", "key", "number", "when")

    def __init__(self, when: float, number: int, key: Hashable, action: Action) -> None:
        self.when, self.number, self.key = when, number, key
        self.action: Action | None = action

    def __lt__(self, other: _Entry) -> bool:
        return (self.when, self.number) < (other.when, other.number)


class Timers:
    """Deadlines by key, run in order of time. Setting a key again replaces its deadline.

    Cancelled entries stay in the heap until they come up or are more than half of it, so that setting and
    cancelling cost a logarithm and memory follows what is live.
    """

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._live: dict[Hashable, _Entry] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._live

    def set(self, key: Hashable, when: float, action: Action) -> None:
        """Run ``action(now)`` when ``when`` has come."""
        self.cancel(key)
        self._count += 1
        entry = _Entry(when, self._count, key, action)
        self._live[key] = entry
        heapq.heappush(self._heap, entry)

    def cancel(self, key: Hashable) -> None:
        """Forget the deadline of ``key``; nothing happens when there is none."""
        entry = self._live.pop(key, None)
        if entry is None:
            return
        entry.action = None
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._live):
            self._heap = [entry for entry in self._heap if entry.action is not None]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """The earliest deadline."""
        heap = self._heap
        while heap and heap[0].action is None:
            heapq.heappop(heap)
        return heap[0].when if heap else None

    def run(self, now: float) -> None:
        """Run every action whose time has come; one that sets a deadline in the past runs at once too."""
        while (when := self.next()) is not None and when <= now:
            entry = heapq.heappop(self._heap)
            del self._live[entry.key]
            assert entry.action is not None
            entry.action(now)
