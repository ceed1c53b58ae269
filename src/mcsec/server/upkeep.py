"""What a server does by itself: at its start, and when something is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from math import inf

from mcsec.errors import McsecError
from mcsec.keys.events import Event
from mcsec.keys.key import DEFAULT
from mcsec.server import csk_update, keymaking
from mcsec.server.beginning import Beginning, Watch, answer, by_the_clock
from mcsec.server.events import ClockJumped
from mcsec.server.function import Done, Function
from mcsec.store.database import StoreError

#: Seconds between looks at registrations that are over, and at the longest between looks at keys.
_LOOK = 5.0


class Upkeep:
    """Switches, renewals and expiries: :meth:`begin` does what is overdue, :meth:`run` goes on for ever."""

    def __init__(
        self,
        function: Function,
        watch: Watch,
        longest: float,
        carry_out: Callable[[Done], Awaitable[None]],
        tell: Callable[[Iterable[Event]], None],
        failed: Callable[[McsecError], None],
        clock: Callable[[], float],
    ) -> None:
        """:param longest: seconds that a delivery waits at the longest while its client is there.
        :param failed: told what did not work and is tried again.
        """
        self._function, self._watch, self._longest = function, watch, longest
        self._carry_out, self._tell, self._failed, self._clock = carry_out, tell, failed, clock

    async def begin(self, found: Beginning) -> None:
        """Go on where the server before was; what it did not come to is done now."""
        function, now = self._function, self._clock()
        self._watch.jump(now, time.monotonic())
        done = answer(function, found, now)
        done += keymaking.poll(function, now)
        done += by_the_clock(function, now, self._longest)
        done += keymaking.expire_users(function, now)
        if function.settings.default_musik and None not in function.engine.keydown.musiks:
            done += keymaking.make_musik(function, DEFAULT, now)
        await self._carry_out(done)
        await self._watch.note(self._clock(), self._failed)

    async def run(self) -> None:
        """Do what is due, when it is."""
        looked = self._clock()
        while True:
            due = self._function.engine.next_timer()
            now = self._clock()
            await asyncio.sleep(_LOOK if due is None else min(max(due - now, 0.01), _LOOK))
            now = self._clock()
            with suppress(StoreError):
                if jumped := self._watch.jump(now, time.monotonic()):
                    looked = -inf
                    self._tell([ClockJumped(now, jumped)])
                    await self._carry_out(by_the_clock(self._function, now, self._longest))
                await self._carry_out(keymaking.poll(self._function, now))
                if now - looked >= _LOOK:
                    looked = now
                    await self._carry_out(keymaking.expire_users(self._function, now))
                    await self._carry_out(csk_update.replace_outdated_csks(self._function, now))
                    await self._watch.note(self._clock(), self._failed)
