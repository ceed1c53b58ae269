"""What a server looks at before it goes on, and now and then: its records, whether its store is a copy, its clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from mcsec.errors import McsecError
from mcsec.ids import PurposeTag
from mcsec.keys.lifecycle import KeyState
from mcsec.server import keymaking
from mcsec.server.events import StoreRestored
from mcsec.server.function import Done, Function
from mcsec.store import audit, deliveries, life, witness
from mcsec.store.database import Database
from mcsec.store.life import Life
from mcsec.store.witness import Seen, Witness

#: Seconds that a clock may be corrected by without anything having to be done.
_JUMP = 5.0


#: Records after which they are verified and their head is signed.
_MUCH = 2000


@dataclass(frozen=True, slots=True)
class Beginning:
    """What was found at the start; ``reason`` says why the store is a copy of the past."""

    life: Life
    reason: str


class Watch:
    """Looks at a store at the start, and notes how far it was seen while the server runs."""

    def __init__(self, database: Database, domain: str, seen: Witness | None) -> None:
        """:param seen: None: a copy that was put back by hand is not found."""
        self._database, self._domain, self._witness = database, domain, seen
        self._noted: Seen | None = None
        self._offset = 0.0
        self._verified = 0

    async def begin(self, now: float) -> Beginning:
        """Verify what was written since the last start, and find out whether the store is the one that was seen.

        :raises ChainBroken: the records were changed. :raises CheckFailed: a checkpoint was.
        :raises StoreError: the store or the file beside it cannot be read.
        """
        seen = None if self._witness is None else self._witness.read()
        wrapper = self._database.wrapper

        def work(connection: Connection) -> Beginning:
            found = witness.examine(connection, seen, now)
            self._verified = audit.verify_recent(connection, self._domain, wrapper, now).length
            told = life.history(connection)
            return Beginning(found, told[-1].reason if told else "")

        return await self._database.transact(work)

    def jump(self, now: float, steady: float) -> float:
        """By how many seconds the clock was set since the last look; 0 where it was only corrected.

        :param steady: seconds of a clock that nobody sets.
        """
        jumped, self._offset = now - steady - self._offset, now - steady
        return jumped if abs(jumped) > _JUMP else 0.0

    async def note(self, now: float, failed: Callable[[McsecError], None]) -> None:
        """Note how far the store goes now, where it went on; verify what was written, when that became much.

        So the next start has little to verify, and a record that is changed while the server runs is found soon.
        """
        try:
            present = await self._database.transact(witness.look)
            if present == self._noted:
                return
            if present.head.length - self._verified >= _MUCH:
                wrapper = self._database.wrapper
                verify = partial(audit.verify_recent, domain=self._domain, wrapper=wrapper, now=now)
                self._verified = (await self._database.transact(verify)).length
            if self._witness is not None:
                self._witness.note(present)
            self._noted = present
        except McsecError as error:
            failed(error)


def by_the_clock(function: Function, now: float, longest: float) -> Done:
    """What a clock that was set, by us or while nobody was here, leaves to be done.

    A key that is sent under and becomes active only later was made by a clock that was ahead: another one follows. An
    expired key is never sent under, and packet indexes count without a clock. ``longest``: no delivery waits longer.
    """
    done = Done([], [deliveries.unstick(now, longest)])
    for rotation in function.engine.keydown.rotations:
        if rotation.sending is not None and rotation.sending.activation > now:
            done += keymaking.follow(function, rotation, now)
    return done


def answer(function: Function, found: Beginning, now: float) -> Done:
    """Where the store is a copy of the past: every key that was sent under is replaced, and its holders are told.

    The copy does not know who left since, nor which packet indexes were used. A process draws SSRCs of its own anyway.
    """
    if not found.life.doubtful:
        return Done()
    done = Done([StoreRestored(now, found.life.restored, found.reason)])
    keydown = function.engine.keydown
    for rotation in keydown.rotations:
        if rotation.tag not in (PurposeTag.MUSIK, PurposeTag.MSCCK):
            # A CSK is sent under by this process from an SSRC of its own, and its client replaces it.
            continue
        for epoch in rotation.epochs:
            if epoch.state is not KeyState.REVOKED:
                done += keymaking.revoke(function, epoch.key.key_id, found.reason, now)
        if rotation.tag is PurposeTag.MUSIK:
            done += keymaking.make_musik(function, rotation.scope, now)
        else:
            (tmgi,) = rotation.scope.names
            bearer = function.bearers.get(tmgi)
            if bearer is not None and not bearer.withdrawn:
                done += keymaking.announce(function, bearer, now)
    done.writes.append(witness.answered(found.life.restored))
    return done
