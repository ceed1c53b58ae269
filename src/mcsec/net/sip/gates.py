"""Back-pressure: who wants to send waits in turn until the window of the next hop has room."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable

from mcsec.net.sip.window import SendWindow, WindowSettings

# Next hops whose windows are remembered while nothing is on the way to them.
_REMEMBERED = 4096


class Gate:
    """The window of one next hop with those who wait for it, first come first served."""

    def __init__(self, settings: WindowSettings) -> None:
        self.window = SendWindow(settings)
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def idle(self) -> bool:
        """Whether nothing is on the way and nobody waits."""
        return self.window.in_flight == 0 and not self._waiting

    async def enter(self) -> None:
        """Wait for room and take it; every entry ends with :meth:`answered` or :meth:`dropped`."""
        if self.window.free and not self._waiting:
            self.window.take()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.dropped()
            raise

    def answered(self, now: float) -> None:
        """A request was answered: room for another."""
        self.window.answered(now)
        self._admit()

    def dropped(self) -> None:
        """A request is given up: room for another."""
        self.window.dropped()
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.window.free:
            turn = self._waiting.popleft()
            if not turn.done():
                self.window.take()
                turn.set_result(None)


class Gates:
    """The gates of all next hops."""

    def __init__(self, settings: WindowSettings) -> None:
        self._settings = settings
        self._gates: dict[Hashable, Gate] = {}

    def of(self, hop: Hashable) -> Gate:
        """The gate of a next hop; made when it is asked for first."""
        gate = self._gates.get(hop)
        if gate is None:
            if len(self._gates) >= _REMEMBERED:
                self._gates = {key: gate for key, gate in self._gates.items() if not gate.idle}
            gate = self._gates[hop] = Gate(self._settings)
        return gate
