"""An event loop whose clock stands still while its process does.

A test has both ends of a conversation in one process, and timers that are scaled down. When a loaded machine stops
that process for two seconds, neither end has been slow: the clock of this loop says so, and no timer that guards
against a silent peer is due when the process goes on.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds for which the loop sleeps at most before it looks at the clock again.
_SLICE = 0.02

#: What passes between two looks at the clock counts up to here; the rest was taken from us.
_MOST = 0.05


class StallFreeClock:
    """Seconds that this process was awake."""

    def __init__(self, real: Callable[[], float] = time.monotonic) -> None:
        self._real = real
        self._seen = real()
        self._lost = 0.0

    def __call__(self) -> float:
        now = self._real()
        self._lost += max(0.0, now - self._seen - _MOST)
        self._seen = now
        return now - self._lost


class _Slices(selectors.DefaultSelector):
    """Sleeps in slices: a stop, wherever it falls, is seen as one."""

    def __init__(self, clock: StallFreeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        until = float("inf") if timeout is None else self._clock() + timeout
        while True:
            left = until - self._clock()
            found = super().select(max(0.0, min(left, _SLICE)))
            if found or left <= _SLICE:
                return found


class PatientLoop(asyncio.SelectorEventLoop):
    """The loop of every asynchronous test."""

    def __init__(self) -> None:
        self._stall_free = StallFreeClock()
        super().__init__(_Slices(self._stall_free))

    def time(self) -> float:
        """Seconds on the clock that leaves out stops."""
        return self._stall_free()


def run(work: Coroutine[Any, Any, T]) -> T:
    """As :func:`asyncio.run`, on such a loop: for tests that are not asynchronous themselves."""
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(work)
