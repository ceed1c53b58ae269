"""Writes of many callers, committed together: the disk is asked once for everybody who waits.

A caller goes on when what it wrote is on the disk, so an answer sent then is never forgotten. Writes are applied in the
order in which they were handed in.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby
from typing import Any, Self

from sqlalchemy import Connection, Executable, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.errors import LocalError
from mcsec.store.database import Database, StoreError
from mcsec.store.tables import writers

#: Writes that go into one transaction at most: bounds memory and how long readers of the disk wait.
_MOST = 4096
#: Seconds between attempts while the disk refuses.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0


_COUNT = upsert(writers)
_COUNT = _COUNT.on_conflict_do_update(index_elements=["writer"], set_={"number": _COUNT.excluded.number})
_FORGET = delete(writers).where(writers.c.writer == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Write:
    """One statement with its values.

    Writes to one table keep their order; those to different tables may change places, so that like ones are executed
    together. ``alone``: the statement reads other tables too, and stays where it is. ``firm``: what is sent from now on
    rests on it, see :meth:`GroupCommit.settled`.
    """

    statement: Executable
    values: Mapping[str, Any]
    alone: bool = False
    firm: bool = False


Work = Callable[[Connection], Any]
"""Done on the database's own thread: it looks at nothing but what it was given."""


@dataclass(slots=True)
class _Waiting:
    writes: list[Write]
    work: Work | None
    done: asyncio.Future[Any]


@dataclass(slots=True)
class _Attempt:
    """A batch on its way to the disk. ``again``: it was tried before, and what became of that may not be known."""

    number: int
    batch: list[_Waiting]
    results: list[Any] = field(default_factory=list)
    again: bool = False


