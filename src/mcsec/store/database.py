"""One database for a domain's functional entity: SQLite in a file, or PostgreSQL for many processes.

What a caller committed is durable before ``commit`` returns. The statements are the same on both.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mcsec.store import life, postgresql, schema, sqlite
from mcsec.store.address import Address
from mcsec.store.failures import StoreError
from mcsec.store.kek import Kek
from mcsec.store.tables import data_keys
from mcsec.store.tables import life as life_table
from mcsec.store.wrapping import WrappedDataKey, Wrapper

__all__ = ["Database", "StoreError"]

T = TypeVar("T")


class Database:
    """An open database and the wrapper of its keys.

    :ivar address: where it is.
    :ivar wrapper: wraps and unwraps keys for the rows of this database.
    """

    def __init__(self, address: Address, lock: int | None, read_only: bool) -> None:
        """Nothing is opened yet; use :meth:`open` or :meth:`reach`."""
        self.address = address
        self.wrapper: Wrapper
        self._lock = lock
        self._where = f"{address}: "
        self._worker: ThreadPoolExecutor | None = None
        self._worker_engine: Engine | None = None
        self._engine: AsyncEngine
        if address.path is None:
            self._connections = postgresql.Connections()
            self._engine = postgresql.engine(address.uri, str(address), self._connections)
            self._turn = asyncio.Lock()
        else:
            self._engine, another = sqlite.engines(address.path, read_only)
            self._worker_engine = another()
            self._worker = ThreadPoolExecutor(1, "store")

    @classmethod
    async def open(cls, where: Path | Address, kek: Kek, *, read_only: bool = False) -> Database:
        """Opens a store; makes it where there is none, a SQLite file readable by its owner alone.

        A SQLite file is for one process at a time, except to read from it.

        :raises StoreError: it cannot be used; the text says why and what to do.
        :raises WrapError: ``kek`` is not the one that this store was made with.
        """
        database = await cls.reach(where, read_only=read_only)
        try:
            if read_only:
                async with database.read() as connection:
                    schema.check(await connection.run_sync(schema.version))
                    keys = await connection.run_sync(read_data_keys)
            else:
                async with database.begin() as connection:
                    await connection.run_sync(schema.prepare)
                    keys = await connection.run_sync(_data_keys, kek)
            database.wrapper = Wrapper(kek, {key.id: key for key in keys}, keys[-1].id if keys else "")
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def reach(cls, where: Path | Address, *, read_only: bool = False) -> Database:
        """A store without its keys and whatever its schema is: to upgrade it, to copy it.

        :raises StoreError: it cannot be used; the text says why and what to do.
        """
        address = where if isinstance(where, Address) else Address(path=where)
        lock = None
        if address.path is not None:
            with explained(f"{address}: "):
                if read_only and not address.path.exists():
                    raise StoreError(f"{address}: there is no store", code="store.empty")
                if not read_only:
                    lock = sqlite.take(address.path)
                    sqlite.create_private(address.path)
        return cls(address, lock, read_only)

    @property
    def shared(self) -> bool:
        """Whether other processes may use the database at the same time."""
        return self.address.path is None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed durably at the end of the block, rolled back by an exception."""
        with explained(self._where):
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading; on both databases all that is read in the block is of one moment."""
        with explained(self._where):
            async with self._engine.connect() as connection:
                options = {"isolation_level": "REPEATABLE READ"} if self.shared else {sqlite.READING: True}
                await connection.execution_options(**options)
                if self.shared:
                    await connection.exec_driver_sql(postgresql.READING)
                yield connection

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """A whole transaction in one step: what ``work`` does with a connection.

        Committed durably when this returns, rolled back by an exception. With SQLite it happens in the database's own
        thread, where one step costs a fraction of what the same statements cost one by one. Such transactions follow
        one another.
        """
        if self._worker is not None:
            return await asyncio.get_running_loop().run_in_executor(self._worker, self._transact, work)
        async with self._turn, self.begin() as connection:
            return await connection.run_sync(work)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        assert self._worker_engine is not None, "SQLite has a thread of its own"
        with explained(self._where), self._worker_engine.begin() as connection:
            return work(connection)

    def give_up(self) -> None:
        """Nobody waits for a database of many processes any more, or asks it: this process is of no use to it."""
        if self.shared:
            self._connections.give_up()

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()
        if self._worker is not None and self._worker_engine is not None:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._worker_engine.dispose)
            self._worker.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def read_data_keys(connection: Connection) -> list[WrappedDataKey]:
    """The data keys of a store, the one that wraps last."""
    rows = connection.execute(
        select(data_keys.c.id, data_keys.c.kek_id, data_keys.c.blob).order_by(
            data_keys.c.made, data_keys.c.id
        )
    )
    return [WrappedDataKey(row.id, row.kek_id, row.blob) for row in rows]


def _data_keys(connection: Connection, kek: Kek) -> list[WrappedDataKey]:
    """The data keys; a store that is made gets its first."""
    life.begin(connection)
    # A store that cannot be written is found now, and not when something has to be.
    connection.execute(update(life_table).values(restored=life_table.c.restored))
    keys = read_data_keys(connection)
    if not keys:
        keys = [Wrapper.new_data_key(kek)]
        values = {"id": keys[0].id, "kek_id": keys[0].kek_id, "blob": keys[0].blob, "made": time.time()}
        connection.execute(insert(data_keys).values(values))
    return keys


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turns what a driver or the file system raises into a :class:`StoreError` that says what to do."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise sqlite.explain(error.orig, where) from None
        if error.orig is None:
            raise
        raise postgresql.explain(error.orig, where) from None
    except OSError as error:
        raise StoreError(f"{where}{error.strerror or error}", hint=sqlite.hint(error)) from None
