"""Who waits for the floor, in which order (TS 24.380 4.1.1.3)."""

from __future__ import annotations

from bisect import insort
from dataclasses import replace

from mcsec.server.floor.members import Waiting

_Place = tuple[tuple[bool, int, int, int], Waiting]


class FloorQueue:
    """At most one request of each participant. Who pre-empts comes first, then higher ranks, then who asked earlier."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._places: list[_Place] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, user: str) -> bool:
        return self.find(user) is not None

    @property
    def users(self) -> tuple[str, ...]:
        """Who waits, first to last."""
        return tuple(waiting.user for _, waiting in self._places)

    @property
    def full(self) -> bool:
        """Whether nobody more may wait."""
        return len(self._places) >= self.limit

    @property
    def head(self) -> Waiting | None:
        """Who is next."""
        return self._places[0][1] if self._places else None

    def find(self, user: str) -> Waiting | None:
        """The request of ``user``."""
        return next((waiting for _, waiting in self._places if waiting.user == user), None)

    def position(self, user: str) -> int | None:
        """The place of ``user``, counted from 1."""
        return next((place for place, (_, w) in enumerate(self._places, 1) if w.user == user), None)

    def put(self, waiting: Waiting) -> None:
        """``waiting`` takes its place; one that asks again keeps its turn unless its rank changed.

        Whether there is room is the caller's business: who pre-empts needs none.
        """
        known = self.find(waiting.user)
        if known is not None:
            waiting = replace(waiting, pre_emptive=waiting.pre_emptive or known.pre_emptive)
            if known.rank == waiting.rank and known.pre_emptive == waiting.pre_emptive:
                self._places = [(key, waiting if w is known else w) for key, w in self._places]
                return
            self.remove(waiting.user)
        self._count += 1
        urgency, priority = waiting.rank
        insort(
            self._places,
            ((not waiting.pre_emptive, -urgency, -priority, self._count), waiting),
            key=lambda place: place[0],
        )

    def take(self) -> Waiting:
        """Who is next leaves the queue."""
        return self._places.pop(0)[1]

    def remove(self, user: str) -> bool:
        """``user`` does not wait any more. Whether it did."""
        kept = [place for place in self._places if place[1].user != user]
        removed = len(kept) < len(self._places)
        self._places = kept
        return removed

    def clear(self) -> None:
        """Nobody waits any more."""
        self._places.clear()
