"""The one place that knows the time of an endpoint and arms its one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcsec.net.timers import Timers


class Clock:
    """Runs :class:`Timers` on an event loop; ``after`` is called when some have run."""

    def __init__(self, after: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._after = after
        self._handle: asyncio.TimerHandle | None = None
        self.timers = Timers()

    def now(self) -> float:
        """Seconds of the event loop's clock."""
        return self._loop.time()

    def arm(self) -> None:
        """See to it that the earliest deadline is kept; call it after anything that may have set one."""
        due = self.timers.next()
        if due is None:
            return
        if self._handle is not None:
            # A timer that fires too early does no harm: it arms itself again.
            if self._handle.when() <= due:
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(due, self._fire)

    def close(self) -> None:
        """Let nothing fire any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self.timers.run(self.now())
        self._after()
        self.arm()
