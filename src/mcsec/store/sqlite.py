"""SQLite: one file, one process. What is committed is on the disk before ``commit`` returns (WAL, synchronous FULL)."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mcsec.store.failures import StoreError

# What was deleted is overwritten: a destroyed key stays in the file no longer than until the log is written back.
_PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "secure_delete=ON")
#: The option of a connection that only reads.
READING = "mcsec_reading"


def engines(path: Path, read_only: bool) -> tuple[AsyncEngine, Callable[[], Engine]]:
    """The engine on a file, and what makes another one for a thread of its own."""
    where = f"file:{_quoted(path)}?mode={'ro' if read_only else 'rw'}&uri=true"
    asynchronous = create_async_engine(f"sqlite+aiosqlite:///{where}")
    _listen(asynchronous.sync_engine, read_only)

    def synchronous() -> Engine:
        engine = create_engine(f"sqlite:///{where}")
        _listen(engine, read_only)
        return engine

    return asynchronous, synchronous


def _quoted(path: Path) -> str:
    # A path may hold what a URI gives a meaning to.
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _listen(engine: Engine, read_only: bool) -> None:
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own transactions leave out what changes the schema; ours begin with BEGIN, always.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (() if read_only else ("journal_mode=WAL",)) + _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        # Who writes waits for its turn at the beginning; to wait after something was read would be too late.
        reading = read_only or connection.get_execution_options().get(READING)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)


def create_private(path: Path) -> None:
    """The file, readable by its owner alone, where there is none."""
    if not path.exists():
        path.touch(mode=0o600)


def take(path: Path) -> int:
    """The right to use a file, for this process alone; a descriptor to be closed in the end.

    The system takes it back when the process ends, however it ends.

    :raises StoreError: another process has it.
    """
    lock = path.with_name(f"{path.name}-lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(
            f"{path}: another process uses this file",
            code="store.in-use",
            hint="stop it first; several processes share a PostgreSQL database, see `mcsec store copy`",
        ) from None
    return descriptor


_HINTS = {
    sqlite3.SQLITE_FULL: "free space on the disk; nothing was half-written",
    sqlite3.SQLITE_IOERR: "look at the disk, and whether it is full; nothing was half-written",
    sqlite3.SQLITE_READONLY: "make the file and its directory writable for this user",
    sqlite3.SQLITE_CORRUPT: "restore from a backup: `mcsec restore`",
    sqlite3.SQLITE_NOTADB: "this file is no database of ours; give another path or restore from a backup",
    sqlite3.SQLITE_BUSY: "another process writes to this file; run one process on it",
    sqlite3.SQLITE_CANTOPEN: "make the directory, readable and writable for this user",
}
_PASSING = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    )
)


def explain(error: sqlite3.Error, where: str) -> StoreError:
    """What SQLite says, and what to do about it."""
    # The lowest octet is the kind of error; the others say more than an operator needs.
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return StoreError(f"{where}{error}", passing=kind in _PASSING, hint=_HINTS.get(kind, ""))


def hint(error: OSError) -> str:
    """What to do about a file that cannot be had."""
    return {
        errno.ENOENT: "make the directory",
        errno.EACCES: "make the file and its directory readable and writable for this user",
        errno.EROFS: "the file system is read-only: mount it for writing",
        errno.ENOSPC: "free space on the disk",
        errno.EFBIG: "raise the limit on the size of files of this process",
    }.get(error.errno or 0, "")
