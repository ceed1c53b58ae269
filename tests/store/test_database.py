"""The database of an entity: made private, durable, and clear about what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from mcsec._core import Secret
from mcsec.store.database import Database, StoreError
from mcsec.store.kek import Kek, WrapError
from mcsec.store.wrapping import Place

pytestmark = pytest.mark.anyio


@pytest.fixture
def kek() -> Kek:
    return Kek(Secret(b"k" * 32))


async def test_what_was_wrapped_opens_after_reopening(tmp_path: Path, kek: Kek) -> None:
    path = tmp_path / "domain.db"
    place = Place("csk", "1", "CSK")
    database = await Database.open(path, kek)
    blob = database.wrapper.wrap(Secret(b"s" * 16), place)
    await database.close()
    assert path.stat().st_mode & 0o077 == 0
    again = await Database.open(path, kek)
    assert again.wrapper.unwrap(blob, place) == Secret(b"s" * 16)
    await again.close()


async def test_durable_settings(tmp_path: Path, kek: Kek) -> None:
    database = await Database.open(tmp_path / "domain.db", kek)
    async with database.read() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == value
    await database.close()


async def test_the_wrong_kek_is_named(tmp_path: Path, kek: Kek) -> None:
    path = tmp_path / "domain.db"
    await (await Database.open(path, kek)).close()
    with pytest.raises(WrapError) as caught:
        await Database.open(path, Kek(Secret(b"x" * 32)))
    assert caught.value.code == "store.kek-wrong"


async def test_a_file_that_is_no_database(tmp_path: Path, kek: Kek) -> None:
    path = tmp_path / "domain.db"
    path.write_bytes(b"no database at all, but long enough to look at" * 30)
    with pytest.raises(StoreError) as caught:
        await Database.open(path, kek)
    assert "restore from a backup" in caught.value.hint


async def test_a_directory_that_is_not_there(tmp_path: Path, kek: Kek) -> None:
    with pytest.raises(StoreError, match="No such file"):
        await Database.open(tmp_path / os.urandom(4).hex() / "domain.db", kek)


async def test_a_transaction_in_one_step(tmp_path: Path, kek: Kek) -> None:
    database = await Database.open(tmp_path / "domain.db", kek)

    def write(connection: Connection) -> int:
        connection.execute(text("CREATE TABLE IF NOT EXISTS t (n INTEGER)"))
        return connection.execute(text("INSERT INTO t VALUES (1)")).rowcount

    def fail(connection: Connection) -> None:
        write(connection)
        raise RuntimeError

    def count(connection: Connection) -> int:
        return connection.execute(text("SELECT count(*) FROM t")).scalar_one()

    assert await database.transact(write) == 1
    with pytest.raises(RuntimeError):
        await database.transact(fail)
    assert await database.transact(count) == 1
    with pytest.raises(StoreError):
        await database.transact(lambda connection: connection.execute(text("SELECT * FROM nowhere")))
    assert await database.transact(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar()) == 2
    await database.close()
