"""A server killed with -9 at random moments: while it starts, while keys change, while calls go on.

Everything that is random comes from one seed, which every failure names. Moments of another machine are others all the
same: the seed gives their plan back, not the processes' timing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from mcsec.client.audio import speech
from mcsec.client.calls.states import CallState
from mcsec.client.events import MediaHeard
from mcsec.errors import McsecError
from support.crash_domain import GROUP, OTHER, CrashDomain, User
from support.crash_evidence import Acknowledged, Captures, look_at_store, nothing_is_lost
from support.waiting import PATIENCE, patience, until

#: Seconds after the work began within which the server is killed.
_WORK = 1.5
#: One in so many kills comes before the server is ready.
_STARTING = 3
#: Seconds that an order may be unanswered after the kill.
_PATIENCE = 3.0


@dataclass
class Crashes:
    """One run.

    :ivar done: how often each kind of work was acknowledged. :ivar killed: how many kills there were, by what was
        going on. ``ordered``: whether a revoked key is still to be followed.
    """

    domain: CrashDomain
    rng: Random
    captures: Captures
    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    done: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    ordered: bool = False
    _start: float = 1.0

    async def run(self, kills: int) -> None:
        """Kill the server so often; in the end everybody is served.

        :raises AssertionError: something that must hold does not; it names the kill.
        """
        for number in range(kills):
            try:
                if self.domain.alive and self.rng.randrange(_STARTING):
                    await self._kill_at_work()
                else:
                    await self._kill_at_start()
                await self._examine()
                if self.domain.alive:
                    await self._settle()
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"kill {number + 1}: {error!r}") from error
        if not self.domain.alive:
            await self._begin()
            await self._settle()
        await self.call()
        self.captures.look()
        assert not self.refused, self.refused

    async def call(self) -> None:
        """One calls the others, who hear it; then the call is left.

        :raises AssertionError: somebody did not.
        """
        first, *others = self.domain.users
        for user in others:
            user.events.clear()
        call = await first.client.call(GROUP)
        await until(lambda: all(_in_call(user) for user in others), "everybody is in a call")
        await call.talk(speech.synthesise(0.2), within=PATIENCE)
        await until(lambda: all(user.of(MediaHeard) for user in others), "everybody hears a call")
        for user in self.domain.users:
            if GROUP in user.client.calls:
                await user.client.calls[GROUP].leave()

    # --- the kills

    async def _kill_at_work(self) -> None:
        moment = self.rng.uniform(0, _WORK)
        work = [asyncio.create_task(self._work()), asyncio.create_task(self._converse())]
        await asyncio.sleep(moment)
        assert self.domain.alive, "the server ended by itself"
        await self.domain.kill()
        self.killed["at work"] += 1
        await asyncio.wait(work, timeout=_PATIENCE)
        for task in work:
            task.cancel()
        for ended in await asyncio.gather(*work, return_exceptions=True):
            assert not isinstance(ended, AssertionError), ended

    async def _kill_at_start(self) -> None:
        if self.domain.alive:
            await self.domain.kill()
        await self.domain.spawn()
        await asyncio.sleep(self.rng.uniform(0, 1.3 * self._start))
        await self.domain.kill()
        self.killed["at the start"] += 1

    async def _examine(self) -> None:
        """Between two servers: what was sent, and what is written down; then the next one starts."""
        self.captures.look()
        state, lines = await look_at_store(self.domain.config)
        nothing_is_lost(self.domain, self.acknowledged, state, lines)
        self.captures.revoked |= self.acknowledged.revoked
        if self.rng.randrange(_STARTING):
            await self._begin()

    async def _begin(self) -> None:
        began = time.monotonic()
        await self.domain.spawn()
        await self.domain.ready()
        self._start = time.monotonic() - began

    async def _settle(self) -> None:
        if self.ordered:
            # An operator who revoked a key and was told so orders another one when nothing was heard of it.
            await self._rotate()
        for user in self.domain.users:
            if user.groups is None:
                await self._until_it_can(user)
        await self.domain.converge()
        for user in self.domain.users:
            user.events.clear()

    async def _until_it_can(self, user: User) -> None:
        """A user whose change was not answered asks again."""
        async with patience():
            while user.groups is None:
                with suppress(McsecError):
                    await user.client.affiliate([GROUP])
                await asyncio.sleep(0.05)

    # --- the work

    async def _work(self) -> None:
        """What operators order and users ask, one after another, until nobody answers."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            self._rotate,
            self._rotate_default,
            self._rotate_mscck,
            self._replace_csk,
            self._revoke,
            self._affiliate,
            self._affiliate,
        ]
        while self.domain.alive:
            kind = self.rng.choice(kinds)
            try:
                await kind()
            except McsecError as error:
                # Only who is killed may leave something unanswered.
                with suppress(AssertionError):
                    await until(lambda: not self.domain.alive, seconds=5.0)
                if self.domain.alive:
                    self.refused.append(f"{kind.__name__}: {error!r}")
                return
            self.done[kind.__name__.strip("_")] += 1

    async def _musiks(self, group: str | None) -> list[dict[str, object]]:
        rows = await self.domain.keys()
        return [row for row in rows if row["kind"] == "MuSiK" and row["scope"] == ([group] if group else [])]

    async def _rotate(self) -> None:
        before = {str(row["key_id"]) for row in await self._musiks(GROUP)}
        await self.domain.order("POST", "/v1/keys/rotate", {"kind": "musik", "names": [GROUP]})
        self.ordered = False
        fresh = {str(row["key_id"]) for row in await self._musiks(GROUP)} - before
        assert fresh, "a rotation that was acknowledged made a key"
        self.acknowledged.made |= fresh

    async def _rotate_default(self) -> None:
        await self.domain.order("POST", "/v1/keys/rotate", {"kind": "musik", "names": []})

    async def _rotate_mscck(self) -> None:
        rows = [
            row for row in await self.domain.keys() if row["kind"] == "MSCCK" and row["state"] == "active"
        ]
        if rows:
            names = rows[0]["scope"]
            await self.domain.order("POST", "/v1/keys/rotate", {"kind": "mscck", "names": names})

    async def _replace_csk(self) -> None:
        user = self.rng.choice(self.domain.users)
        user.csk = None
        await self.domain.order("POST", "/v1/keys/rotate", {"kind": "csk", "names": [user.uri]})

    async def _revoke(self) -> None:
        rows = [row for row in await self._musiks(GROUP) if row["state"] in ("offered", "active")]
        if not rows:
            return
        key_id = str(self.rng.choice(rows)["key_id"])
        self.ordered = True
        await self.domain.order("POST", "/v1/keys/revoke", {"key_id": key_id, "reason": "a test"})
        self.acknowledged.revoked.add(key_id)
        await self._rotate()

    async def _affiliate(self) -> None:
        user = self.rng.choice(self.domain.users)
        wanted = [GROUP] if user.groups == {GROUP, OTHER} else [GROUP, OTHER]
        user.groups = None
        await user.client.affiliate(wanted)

    async def _converse(self) -> None:
        """Calls, and somebody who talks in them."""
        while self.domain.alive:
            with suppress(McsecError, TimeoutError):
                await self._talk(self.rng.choice(self.domain.users), self.rng.uniform(0.04, 0.3))
                self.done["talk"] += 1
                continue
            await asyncio.sleep(0.05)

    async def _talk(self, user: User, seconds: float) -> None:
        call = user.client.calls.get(GROUP) or await user.client.call(GROUP)
        await call.talk(speech.synthesise(seconds), within=PATIENCE)
        if not self.rng.randrange(4):
            await call.leave()


def _in_call(user: User) -> bool:
    call = user.client.calls.get(GROUP)
    return call is not None and call.state is CallState.IN_CALL
