"""When a client looks at its keys and its bearers again: one timer for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from mcsec.client.engine import ClientEngine
from mcsec.client.radio import Output, RadioSide
from mcsec.keys.events import Event

#: Seconds after which they are looked at again in any case: packets and a set clock move what is due.
_LONGEST = 3600.0


class Timer:
    """Set by :meth:`arm` while it is started. When it is early, it is set again."""

    def __init__(
        self,
        engine: ClientEngine,
        radio: RadioSide,
        carry_out: Callable[[Iterable[Output]], None],
        on_event: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        """:param carry_out: does what the radio side wants."""
        self._engine, self._radio = engine, radio
        self._carry_out, self._tell, self._clock = carry_out, on_event, clock
        self._handle: asyncio.TimerHandle | None = None
        self._started = False

    def start(self) -> None:
        """From now on, look at what is due."""
        self._started = True
        self.arm()

    def stop(self) -> None:
        """Look at nothing any more."""
        self._started = False
        self.arm()

    def arm(self) -> None:
        """What is due may have moved."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        due = min(
            (timer for timer in (self._radio.next_timer(), self._engine.next_timer()) if timer is not None),
            default=None,
        )
        if due is not None and self._started:
            wait = max(0.0, due - self._clock())
            self._handle = asyncio.get_running_loop().call_later(min(wait, _LONGEST), self._poll)

    def _poll(self) -> None:
        self._handle = None
        now = self._clock()
        for event in self._engine.poll(now):
            self._tell(event)
        self._carry_out(self._radio.poll(now))
        self.arm()
