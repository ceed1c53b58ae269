"""Who serves a domain whose store several servers share: one of them, while the others stand by (design 7).

The one on duty holds a lease in the database, by the database's clock, and prolongs it. When it is gone, another one
takes the lease within :data:`LEASE` seconds, reads the store, and sends from SSRCs of its own. Two things keep a server
that lost the lease unnoticed from doing harm: it stops sending when its own steady clock says that the lease may be
over, and none of its transactions is committed any more, for each looks at the lease before it ends.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial

from sqlalchemy import Connection

from mcsec.keys.events import Event
from mcsec.server.events import DutyLost, DutyTaken, StandingBy
from mcsec.store import leases
from mcsec.store.database import Database, StoreError
from mcsec.store.leases import Lease

#: Seconds of the lease, and between attempts to prolong or to take it.
LEASE = 1.5
_PROLONG = LEASE / 4
#: Seconds before its end in which the lease counts no more: what was allowed to be sent still has to leave.
_MARGIN = LEASE / 6
_LOOK = 0.25
_NAME = "server"


class Duty:
    """One server's turn.

    :ivar lost: set when another server is on duty, or may be: stop serving.
    """

    def __init__(
        self,
        database: Database,
        tell: Callable[[Iterable[Event]], None],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._tell, self._steady = database, tell, steady
        self._holder = secrets.token_hex(8)
        self._term = 0
        self._until = float("-inf")
        self.lost = asyncio.Event()

    @property
    def ours(self) -> bool:
        """Whether nobody else can be on duty now."""
        return self._steady() < self._until and not self.lost.is_set()

    async def wait(self) -> None:
        """Returns when this server is on duty."""
        waiting = False
        while (lease := await self._take()) is None:
            if not waiting:
                waiting = True
                self._tell([StandingBy(time.time(), str(self._database.address))])
            await asyncio.sleep(_LOOK)
        self._term = lease.term
        self._tell([DutyTaken(time.time(), lease.term)])

    async def keep(self) -> None:
        """Prolong the lease, until it is lost."""
        taking: asyncio.Task[Lease | None] | None = None
        try:
            while self.ours:
                await asyncio.sleep(_PROLONG)
                taking = asyncio.create_task(self._take())
                # Where nothing comes back from the database, to let go of it takes long too.
                await asyncio.wait([taking], timeout=LEASE)
                lease = taking.result() if taking.done() else None
                if lease is not None and lease.term != self._term:
                    # It was over, and somebody else's meanwhile.
                    self._until = float("-inf")
            self.lost.set()
            self._tell([DutyLost(time.time(), self._term)])
        finally:
            if taking is not None:
                taking.cancel()
                await asyncio.wait([taking], timeout=LEASE)

    async def give_back(self) -> None:
        """The next one need not wait."""
        self._until = float("-inf")
        try:
            async with self._database.begin() as connection:
                await connection.run_sync(leases.give_back, _NAME, self._holder)
        except StoreError:
            # The lease ends by itself.
            return

    def fence(self, connection: Connection) -> None:
        """The last look of a transaction: it counts only while this server is on duty.

        :raises StoreError: another one is.
        """
        held = leases.holder(connection, _NAME, lock=True)
        if held is None or (held.holder, held.term) != (self._holder, self._term):
            raise StoreError("another server is on duty", code="store.not-on-duty")

    async def _take(self) -> Lease | None:
        """The lease; None: another one's, or the database cannot be asked."""
        # What counts is when we began to ask: the database answers for a moment after that.
        asked = self._steady()
        try:
            async with asyncio.timeout(LEASE), self._database.begin() as connection:
                lease = await connection.run_sync(
                    partial(leases.take_now, name=_NAME, holder=self._holder, seconds=LEASE)
                )
        except (StoreError, TimeoutError):
            return None
        if lease is not None:
            self._until = asked + LEASE - _MARGIN
        return lease
