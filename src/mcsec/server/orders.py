"""Orders of operators, which wait for the disk only while it takes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from mcsec.errors import McsecError, WrongState
from mcsec.server.service import McServer

T = TypeVar("T")
#: Seconds between looks whether the disk still takes something.
_LOOK = 0.2


class Orders:
    """Carries out orders at one server."""

    def __init__(self, server: McServer) -> None:
        self._server = server
        self._waiting: set[asyncio.Task[Any]] = set()

    async def carry_out(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` does, when it is on the disk.

        :raises StoreError: the disk takes nothing at present; nothing was done.
        :raises WrongState: it was done, and waits for a disk that stopped taking anything.
        """
        if (trouble := self._server.store_trouble) is not None:
            raise trouble
        task = asyncio.ensure_future(work())
        self._waiting.add(task)
        task.add_done_callback(self._ended)
        while not task.done():
            await asyncio.wait((task,), timeout=_LOOK)
            if not task.done() and (trouble := self._server.store_trouble) is not None:
                raise WrongState(
                    f"done, but not on the disk yet: {trouble}",
                    code="store.waiting",
                    hint=f"{trouble.hint}; the order need not be given again",
                )
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._waiting.discard(task)
        # Whoever gave the order may have gone.
        if not task.cancelled() and isinstance(error := task.exception(), McsecError):
            self._server.tell_failure(error)
