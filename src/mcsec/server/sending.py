"""Sending under a key of the server's: only from indexes that are reserved on the disk, and only while on duty."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from mcsec.errors import McsecError, WrongState
from mcsec.keys.reservation import Reserve
from mcsec.server.duty import Duty
from mcsec.server.function import Done, Function
from mcsec.server.indexes import IndexesWanted, StoredIndexes
from mcsec.store import server
from mcsec.store.database import StoreError
from mcsec.store.group_commit import GroupCommit

T = TypeVar("T")


class Sending:
    """What every packet of one server passes, by unicast and on bearers."""

    def __init__(
        self,
        function: Function,
        indexes: StoredIndexes,
        writer: GroupCommit,
        duty: Duty | None,
        carry_out: Callable[[Done], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        """:param duty: None: it is the only server of its store. :param carry_out: commits, then publishes."""
        self._function, self._indexes, self._writer = function, indexes, writer
        self._duty, self._carry_out, self._clock = duty, carry_out, clock
        self._reserving = asyncio.Lock()

    async def send(self, produce: Callable[[float], T]) -> T:
        """What ``produce(now)`` sends by the engine, when all that it rests on is on the disk: the packet indexes that
        it needs, and where its key is in its life.

        ``produce`` is called again until there are indexes; it must do nothing else before it sends.

        :raises WrongState: another server is on duty, or may be.
        """
        (sent,) = await self.send_all([produce])
        if isinstance(sent, McsecError):
            raise sent
        return sent

    async def send_all(self, produces: Sequence[Callable[[float], T]]) -> list[T | McsecError]:
        """As :meth:`send`, for many, in order; in place of what one of them cannot send there is its error.

        The disk is asked once for all of them: indexes that some want are reserved together.

        :raises WrongState: another server is on duty, or may be.
        """
        sent: dict[int, T | McsecError] = {}
        while True:
            if not self._on_duty:
                raise WrongState("another server is on duty", code="server.not-on-duty")
            now = self._clock()
            missing: list[Reserve] = []
            for number, produce in enumerate(produces):
                if number in sent:
                    continue
                try:
                    sent[number] = produce(now)
                except IndexesWanted as wanted:
                    missing += wanted.wishes
                except McsecError as error:
                    sent[number] = error
            if not await self._reserve():
                # They were wished for before, and nobody reserves them.
                for wish in missing:
                    self._function.engine.not_granted(wish)
            if missing:
                continue
            await self._carry_out(self._function.done([]))
            await self._writer.settled()
            if self._on_duty:
                return [sent[number] for number in range(len(produces))]

    def send_now(self, produce: Callable[[float], T]) -> T | None:
        """What :meth:`send` gives where nothing has to be waited for; otherwise None, and nothing was made."""
        if not (self._writer.at_rest and self._on_duty):
            return None
        try:
            return produce(self._clock())
        except IndexesWanted:
            return None

    @property
    def owes(self) -> bool:
        """Whether indexes are to be reserved, or records written, that nothing has waited for."""
        return self._indexes.wanting or bool(self._function.engine.records)

    @property
    def _on_duty(self) -> bool:
        return self._duty is None or self._duty.ours

    async def _reserve(self) -> bool:
        """Reserve what is wished for: in one transaction, durably, and only then granted. Whether anything was.

        What somebody else reserves meanwhile is waited for: two may want the next index of one channel.
        """
        if not self._indexes.wanting and not self._reserving.locked():
            return False
        # Seen to its end, also when nobody waits for it any more: a wish is made once, and others wait for it too.
        await asyncio.shield(asyncio.ensure_future(self._take_and_grant()))
        return True

    async def _take_and_grant(self) -> None:
        async with self._reserving:
            wishes = self._indexes.take()
            if not wishes:
                return
            try:
                blocks = await self._writer.run(lambda connection: server.reserve_blocks(connection, wishes))
            except StoreError:
                for wish in wishes:
                    self._function.engine.not_granted(wish)
                raise
            for block in blocks:
                self._function.engine.grant(block)
