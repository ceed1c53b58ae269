"""Time for machines that have no clock: one queue of deadlines."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable

Action = Callable[[float], None]


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