class GroupCommit:
    """The one writer of a process; use it as an async context manager.

    While the disk refuses (full, read-only), what was handed in is kept and tried again: memory may be ahead of the
    disk, and nothing is lost or answered meanwhile. :attr:`trouble` says why, and new work should be refused.

    :ivar trouble: why the disk took nothing when it was last asked; None: it did.
    """

    def __init__(
        self,
        database: Database,
        on_failure: Callable[[StoreError], None] | None = None,
        fence: Callable[[Connection], None] | None = None,
    ) -> None:
        """:param fence: looks at the end of each transaction whether it may count, and raises where not."""
        self._database, self._fence = database, fence
        self._on_failure = on_failure or (lambda error: None)
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        #: Under this name a shared database knows which of our transactions was the last.
        self._name = secrets.token_hex(8)
        self._attempt: _Attempt | None = None
        # How many of those that wait are to be written alone, because together with others they were refused.
        self._apart = 0
        # How many were handed in, and which of them was the last with a firm write.
        self._entered = self._firm = 0
        self.trouble: StoreError | None = None
        self.transactions = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Writes what is queued, then stops. What a refusing disk does not take is given up."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._database.shared and self.trouble is None:
            with suppress(StoreError):
                await self._database.transact(
                    lambda connection: connection.execute(_FORGET, {"name": self._name})
                )

    def submit(self, writes: Iterable[Write]) -> asyncio.Future[Any]:
        """Hand in writes; the future is done when they are on the disk."""
        return self._enter(list(writes), None)

    async def write(self, writes: Iterable[Write]) -> None:
        """Write, and return when it is on the disk.

        :raises StoreError: the store is being closed and did not take it.
        """
        await self.submit(writes)

    @property
    def at_rest(self) -> bool:
        """Whether :meth:`settled` returns at once."""
        return self._firm <= self._entered - len(self._queue)

    async def settled(self) -> None:
        """Returns when every firm write that was handed in until now is on the disk.

        Whoever sends under a key waits for this, so that a killed process does not go on with the key before: see
        SEND_BEFORE_COMMIT in ``docs/model``.

        :raises StoreError: the store did not take it.
        """
        if not self.at_rest:
            await self._put(_Waiting([], None, asyncio.get_running_loop().create_future()))

    async def run(self, work: Work) -> Any:
        """Do ``work`` in its turn within a transaction of the writer; its result when that is committed."""
        return await self._enter([], work)

    def _enter(self, writes: list[Write], work: Work | None) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._closing:
            done.set_exception(StoreError("the store is being closed", code="store.closing"))
        elif not writes and work is None:
            done.set_result(None)
        else:
            self._put(_Waiting(writes, work, done))
        return done

    def _put(self, waiting: _Waiting) -> asyncio.Future[Any]:
        self._queue.append(waiting)
        self._entered += 1
        if any(write.firm for write in waiting.writes):
            self._firm = self._entered
        self._wake.set()
        return waiting.done

    async def _run(self) -> None:
        wait = _FIRST_WAIT
        while True:
            if not self._queue:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            attempt = self._attempt = self._attempt or _Attempt(self.transactions + 1, self._next_batch())
            try:
                await self._commit(attempt)
            # What a caller handed in may be anything; the writer serves the others on.
            except Exception as error:  # noqa: BLE001
                if not (isinstance(error, StoreError) and error.passing):
                    self._attempt = None
                    self._refused(attempt.batch, error)
                    continue
                attempt.again = True
                self.trouble = error
                self._on_failure(error)
                if self._closing:
                    self._give_up(error)
                    return
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            self._attempt = None
            self.trouble, wait = None, _FIRST_WAIT
            self._done_with(len(attempt.batch))
            for waiting, result in zip(attempt.batch, attempt.results, strict=True):
                if not waiting.done.done():
                    waiting.done.set_result(result)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        for waiting in self._queue[:1] if self._apart else self._queue:
            if batch and size + len(waiting.writes) > _MOST:
                break
            batch.append(waiting)
            size += len(waiting.writes)
        return batch

    async def _commit(self, attempt: _Attempt) -> None:
        work = partial(_apply, self._name if self._database.shared else None, attempt, self._fence)
        await self._database.transact(work)
        self.transactions += 1

    def _done_with(self, number: int) -> None:
        del self._queue[:number]
        self._apart = max(self._apart - number, 0)

    def _refused(self, batch: list[_Waiting], error: Exception) -> None:
        """Whoever handed in what no database takes hears of it alone; the others are written without it."""
        if len(batch) > 1:
            self._apart = len(batch)
            return
        self._done_with(1)
        if not batch[0].done.done():
            kind = type(error).__name__
            batch[0].done.set_exception(
                error if isinstance(error, LocalError) else StoreError(f"a write was refused: {kind}")
            )

    def _give_up(self, error: StoreError) -> None:
        for waiting in self._queue:
            if not waiting.done.done():
                waiting.done.set_exception(error)
        self._queue.clear()


def _apply(
    name: str | None, attempt: _Attempt, fence: Callable[[Connection], None] | None, connection: Connection
) -> None:
    """Everything of a batch in its order, and the results of what was to be done.

    ``name``: of the writer, where the way to the database may fail after a commit and before its answer. Such a batch
    is not applied again.
    """
    if name is not None:
        if attempt.again:
            last = connection.execute(select(writers.c.number).where(writers.c.writer == name)).scalar()
            if last is not None and last >= attempt.number:
                return
        connection.execute(_COUNT, {"writer": name, "number": attempt.number})
    results: list[Any] = []
    pending: list[Write] = []
    for waiting in attempt.batch:
        pending += waiting.writes
        if waiting.work is None:
            results.append(None)
            continue
        _execute(connection, pending)
        pending = []
        results.append(waiting.work(connection))
    _execute(connection, pending)
    if fence is not None:
        fence(connection)
    attempt.results = results


def _execute(connection: Connection, writes: list[Write]) -> None:
    """Runs of one statement are handed over together."""
    for statement, group in groupby(_sorted(writes), key=lambda write: write.statement):
        connection.execute(statement, [dict(write.values) for write in group])


def _sorted(writes: list[Write]) -> Iterator[Write]:
    """Table by table between those that stand alone."""
    by_table: dict[object, list[Write]] = {}
    for write in writes:
        table = getattr(write.statement, "table", None)
        if write.alone or table is None:
            yield from chain.from_iterable(by_table.values())
            by_table.clear()
            yield write
        else:
            by_table.setdefault(table, []).append(write)
    yield from chain.from_iterable(by_table.values())
