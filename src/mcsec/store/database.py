"""One database for a domain's functional entity: SQLite in a file by default.

What a caller committed is on disk before ``commit`` returns: SQLite runs with ``synchronous=FULL`` and WAL.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mcsec.errors import LocalError
from mcsec.store.kek import Kek
from mcsec.store.wrapping import WrappedDataKey, Wrapper

T = TypeVar("T")

#: Every table of the house registers itself here, one file per functional entity.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

data_keys = Table(
    "data_key",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("kek_id", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
)


class StoreError(LocalError):
    """The database cannot do what was asked: full, read-only, corrupt, locked, or not ours."""

    code = "store.database"


def _configure_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """An open database and the wrapper of its keys.

    :ivar wrapper: wraps and unwraps keys for the rows of this database.
    """

    def __init__(self, engine: AsyncEngine, wrapper: Wrapper, path: Path) -> None:
        self._engine = engine
        self.wrapper = wrapper
        self._worker = ThreadPoolExecutor(1, "store")
        self._worker_engine: Engine = create_engine(f"sqlite:///{path}")
        event.listen(self._worker_engine, "connect", _configure_sqlite)

    @classmethod
    async def open(cls, path: Path, kek: Kek) -> Database:
        """Opens the SQLite file at ``path``; makes it, readable by its owner alone, when it is not there.

        :raises StoreError: the file cannot be used; the text says why.
        :raises WrapError: ``kek`` is not the one that this store was made with.
        """
        with _explained(path):
            _create_private(path)
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        try:
            with _explained(path):
                async with engine.begin() as connection:
                    await connection.run_sync(metadata.create_all)
                    keys = await _data_keys(connection)
                    if not keys:
                        made = Wrapper.new_data_key(kek)
                        await connection.execute(
                            insert(data_keys).values(id=made.id, kek_id=made.kek_id, blob=made.blob)
                        )
                        keys = [made]
                wrapper = Wrapper(kek, {key.id: key for key in keys}, keys[-1].id)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine, wrapper, path)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed to disk at the end of the block, rolled back by an exception."""
        with _explained(None):
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading."""
        with _explained(None):
            async with self._engine.connect() as connection:
                yield connection

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """A whole transaction in one step, in the database's own thread: what ``work`` does with a connection.

        Committed to disk when this returns, rolled back by an exception. One step costs a fraction of what the same
        statements cost one by one; such transactions follow one another.
        """
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._transact, work)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        with _explained(None), self._worker_engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()
        await asyncio.get_running_loop().run_in_executor(self._worker, self._worker_engine.dispose)
        self._worker.shutdown()


async def _data_keys(connection: AsyncConnection) -> list[WrappedDataKey]:
    rows = await connection.execute(select(data_keys.c.id, data_keys.c.kek_id, data_keys.c.blob))
    return [WrappedDataKey(row.id, row.kek_id, row.blob) for row in rows]


def _create_private(path: Path) -> None:
    if not path.exists():
        path.touch(mode=0o600)


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """Turns what the driver or the file system raises into a :class:`StoreError` that says what to do."""
    where = f"{path}: " if path else ""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        name = getattr(error.orig, "sqlite_errorname", "")
        raise StoreError(f"{where}{error.orig}", hint=_HINTS.get(name, "")) from None
    except OSError as error:
        if not where:
            raise
        raise StoreError(f"{where}{error.strerror}") from None


_HINTS = {
    "SQLITE_FULL": "free space on the disk; nothing was half-written",
    "SQLITE_READONLY": "make the file and its directory writable for this user",
    "SQLITE_CORRUPT": "restore from a backup",
    "SQLITE_NOTADB": "this file is no database of ours; give another path or restore from a backup",
    "SQLITE_BUSY": "another process writes to this file; run one process on it",
    "SQLITE_CANTOPEN": "make the directory, readable and writable for this user",
}
