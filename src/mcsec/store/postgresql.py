"""PostgreSQL: one database for any number of processes, by asyncpg."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mcsec.store.failures import StoreError

if TYPE_CHECKING:
    import asyncpg

#: Seconds until a server that does not answer counts as away.
_PATIENCE = 10.0
#: A process that is cut off in the midst of a transaction leaves its locks behind, that of the lease among them. After
#: so many milliseconds without a word the database lets go of them, and somebody else can be on duty.
_SILENT = 3000
#: In a transaction that only reads, and so holds nobody up.
READING = "SET LOCAL idle_in_transaction_session_timeout = 0"
_GIVEN_UP = "this process has given up the database"


class Connections:
    """The connections of one engine, so that they can be given up all at once: see :meth:`give_up`."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[asyncpg.Connection[Any]] = weakref.WeakSet()
        self._coming: set[asyncio.Task[asyncpg.Connection[Any]]] = set()
        self._given_up = False

    def give_up(self) -> None:
        """Whoever waits for the database fails now, and so does who asks it later.

        Where packets to a database vanish, a connection takes minutes to find that out.
        """
        self._given_up = True
        for task in self._coming:
            task.cancel()
        for connection in list(self._open):
            connection.terminate()

    async def connect(self, make: Callable[[], Coroutine[Any, Any, asyncpg.Connection[Any]]]) -> Any:
        """What ``make`` gives.

        :raises OSError: given up.
        """
        if self._given_up:
            raise ConnectionAbortedError(_GIVEN_UP)
        task = asyncio.create_task(make())
        self._coming.add(task)
        try:
            connection = await task
        except asyncio.CancelledError:
            if self._given_up:
                raise ConnectionAbortedError(_GIVEN_UP) from None
            raise
        finally:
            self._coming.discard(task)
        self._open.add(connection)
        return connection


def engine(uri: str, where: str, connections: Connections) -> AsyncEngine:
    """The engine on a database; ``where`` names it without a password.

    :raises StoreError: the driver is not installed.
    """
    try:
        import asyncpg
    except ImportError:
        raise StoreError(
            f"{where}: the driver for PostgreSQL is not installed",
            code="store.driver",
            hint="pip install 'mcsec[postgresql]'",
        ) from None

    async def connect() -> asyncpg.Connection[Any]:
        try:
            connection = await connections.connect(
                lambda: asyncpg.connect(
                    uri,
                    timeout=_PATIENCE,
                    command_timeout=60,
                    server_settings={
                        "application_name": "mcsec",
                        "idle_in_transaction_session_timeout": str(_SILENT),
                    },
                )
            )
            try:
                durable = await connection.fetchval("SHOW synchronous_commit")
            except BaseException:
                # Also when whoever asked is cancelled: nobody else knows of this connection yet.
                connection.terminate()
                raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise explain(error, f"{where}: ") from None
        except ValueError as error:
            raise StoreError(f"{where}: {error}", code="store.address") from None
        if durable == "off":
            await connection.close()
            raise StoreError(
                f"{where}: what is committed there may be lost",
                code="store.not-durable",
                hint="set synchronous_commit to on in the configuration of PostgreSQL",
            )
        return connection

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_pre_ping=False)


_HINTS = {
    "08": "look whether PostgreSQL runs, and whether it can be reached from here",
    "28": "look at user and password (PGPASSWORD, ~/.pgpass), and at pg_hba.conf",
    "3D": "make the database: createdb NAME",
    "42501": "give the user all rights on the database's schema",
    "25006": "this PostgreSQL is a standby; give the address of the one that takes writes",
    "53100": "free space on the disk of PostgreSQL; nothing was half-written",
    "53300": "raise max_connections of PostgreSQL, or run fewer processes",
    "53": "PostgreSQL lacks memory or room; nothing was half-written",
    "57P": "PostgreSQL is being stopped or started",
    "58": "look at the log of PostgreSQL",
    "XX": "the database is damaged: restore from a backup, `mcsec restore`",
}
_PASSING = ("08", "25006", "25P03", "40", "53", "55P03", "57P", "58")


def explain(error: BaseException, where: str) -> StoreError:
    """What PostgreSQL or the way to it says, and what to do about it."""
    state = getattr(error, "sqlstate", None) or ("08006" if _lost(error) else "")
    hint = next((text for start, text in _HINTS.items() if state.startswith(start)), "")
    said = getattr(error, "driver_exception", None) or error
    text = str(said) or type(said).__name__
    return StoreError(f"{where}{text.splitlines()[0]}", passing=state.startswith(_PASSING), hint=hint)


def _lost(error: BaseException) -> bool:
    """Whether the way to the database failed, rather than what was said on it."""
    import asyncpg

    cause = getattr(error, "driver_exception", None) or error
    if isinstance(cause, asyncpg.InterfaceError):
        return "closed" in str(cause) or "another operation" in str(cause)
    return isinstance(cause, OSError | TimeoutError)
