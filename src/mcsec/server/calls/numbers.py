"""Numbers of legs, used again when a leg is over."""

from __future__ import annotations

from heapq import heappop, heappush


class Numbers:
    """Gives the lowest free number for a name, from 0.

    Legs of one client, or with one partner, that follow one another share a number and with it an SSRC, whose index
    counts on: there are no more SSRCs than there were legs at a time.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._free: dict[str, list[int]] = {}

    def take(self, name: str) -> int:
        """A number that nobody has."""
        free = self._free.get(name)
        if free:
            return heappop(free)
        number = self._next.get(name, 0)
        self._next[name] = number + 1
        return number

    def give_back(self, name: str, number: int) -> None:
        """A number that :meth:`take` gave is free."""
        heappush(self._free.setdefault(name, []), number)
