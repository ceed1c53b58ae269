"""Disks that are full, read-only or damaged, keys that are lost: an error says what to do, nothing is half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from mcsec.crypto.secret import Secret
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, Scope, make
from mcsec.keys.lifecycle import Epoch
from mcsec.store import backup, server
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.group_commit import GroupCommit
from mcsec.store.kek import Kek, WrapError, create_kek_file
from mcsec.store.server_load import load
from support.disks import no_more_than
from support.waiting import until

pytestmark = pytest.mark.anyio
KEK = Kek(Secret(bytes(32)))
NOW = 1_795_435_200.0
KEY = make(PurposeTag.MUSIK, scope=Scope(), maker=Maker("a.example", "mcx.a.example"), now=NOW)
NOBODY = 65_534


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that any user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="mcsec-store-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@contextlib.contextmanager
def as_an_ordinary_user() -> Iterator[None]:
    """Root may write everywhere; what is shown here is not about root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def users(first: int, last: int) -> list[server.Write]:
    return [
        server.put_user(server.StoredUser(f"sip:u{n}@a.example", f"sip:i{n}@a.example", "c" * 200, NOW))
        for n in range(first, last)
    ]


async def filled(path: Path, many: int = 300) -> None:
    database = await Database.open(path, KEK)
    async with GroupCommit(database) as writer:
        await writer.write([server.put_epoch(Epoch(KEY), 0, database.wrapper), *users(0, many)])
    await database.close()


async def test_a_disk_that_is_full_keeps_what_waits_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    await filled(path)
    failures: list[StoreError] = []
    database = await Database.open(path, KEK)
    async with GroupCommit(database, failures.append) as writer:
        with no_more_than(path.stat().st_size):
            done = writer.submit(users(300, 2000))
            await until(lambda: failures)
            assert not done.done()
        await done
    assert len((await load(database)).users) == 2000
    await database.close()
    assert failures[0].passing
    assert "disk" in failures[0].hint
    assert "half-written" in failures[0].hint


async def test_a_disk_that_is_full_when_the_store_is_made(tmp_path: Path) -> None:
    with no_more_than(8192), pytest.raises(StoreError) as caught:
        await Database.open(tmp_path / "server.db", KEK)
    assert "disk" in caught.value.hint
    # Nothing of it is in the way of the next attempt.
    await (await Database.open(tmp_path / "server.db", KEK)).close()


async def test_a_backup_for_which_there_is_no_room(tmp_path: Path) -> None:
    await filled(tmp_path / "server.db")
    with no_more_than(16_384), pytest.raises(StoreError):
        await backup.write(tmp_path / "server.db", tmp_path / "sealed", KEK, KEK)
    assert not (tmp_path / "sealed").exists()
    assert not list(tmp_path.glob(".backup-*"))


async def test_a_file_that_cannot_be_written(open_directory: Path) -> None:
    path = open_directory / "server.db"
    await filled(path)
    for name in open_directory.iterdir():
        name.chmod(0o444)
    open_directory.chmod(0o555)
    with as_an_ordinary_user(), pytest.raises(StoreError) as caught:
        await Database.open(path, KEK)
    assert "writable for this user" in caught.value.hint
    open_directory.chmod(0o777)
    (open_directory / "server.db-lock").chmod(0o666)
    with as_an_ordinary_user(), pytest.raises(StoreError) as caught:
        await Database.open(path, KEK)
    assert "writable for this user" in caught.value.hint
    open_directory.chmod(0o755)


async def test_a_damaged_page(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    await filled(path, 3000)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'mc_user'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))
    database = await Database.open(path, KEK)
    with pytest.raises(StoreError) as caught:
        await load(database)
    assert "restore from a backup" in caught.value.hint
    assert not caught.value.passing
    await database.close()


async def _read(path: Path) -> None:
    database = await Database.open(path, KEK)
    try:
        await load(database)
    finally:
        await database.close()


async def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    await filled(path, 3000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(StoreError) as caught:
        await _read(path)
    assert "restore from a backup" in caught.value.hint


async def test_a_wrapping_key_that_is_lost(tmp_path: Path) -> None:
    create_kek_file(tmp_path / "kek")
    (tmp_path / "kek").unlink()
    with pytest.raises(WrapError) as caught:
        Kek.load("file:kek", directory=tmp_path)
    assert caught.value.code == "store.kek-missing"
    assert "backup" in caught.value.hint


async def test_errors_show_no_password_and_no_key(address: Address) -> None:
    database = await Database.open(address, KEK)
    wrapped = database.wrapper.wrap(KEY.secret, server.key_place(KEY.key_id))
    with pytest.raises(StoreError) as caught:
        await database.transact(
            lambda c: c.execute(text("INSERT INTO mc_key (wrapped) VALUES (:blob)"), {"blob": wrapped})
        )
    said = caught.value.describe()
    assert wrapped.hex() not in said
    assert repr(wrapped)[2:-1] not in said
    await database.close()
