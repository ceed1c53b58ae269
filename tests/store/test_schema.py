"""A store is made, recognised and brought up to date, from every schema that there was, on both databases."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from mcsec.crypto.secret import Secret
from mcsec.store import schema
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.kek import Kek
from mcsec.store.tables import metadata

pytestmark = pytest.mark.anyio
KEK = Kek(Secret(bytes(32)))
SCHEMAS = Path(__file__).parent / "schemas"


@contextlib.asynccontextmanager
async def reached(address: Address) -> AsyncIterator[Database]:
    database = await Database.reach(address)
    try:
        yield database
    finally:
        await database.close()


def facts(connection: Connection) -> dict[str, object]:
    seen = inspect(connection)
    return {
        name: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in seen.get_columns(name)},
            seen.get_pk_constraint(name)["constrained_columns"],
            sorted((index["name"] or "", index["column_names"]) for index in seen.get_indexes(name)),
            sorted(tuple(found["column_names"]) for found in seen.get_unique_constraints(name)),
        )
        for name in seen.get_table_names()
    }


def restart_at(connection: Connection, version: str) -> None:
    """A store as the program of an earlier schema made it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


async def test_migrating_from_nothing_gives_what_is_made_at_once(address: Address, tmp_path: Path) -> None:
    async with reached(address) as database:
        before, after = await database.transact(schema.upgrade)
        assert (before, after) == (None, schema.CURRENT)
        migrated = await database.transact(facts)
        differences = await database.transact(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )
        assert differences == []
    made = Address(path=tmp_path / "made.sqlite")
    if address.path is not None:
        await (await Database.open(made, KEK)).close()
        async with reached(made) as database:
            assert await database.transact(facts) == migrated


@pytest.mark.parametrize("version", schema.VERSIONS)
async def test_forward_from_every_schema(address: Address, version: str) -> None:
    async with reached(address) as database:
        await database.transact(lambda connection: restart_at(connection, version))
        assert await database.transact(schema.version) == version
        await database.transact(
            lambda c: c.execute(text("INSERT INTO mc_bearer (tmgi, description) VALUES ('t', '{}')"))
        )
        assert await database.transact(schema.upgrade) == (version, schema.CURRENT)
    opened = await Database.open(address, KEK)
    async with opened.read() as connection:
        assert (await connection.execute(text("SELECT tmgi FROM mc_bearer"))).scalar() == "t"
    await opened.close()


def store_of_before_versions(path: Path, tables: str = "") -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((SCHEMAS / "unversioned.sql").read_text())
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if tables and not name.startswith((tables, "data_key")):
                connection.execute(f"DROP TABLE {name}")
        connection.commit()


@pytest.mark.parametrize("tables", ["", "kms_", "mc_"])
async def test_a_store_of_before_versions_is_refused_then_upgraded(tmp_path: Path, tables: str) -> None:
    path = tmp_path / "old.db"
    store_of_before_versions(path, tables)
    with pytest.raises(StoreError) as caught:
        await Database.open(path, KEK)
    assert caught.value.code == "store.schema-old"
    assert "mcsec store upgrade" in caught.value.hint
    async with reached(Address(path=path)) as database:
        assert await database.transact(schema.upgrade) == ("", schema.CURRENT)
    await (await Database.open(path, KEK)).close()


async def test_a_newer_schema_is_refused_and_left_alone(address: Address) -> None:
    await (await Database.open(address, KEK)).close()
    async with reached(address) as database:
        await database.transact(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
        before = await database.transact(facts)
        for attempt in (schema.prepare, schema.upgrade):
            with pytest.raises(StoreError, match="9999, which a newer program made") as caught:
                await database.transact(attempt)
            assert caught.value.code == "store.schema-new"
        assert await database.transact(facts) == before


async def test_an_upgrade_that_fails_leaves_the_old_schema(address: Address) -> None:
    async with reached(address) as database:
        await database.transact(lambda connection: restart_at(connection, "0001"))
        before = await database.transact(facts)
        # Something in the way of the last table of the next schema.
        await database.transact(lambda c: c.execute(text("CREATE TABLE audit_checkpoint (x INTEGER)")))
        with pytest.raises(StoreError):
            await database.transact(schema.upgrade)
        await database.transact(lambda c: c.execute(text("DROP TABLE audit_checkpoint")))
        assert await database.transact(facts) == before
        assert await database.transact(schema.version) == "0001"


async def test_two_on_one_file(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    first = await Database.open(path, KEK)
    with pytest.raises(StoreError) as caught:
        await Database.open(path, KEK)
    assert caught.value.code == "store.in-use"
    assert "PostgreSQL" in caught.value.hint
    reader = await Database.open(path, KEK, read_only=True)
    with pytest.raises(StoreError, match="readonly"):
        await reader.transact(lambda c: c.execute(text("DELETE FROM mc_user")))
    await reader.close()
    await first.close()
    await (await Database.open(path, KEK)).close()
