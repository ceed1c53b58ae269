"""Back into a call that the server lost: it was started again, another one took its place, or the way to it broke.

What the server knew of the floor is gone with it, so the call is made again by an INVITE. In a prearranged call one
INVITE is enough: the server invites the others. So whoever had made the call goes first, with the urgency that it had,
and those who had been invited call only where nobody invites them in time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from mcsec.client.calls.engine import Wish
from mcsec.client.calls.events import CallNotRejoined, CallRejoined
from mcsec.client.calls.service import McCall, OnAudio
from mcsec.client.calls.states import CallState
from mcsec.client.profile import RejoinTimes
from mcsec.client.publishing import ServiceRefused
from mcsec.errors import McsecError
from mcsec.keys.events import Event
from mcsec.net.sip.refreshing import Backoff

#: Refusals that another try would get too: no member, no such group, not wanted.
_FINAL = frozenset({403, 404, 603})


@dataclass(frozen=True, slots=True)
class _Lost:
    """A call that was lost: what was wanted of it, who listened, and whether it was made by us."""

    wish: Wish
    on_audio: OnAudio
    ours: bool
    since: float


class Rejoining:
    """The calls of one client that its server lost, until it is in them again."""

    def __init__(
        self,
        join: Callable[[Wish], Awaitable[McCall]],
        calls: Mapping[str, McCall],
        wanted: Callable[[str], bool],
        tell: Callable[[Event], None],
        clock: Callable[[], float],
        times: RejoinTimes,
    ) -> None:
        """:param calls: those that go on. :param wanted: whether the user still is to be in calls of a group."""
        self._join, self._calls, self._wanted = join, calls, wanted
        self._tell, self._clock, self._times = tell, clock, times
        self._lost: dict[str, _Lost] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def groups(self) -> frozenset[str]:
        """Whose calls are to be made again."""
        return frozenset(self._tasks)

    def lost(self, call: McCall) -> None:
        """A call is over, and nobody wanted that."""
        if self._times.within > 0 and call.group not in self._tasks:
            group, wish = call.group, replace(call.engine.wish, talk=False)
            self._lost[group] = _Lost(wish, call.on_audio, call.ours, self._clock())
            task = self._tasks[group] = asyncio.create_task(self._rejoin(self._lost[group]))
            task.add_done_callback(lambda _: self._forget(group))

    def adopt(self, call: McCall) -> None:
        """A call begins: who heard the one of before that was lost hears it."""
        before = self._lost.get(call.group)
        if before is not None:
            call.on_audio = before.on_audio

    async def stop(self) -> None:
        """The user wants no calls any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _rejoin(self, lost: _Lost) -> None:
        group, times = lost.wish.group, self._times
        # Nothing secret hangs on when which client tries.
        rng = random.Random()  # noqa: S311
        backoff = Backoff(rng, times.first, times.longest)
        await asyncio.sleep(rng.uniform(0.0, times.first) + (0.0 if lost.ours else times.first))
        while True:
            if not self._wanted(group):
                why = "the user is not in the group any more"
                break
            try:
                if await self._is_in(self._calls.get(group) or await self._join(lost.wish), lost):
                    self._tell(CallRejoined(self._clock(), group, self._clock() - lost.since))
                    return
                why = "it ended again"
            except TimeoutError:
                why = "nobody answered"
            except McsecError as error:
                why = str(error)
                if isinstance(error, ServiceRefused) and error.status in _FINAL:
                    break
            if self._left(lost) <= 0:
                break
            await asyncio.sleep(backoff.failed())
        self._tell(CallNotRejoined(self._clock(), group, why))

    async def _is_in(self, call: McCall, lost: _Lost) -> bool:
        """Whether it comes about: ours, or one that we are invited to meanwhile."""
        await call.until(
            lambda: call.state in (CallState.IN_CALL, CallState.OVER), max(self._left(lost), 0.0)
        )
        return call.state is CallState.IN_CALL

    def _left(self, lost: _Lost) -> float:
        return lost.since + self._times.within - self._clock()

    def _forget(self, group: str) -> None:
        del self._tasks[group], self._lost[group]
