"""Another wrapping key for a store: a few short rows are written anew, and no key that lies in it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from mcsec.store import schema, sqlite
from mcsec.store.database import Database, read_data_keys
from mcsec.store.kek import Kek
from mcsec.store.tables import data_keys
from mcsec.store.wrapping import Wrapper


async def rekey(database: Database, old: Kek, new: Kek, *, fresh: bool = False) -> int:
    """The data keys under ``new`` instead of ``old``, in one transaction; how many they are.

    Servers that run on the store go on; the next start needs the new key. ``fresh``: what is wrapped from the next
    start on is wrapped by a data key of its own.

    :raises WrapError: ``old`` is not the wrapping key; nothing has changed.
    :raises StoreError: the store cannot be used; nothing has changed.
    """

    def work(connection: Connection) -> int:
        schema.check(schema.version(connection))
        # Whoever opens the store meanwhile waits, and then sees the new wrapping.
        connection.execute(select(data_keys.c.id).with_for_update()).all()
        keys = [Wrapper.rewrap(old, new, key) for key in read_data_keys(connection)]
        for key in keys:
            connection.execute(
                update(data_keys).where(data_keys.c.id == key.id).values(kek_id=key.kek_id, blob=key.blob)
            )
        if fresh:
            made = Wrapper.new_data_key(new)
            values = {"id": made.id, "kek_id": made.kek_id, "blob": made.blob, "made": time.time()}
            connection.execute(insert(data_keys).values(values))
        return len(keys) + fresh

    number = await database.transact(work)
    if database.address.path is not None:
        await asyncio.to_thread(_scrub, database.address.path)
    return number


def _scrub(path: Path) -> None:
    """What was overwritten must not stay in the file, for the old wrapping key may be known to somebody."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise sqlite.explain(
            error, f"{path}: rekeyed, but the old wrapping may still lie in the file: "
        ) from None
