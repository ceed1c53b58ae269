"""What servers that are not on duty did: the one on duty notes what clients answered them, and acts on it.

Such an answer lies in the delivery's row until its record is written, in the same transaction that settles the row. So
it is never lost and never noted twice, whoever is killed. What a server claimed that is gone, others deliver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from math import inf

from mcsec.keys.events import Event
from mcsec.server.delivering import Delivering
from mcsec.server.judging import Judging
from mcsec.server.presence import Presence
from mcsec.store import deliveries
from mcsec.store.database import Database, StoreError
from mcsec.store.deliveries import Answered
from mcsec.store.group_commit import GroupCommit

#: Answers that are noted together at the most.
_MOST = 2048
#: Seconds between looks while others deliver, and while nobody else does.
_LOOK, _ALONE = 0.1, 1.0


class Collecting:
    """The collecting of the server on duty."""

    def __init__(
        self,
        database: Database,
        judging: Judging,
        writer: GroupCommit,
        delivering: Delivering,
        presence: Presence | None,
        node: str,
        tell: Callable[[Iterable[Event]], None],
        clock: Callable[[], float],
    ) -> None:
        """:param presence: None: this server does not know who else there is.
        :param node: what it claims by.
        """
        self._database, self._judging, self._writer = database, judging, writer
        self._delivering, self._presence = delivering, presence
        self._node, self._tell, self._clock = node, tell, clock
        self._there: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Note every answer, for ever; where nobody else uses the store, those that were left."""
        while True:
            try:
                await self._miss()
                found = await self.once()
            except StoreError:
                # What was not noted is found again.
                found = 0
            if found == _MOST:
                continue
            if not self._database.shared:
                return
            servers = 1 if self._presence is None else max(self._presence.delivering, 1)
            self._delivering.share(servers)
            await asyncio.sleep(_LOOK if servers > 1 else _ALONE)

    async def once(self) -> int:
        """Note what there is, up to a number; how many answers that was.

        :raises StoreError: the store cannot be asked, or is being closed.
        """
        async with self._database.read() as connection:
            answers: list[Answered] = await connection.run_sync(partial(deliveries.answered, most=_MOST))
        if answers:
            self._delivering.heard(len(answers))
            done = self._judging.heard(answers, self._clock())
            await self._writer.write(done.writes)
            self._tell(done.events)
            # Who was told of a key that is revoked is to be told of that.
            self._delivering.wake()
        return len(answers)

    async def _miss(self) -> None:
        """Whatever those claimed who are gone is to be delivered by others.

        :raises StoreError: the store is being closed.
        """
        there, heard = frozenset({self._node}), inf
        if self._database.shared:
            if self._presence is None:
                return
            there, heard = self._presence.not_gone, self._presence.heard
        if there and there != self._there:
            await self._writer.write([deliveries.free(there, heard, self._clock())])
            self._delivering.wake()
            self._there = there
