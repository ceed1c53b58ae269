"""Issues, and everything else that a KMS writes down, with its log record in the same transaction.

A disk flush costs more than an issue, so issues that wait while a transaction is written share the next one.
An answer leaves only after the transaction that it tells of is on disk; a process killed in between leaves either
both, keys and record, or neither. A second request for a UID finds the SSK and PVT of the first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

from mcsec.crypto.kms_keys import KmsMasterKeys, UserKeyMaterial
from mcsec.errors import WrongState
from mcsec.keys.chain import Head
from mcsec.kms import records
from mcsec.kms.records import Act, Entry
from mcsec.store.database import Database
from mcsec.store.kms import IssuedRow, KmsTables, PairRow

T = TypeVar("T")

_BATCH = 64
_CACHED_USERS = 4096


@dataclass(frozen=True, slots=True)
class Order:
    """One identity's keys for one period, and what the log is to say about it."""

    uid: bytes
    identity: str
    period_no: int
    actor: str
    token: str
    reason: str


@dataclass(slots=True)
class _Pending:
    orders: tuple[Order, ...]
    now: float
    done: asyncio.Future[list[UserKeyMaterial]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Change:
    """A transaction of its own, with its log records."""

    def __init__(self, tables: KmsTables) -> None:
        self.tables = tables
        self.entries: list[Entry] = []

    def note(self, entry: Entry) -> None:
        """Say in the log what is changed."""
        self.entries.append(entry)


class Ledger:
    """Writes for one KMS. There is one ledger on a database, in one process.

    :param master: what keys are extracted with.
    :param head: the head of the log as it stands in the database.
    """

    def __init__(self, database: Database, master: KmsMasterKeys, domain: str, head: Head) -> None:
        self._database = database
        self._master = master
        self._domain = domain
        self.head = head
        self._lock = asyncio.Lock()
        self._waiting: list[_Pending] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False
        self._pairs: OrderedDict[str, list[PairRow]] = OrderedDict()
        self._pairs_changed = 0

    async def issue(self, orders: Sequence[Order], now: float) -> list[UserKeyMaterial]:
        """The keys for these orders, in order, once they and their records are on disk.

        :raises StoreError: the database refused; nothing was issued.
        """
        if self._closed:
            raise WrongState("this ledger is closed", code="kms.closed")
        pending = _Pending(tuple(orders), now)
        self._waiting.append(pending)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_waiting())
        return await pending.done

    async def close(self) -> None:
        """Finishes what is being written."""
        self._closed = True
        if self._writer is not None:
            await self._writer

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                results = await self._write(batch)
            except BaseException as error:
                # Whoever waits is told; the writer itself goes on with the next.
                for pending in batch:
                    if not pending.done.done():
                        pending.done.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for pending, result in zip(batch, results, strict=True):
                if not pending.done.done():
                    pending.done.set_result(result)

    async def _write(self, batch: list[_Pending]) -> list[list[UserKeyMaterial]]:
        async with self._lock:
            results, head = await self._database.transact(lambda connection: self._issue(connection, batch))
            # Only a committed transaction moves the head: a failed one leaves no gap.
            self.head = head
        return results

    def _issue(
        self, connection: Connection, batch: list[_Pending]
    ) -> tuple[list[list[UserKeyMaterial]], Head]:
        uids = list(dict.fromkeys(order.uid for pending in batch for order in pending.orders))
        rsks = dict(zip(uids, self._master.encryption.extract_many(uids), strict=True))
        tables = KmsTables(connection, self._database.wrapper)
        known = tables.issued(uids)
        new: list[IssuedRow] = []
        head = self.head
        lines: list[tuple[int, str, str]] = []
        for pending in batch:
            entries = []
            for order in pending.orders:
                act = Act.REISSUED
                if order.uid not in known:
                    act = Act.ISSUED
                    ssk, pvt = self._master.authentication.extract(order.uid)
                    row = IssuedRow(order.uid, order.identity, order.period_no, int(pending.now), ssk, pvt)
                    known[order.uid] = row
                    new.append(row)
                entries.append(
                    Entry(act, order.actor, order.identity, order.period_no, order.token, order.reason)
                )
            written, head = records.append(head, self._domain, entries, pending.now)
            lines += [(record.sequence, record.identity, records.encode(record)) for record in written]
        tables.add_issued(new)
        tables.add_log(lines)
        results = [
            [
                UserKeyMaterial(rsks[order.uid], known[order.uid].ssk, known[order.uid].pvt)
                for order in pending.orders
            ]
            for pending in batch
        ]
        return results, head

    async def change(self, now: float, work: Callable[[Change], T]) -> T:
        """A transaction for anything else; what ``work`` notes goes to the log with it.

        :raises StoreError: the database refused; nothing was changed.
        """
        # A transaction that was begun is seen to its end, also when nobody waits for it any more: the head must
        # follow what is on disk.
        return await asyncio.shield(asyncio.ensure_future(self._change(now, work)))

    async def _change(self, now: float, work: Callable[[Change], T]) -> T:
        def change(connection: Connection) -> tuple[T, Head]:
            tables = KmsTables(connection, self._database.wrapper)
            changing = Change(tables)
            result = work(changing)
            written, head = records.append(self.head, self._domain, changing.entries, now)
            tables.add_log([(record.sequence, record.identity, records.encode(record)) for record in written])
            return result, head

        async with self._lock:
            result, self.head = await self._database.transact(change)
        return result

    async def read(self, work: Callable[[KmsTables], T]) -> T:
        """What ``work`` reads in the tables."""
        return await self._database.transact(
            lambda connection: work(KmsTables(connection, self._database.wrapper))
        )

    async def pairs(self, user_uri: str) -> list[PairRow]:
        """The protection keys of a user's clients; remembered within bounds."""
        found = self._pairs.get(user_uri)
        if found is None:
            before = self._pairs_changed
            found = await self.read(lambda tables: tables.pairs(user_uri))
            if before != self._pairs_changed:
                return found  # perhaps from before the change
            self._pairs[user_uri] = found
            if len(self._pairs) > _CACHED_USERS:
                self._pairs.popitem(last=False)
        else:
            self._pairs.move_to_end(user_uri)
        return found

    def forget_pairs(self, users: Iterable[str]) -> None:
        """After the protection keys of users were changed."""
        self._pairs_changed += 1
        for user in users:
            self._pairs.pop(user, None)

    def forget_all_pairs(self) -> None:
        """After the protection keys of many users were changed."""
        self._pairs_changed += 1
        self._pairs.clear()
