"""A store that is empty where this machine saw one with records: nothing is begun anew, and nothing is made."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from mcsec.crypto.secret import Secret
from mcsec.keys.chain import Head
from mcsec.store import backup, server_tables
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.kek import Kek
from mcsec.store.witness import Seen, Witness, expect

pytestmark = pytest.mark.anyio
KEK, RECOVERY = Kek(Secret(bytes(32))), Kek(Secret(b"r" * 32))
RECORDS = [{"sequence": number, "line": "{}"} for number in range(3)]


async def used(address: Address, records: int = 3) -> None:
    database = await Database.open(address, KEK)
    async with database.begin() as connection:
        if records:
            await connection.execute(insert(server_tables.provenance), RECORDS[:records])
    await database.close()


def seen(directory: Path, length: int = 3) -> Witness:
    found = Witness(directory / "server.db-seen")
    found.note(Seen("a", 0, Head(length, b"d" * 32)))
    return found


async def test_a_store_that_has_records_or_was_never_seen(address: Address, tmp_path: Path) -> None:
    await expect(address, Witness(tmp_path / "server.db-seen"))
    await expect(address, seen(tmp_path, 0))
    assert address.path is None or not address.path.exists()
    await used(address, 0)
    await expect(address, seen(tmp_path, 0))
    await used(address)
    await expect(address, seen(tmp_path))


async def test_a_store_that_is_gone(address: Address, tmp_path: Path) -> None:
    before = seen(tmp_path)
    for make in (False, True):
        if make:
            # Made anew by whatever it was, before it was looked at.
            await used(address, 0)
        with pytest.raises(StoreError, match="this machine saw 3 records in it") as caught:
            await expect(address, before)
        assert caught.value.code == "store.gone"
        assert "mcsec restore" in caught.value.hint
        assert str(before.path) in caught.value.hint
        if not make and address.path is not None:
            assert not address.path.exists(), "nothing is in the way of a restore"


async def test_a_file_of_no_octets(tmp_path: Path) -> None:
    (tmp_path / "server.db").touch()
    with pytest.raises(StoreError, match="nothing is in this store"):
        await expect(Address(path=tmp_path / "server.db"), seen(tmp_path))


async def test_what_a_killed_process_left_beside_the_file_counts(tmp_path: Path) -> None:
    """With the log that was never taken into the file, as after kill -9."""
    running, killed = tmp_path / "running", tmp_path / "killed"
    running.mkdir()
    database = await Database.open(Address(path=running / "server.db"), KEK)
    async with database.begin() as connection:
        await connection.execute(insert(server_tables.provenance), RECORDS)
    shutil.copytree(running, killed)
    await database.close()
    with closing(sqlite3.connect(f"file:{killed / 'server.db'}?immutable=1", uri=True)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master")]
        assert not tables or not file.execute("SELECT * FROM mc_provenance").fetchall()
    await expect(Address(path=killed / "server.db"), seen(killed))


async def test_a_restored_store_is_taken(tmp_path: Path) -> None:
    """Also the backup of one that had no records yet: it says of itself that it is old."""
    path = tmp_path / "server.db"
    await used(Address(path=path), 0)
    await backup.write(path, tmp_path / "sealed", KEK, RECOVERY)
    for file in tmp_path.glob("server.db*"):
        file.unlink()
    before = seen(tmp_path)
    with pytest.raises(StoreError):
        await expect(Address(path=path), before)
    await backup.restore(tmp_path / "sealed", path, KEK, RECOVERY)
    await expect(Address(path=path), before)


async def test_what_cannot_be_read_is_left_to_whoever_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    path.write_bytes(b"no database at all, and long enough to be one" * 50)
    await expect(Address(path=path), seen(tmp_path))
    path.unlink()
    await used(Address(path=path))
    database = await Database.reach(path)
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM mc_provenance"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    await database.close()
    await expect(Address(path=path), seen(tmp_path))
