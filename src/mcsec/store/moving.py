"""A store copied as a whole into another database: from SQLite to PostgreSQL, into a backup, and out of it."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mcsec.store import schema
from mcsec.store.database import Database, StoreError
from mcsec.store.tables import LARGE, metadata

#: Rows that are carried at a time.
_ROWS = 1000


async def copy(source: Database, target: Database) -> dict[str, int]:
    """Everything, as it was at one moment, in one transaction of the target; how many rows of each table.

    The target must hold no store yet. The source may be used meanwhile where its database allows that.

    :raises StoreError: the target holds something, or the source has another schema than this program.
    """
    async with source.read() as reading, target.begin() as writing:
        schema.check(await reading.run_sync(schema.version))
        await writing.run_sync(_make)
        return {
            table: await _carry(table, reading, writing) for table in [t.name for t in metadata.sorted_tables]
        }


def _make(connection: Connection) -> None:
    schema.lock(connection)
    if schema.version(connection) is not None:
        raise StoreError(
            "there is a store already where the copy is to go",
            code="store.not-empty",
            hint="give an empty database; a copy never overwrites",
        )
    schema.prepare(connection)


async def _carry(name: str, reading: AsyncConnection, writing: AsyncConnection) -> int:
    table = metadata.tables[name]
    carried = 0
    rows = await reading.stream(select(table))
    async for part in rows.mappings().partitions(_ROWS):
        await writing.execute(insert(table), [dict(row) for row in part])
        carried += len(part)
    await writing.run_sync(_count_on, name)
    there = (await writing.execute(select(func.count()).select_from(table))).scalar_one()
    if there != carried:
        raise StoreError(f"{name}: {carried} rows were read and {there} arrived", code="store.copy")
    return carried


def _count_on(connection: Connection, name: str) -> None:
    """Numbers that the database gives go on after the highest that was copied."""
    column = next((c for c in metadata.tables[name].primary_key if c.type is LARGE), None)
    if column is None or connection.dialect.name != "postgresql":
        return
    highest = connection.execute(select(func.max(column))).scalar()
    if highest is not None:
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)"),
            {"table": name, "column": column.name, "highest": highest},
        )
