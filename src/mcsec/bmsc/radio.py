"""The air between the BM-SC and the clients: coverage, loss, delay, reordering and duplication, by chance and seed."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from mcsec.bmsc.config import Cell
from mcsec.bmsc.userplane import Broadcast

#: Broadcasts under way at most; the air holds no more.
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Emission:
    """One datagram as one cell sends it."""

    cell: Cell
    broadcast: Broadcast


class Radio:
    """All cells. The same seed and the same broadcasts give the same emissions at the same times."""

    def __init__(self, cells: Iterable[Cell], seed: int) -> None:
        self._cells = tuple(cells)
        self._chance = {cell.name: Random(f"{seed}/{cell.name}") for cell in self._cells}  # noqa: S311  # it is weather
        self._silent: set[str] = set()
        self._under_way: list[tuple[float, int, Emission]] = []
        self._numbers = itertools.count()
        self.counters: Counter[str] = Counter()

    def cover(self, name: str, covered: bool) -> None:
        """Switch a cell's coverage on or off."""
        if covered:
            self._silent.discard(name)
        else:
            self._silent.add(name)

    def covers(self, name: str) -> bool:
        """Whether a cell sends."""
        return name not in self._silent

    def broadcast(self, broadcast: Broadcast, now: float) -> None:
        """Send in every cell that covers one of the areas."""
        for cell in self._cells:
            if cell.areas.isdisjoint(broadcast.areas) or cell.name in self._silent:
                continue
            chance = self._chance[cell.name]
            if chance.random() < cell.loss:
                self.counters["lost"] += 1
                continue
            self._send(Emission(cell, broadcast), chance, now)
            if chance.random() < cell.duplicate:
                self.counters["duplicated"] += 1
                self._send(Emission(cell, broadcast), chance, now)

    def due(self, now: float) -> list[Emission]:
        """What reaches the clients by now, in order."""
        arrived: list[Emission] = []
        while self._under_way and self._under_way[0][0] <= now:
            arrived.append(heapq.heappop(self._under_way)[2])
        self.counters["sent"] += len(arrived)
        return arrived

    def next_timer(self) -> float | None:
        """When something reaches the clients."""
        return self._under_way[0][0] if self._under_way else None

    def _send(self, emission: Emission, chance: Random, now: float) -> None:
        if len(self._under_way) >= _MOST:
            self.counters["overflow"] += 1
            return
        cell = emission.cell
        when = now + cell.delay + (chance.uniform(0, cell.jitter) if cell.jitter else 0.0)
        if chance.random() < cell.reorder:
            self.counters["reordered"] += 1
            when += cell.reorder_delay
        heapq.heappush(self._under_way, (when, next(self._numbers), emission))
