"""Packets on their way out: protected at once where indexes are at hand, in order always.

SRTCP indexes are reserved in the store before they are used, ahead of need. So nearly every packet leaves in the same
moment in which it was decided; one that meets an end of the reserve waits for the store, and what follows waits behind
it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Self

from mcsec.errors import McsecError
from mcsec.server.service import McServer

Produce = Callable[[float], Any]
Deliver = Callable[[Any], None]
#: Packets that wait for the store at a time. More are lost, as on a link that is full.
_ROOM = 100_000
#: Packets that are made together: more would keep everything else waiting.
_TOGETHER = 1024


class Outbox:
    """Sends in order. An async context manager.

    :ivar waited: packets that waited for the store. ``lost``: packets that were not sent at all.
    """

    def __init__(self, server: McServer) -> None:
        self._server = server
        self._queue: deque[tuple[Produce, Deliver]] = deque()
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self.waited = self.lost = 0

    async def __aenter__(self) -> Self:
        self._pump = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._pump is not None
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    def put(self, produce: Produce, deliver: Deliver) -> None:
        """Give ``deliver`` what ``produce(now)`` makes, after everything that was put before."""
        if not self._queue:
            try:
                made = self._server.send_now(produce)
            except McsecError as error:
                self._failed(error)
                return
            if made is not None:
                deliver(made)
                if self._server.owes:
                    self._wake.set()
                return
        if len(self._queue) >= _ROOM:
            self.lost += 1
            return
        self.waited += 1
        self._queue.append((produce, deliver))
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self._queue:
                    await self._send()
                if self._server.owes:
                    await self._server.send(_nothing)
            except McsecError as error:
                self._failed(error)
                if self._queue:
                    self._wake.set()

    async def _send(self) -> None:
        """Those that wait the longest, together: the store is asked once for all of them."""
        together = list(islice(self._queue, _TOGETHER))
        try:
            made = await self._server.send_all([produce for produce, _ in together])
        except McsecError:
            for _ in together:
                self._queue.popleft()
            self.lost += len(together) - 1
            raise
        for (_, deliver), one in zip(together, made, strict=True):
            self._queue.popleft()
            if isinstance(one, McsecError):
                self._failed(one)
            else:
                deliver(one)

    def _failed(self, error: McsecError) -> None:
        self.lost += 1
        self._server.tell_failure(error)


def _nothing(now: float) -> bool:
    return True
