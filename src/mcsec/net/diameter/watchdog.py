"""The watchdog of RFC 3539 3.4.1, as a table and the little state beside it.

One departure: opening connections is not its business. The peer's machine dials again by its own back-off, so the
rows that attempt to open on a timer are not here.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final


class Status(StrEnum):
    """How far the peer is trusted to be there."""

    INITIAL = "initial"
    OKAY = "okay"
    SUSPECT = "suspect"
    DOWN = "down"
    REOPEN = "reopen"


class Signal(StrEnum):
    """What happens to the watchdog. Its conditions on Pending and NumDWA are part of the signal."""

    UP = "connection up"
    DOWN = "connection down"
    DWA = "DWA"
    THIRD_DWA = "third DWA after reopening"
    OTHER = "another message"
    TIMER = "timer, no DWR pending"
    UNANSWERED = "timer, DWR pending"
    UNANSWERED_AGAIN = "timer, DWR pending for the second time after reopening"


class Do(StrEnum):
    """What the owner of the watchdog does."""

    SEND = "send DWR"
    FAIL_OVER = "fail over"
    FAIL_BACK = "fail back"
    CLOSE = "close"


S, G = Status, Signal

WATCHDOG: Final[dict[Status, dict[Signal, tuple[Status, tuple[Do, ...]]]]] = {
    S.INITIAL: {G.UP: (S.OKAY, ())},
    S.OKAY: {
        G.DWA: (S.OKAY, ()),
        G.OTHER: (S.OKAY, ()),
        G.TIMER: (S.OKAY, (Do.SEND,)),
        G.UNANSWERED: (S.SUSPECT, (Do.FAIL_OVER,)),
        G.DOWN: (S.DOWN, ()),
    },
    S.SUSPECT: {
        G.DWA: (S.OKAY, (Do.FAIL_BACK,)),
        G.OTHER: (S.OKAY, (Do.FAIL_BACK,)),
        G.TIMER: (S.DOWN, (Do.CLOSE,)),
        G.UNANSWERED: (S.DOWN, (Do.CLOSE,)),
        G.DOWN: (S.DOWN, ()),
    },
    S.REOPEN: {
        G.DWA: (S.REOPEN, ()),
        G.THIRD_DWA: (S.OKAY, (Do.FAIL_BACK,)),
        G.OTHER: (S.REOPEN, ()),
        G.TIMER: (S.REOPEN, (Do.SEND,)),
        G.UNANSWERED: (S.REOPEN, ()),
        G.UNANSWERED_AGAIN: (S.DOWN, (Do.CLOSE,)),
        G.DOWN: (S.DOWN, ()),
    },
    S.DOWN: {G.UP: (S.REOPEN, (Do.SEND,))},
}

_DWAS_TO_REOPEN = 3


class Watchdog:
    """One connection's watchdog. ``deadline`` is when to call :meth:`expire`; it moves with every message."""

    def __init__(self, interval: float, jitter: float, random: Random) -> None:
        self.status = Status.INITIAL
        self.deadline = 0.0
        self._interval, self._jitter, self._random = interval, jitter, random
        self._wait = interval
        self._pending = False
        self._answers = 0

    def reset(self) -> None:
        """The peer said good-bye properly: it starts afresh when it comes back."""
        self.status = Status.INITIAL

    def connection_up(self, now: float) -> tuple[Do, ...]:
        """Capabilities are exchanged."""
        self._pending, self._answers = False, 0
        return self._run(Signal.UP, now)

    def connection_down(self, now: float) -> None:
        """The connection is gone."""
        self._run(Signal.DOWN, now)

    def received(self, now: float, *, dwa: bool = False) -> tuple[Do, ...]:
        """A message arrived."""
        if not dwa:
            if self.status is Status.OKAY:  # what nearly every message comes to
                self.deadline = now + self._wait
                return ()
            return self._run(Signal.OTHER, now)
        self._pending = False
        self._answers += 1
        third = self.status is Status.REOPEN and self._answers >= _DWAS_TO_REOPEN
        return self._run(Signal.THIRD_DWA if third else Signal.DWA, now)

    def probe(self, now: float) -> tuple[Do, ...]:
        """Ask at once, unless a question is open already."""
        if self._pending or self.status not in (Status.OKAY, Status.REOPEN):
            return ()
        return self._run(Signal.TIMER, now)

    def expire(self, now: float) -> tuple[Do, ...]:
        """The deadline has come."""
        if not self._pending:
            return self._run(Signal.TIMER, now)
        if self.status is Status.REOPEN:
            if self._answers < 0:
                return self._run(Signal.UNANSWERED_AGAIN, now)
            self._answers = -1
        return self._run(Signal.UNANSWERED, now)

    def _run(self, signal: Signal, now: float) -> tuple[Do, ...]:
        row = WATCHDOG[self.status].get(signal)
        if row is None:
            return ()
        reopening = self.status is Status.REOPEN
        self.status, actions = row
        if Do.SEND in actions:
            self._pending = True
        # While reopening, only the timer's own rows set it again: the peer must prove itself over time.
        if not (reopening and signal in (Signal.DWA, Signal.OTHER)):
            self._wait = self._interval + self._random.uniform(-self._jitter, self._jitter)
            self.deadline = now + self._wait
        return actions
