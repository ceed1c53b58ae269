"""A server that is not on duty delivers keys for the one that is (design 7).

It claims rows of who is to hold which key, writes the I_MESSAGEs, sends them, and writes the answers into the rows. It
makes no key, decides nothing, and keeps nothing that others do not find in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Self

from mcsec.errors import McsecError
from mcsec.keys.events import Event
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.server.delivering import Delivering
from mcsec.server.events import DeliveringToo, UpkeepFailed
from mcsec.server.from_store import FromStore, Sender
from mcsec.server.presence import Presence
from mcsec.server.service import ServiceSettings
from mcsec.store.database import Database
from mcsec.store.group_commit import GroupCommit
from mcsec.store.nodes import Task

#: Seconds between looks whether another server is on duty; until keys are asked for again; between renewals.
_LOOK, _AGAIN, _RENEW = 0.25, 5.0, 60.0
#: Seconds for which answers are waited for when there is nothing more to do: after them SIP has given up; and when
#: the program ends.
_ANSWERS, _END = 33.0, 3.0

Ask = Callable[[], Awaitable[Sender]]
"""The server's keys from the KMS, of the present key period."""


class Assistant:
    """Delivers while another server is on duty; an async context manager."""

    def __init__(
        self,
        database: Database,
        settings: ServiceSettings,
        ask: Ask,
        presence: Presence,
        tell: Callable[[Iterable[Event]], None],
        clock: Callable[[], float],
        datagrams: str | None = None,
    ) -> None:
        """:param datagrams: the address of ours that UDP is sent from; None: there is none."""
        self._database, self._settings, self._ask, self._presence = database, settings, ask, presence
        self._tell, self._clock, self._datagrams = tell, clock, datagrams
        self._retired = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.retire()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_END)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def retire(self) -> None:
        """Deliver nothing more. What is on its way is answered still, and the answers are written down."""
        self._retired.set()

    async def _run(self) -> None:
        sender = await self._begin()
        if sender is None:
            return
        settings = self._settings
        async with GroupCommit(self._database) as writer, Endpoint(_elsewhere, settings.sip) as endpoint:
            if self._datagrams is not None:
                await endpoint.listen("UDP", self._datagrams)
            source = FromStore(
                self._database,
                writer,
                sender,
                settings.sip.outbound,
                settings.function,
                settings.delivery,
                settings.origin_host,
                self._tell,
                self._presence.node,
            )
            delivering = Delivering(
                source,
                endpoint,
                writer,
                self._tell,
                self._presence.by_the_one_on_duty,
                settings.delivery,
                settings.function.psi,
            )
            self._presence.counts.append(lambda: delivering.delivered)
            self._presence.task = Task.DELIVERING
            self._tell([DeliveringToo(self._clock(), str(self._database.address))])
            working = asyncio.create_task(delivering.run())
            try:
                await self._upkeep(source, delivering)
                await delivering.drain(_ANSWERS)
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    async def _begin(self) -> Sender | None:
        """Wait until another server is on duty, and ask the KMS for our keys; None: retired meanwhile."""
        while self._presence.on_duty is None:
            if await self._pause(_LOOK):
                return None
        while True:
            try:
                return await self._ask()
            except McsecError as error:
                self._failed(error)
            if await self._pause(_AGAIN):
                return None

    async def _upkeep(self, source: FromStore, delivering: Delivering) -> None:
        """Until retired: change to the next period's keys when it begins; go no faster than all together may."""
        renewed = 0.0
        while not await self._pause(_LOOK):
            delivering.share(max(self._presence.delivering, 1))
            renewed += _LOOK
            if renewed >= _RENEW:
                renewed = 0.0
                try:
                    source.sender = await self._ask()
                except McsecError as error:
                    self._failed(error)

    async def _pause(self, seconds: float) -> bool:
        """Wait; whether we are retired."""
        if not self._retired.is_set():
            await asyncio.wait([waiting := asyncio.ensure_future(self._retired.wait())], timeout=seconds)
            waiting.cancel()
        return self._retired.is_set()

    def _failed(self, error: McsecError) -> None:
        self._tell([UpkeepFailed(self._clock(), error.code, str(error), error.hint)])


def _elsewhere(request: Request, peer: Peer) -> Response:
    """The answer to whoever asks a server that is not on duty."""
    return make_response(request, 503, headers=[("Retry-After", "1")])
