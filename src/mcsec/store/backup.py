"""Sealed backups of a store: one file, whatever the database, which its recovery key alone opens.

A copy of the store is taken while it is used; in the copy the data keys are wrapped anew, under the recovery
key, so that a backup does not need the KEK of a machine that is lost. Then the copy is sealed as a whole, in
chunks, so that size does not matter and nothing can be cut off or put in another order.

Octets: ``mcsec-backup/1`` and a line end | salt (16) | wrapped file key (60) | chunks, each: length (4) |
ciphertext and tag (16). The nonce of a chunk is its number (11 octets) and whether it is the last (1 octet).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select

from mcsec._core import Secret
from mcsec.store import life, moving, schema, sqlite
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError, explained
from mcsec.store.kek import Kek, WrapError
from mcsec.store.server_tables import provenance
from mcsec.store.wrapping import WrappedDataKey, Wrapper

MAGIC = b"mcsec-backup/1\n"
_CHUNK = 1 << 20
_SALT_OCTETS = 16
_WRAPPED_OCTETS = 12 + 32 + 16
_TAG_OCTETS = 16


async def write(database: Path | Address, target: Path, kek: Kek, recovery: Kek) -> None:
    """A sealed copy of ``database``, as it is at one moment, in ``target``, which must not exist.

    :raises StoreError: a file cannot be read or written, or the store has another schema than this program.
    """
    address = database if isinstance(database, Address) else Address(path=database)
    with _scratch(address.path.parent if address.path else target.parent) as copy:
        if address.path is None:
            await _export(address, copy)
        await asyncio.to_thread(_seal, address.path, copy, target, kek, recovery)


async def restore(
    source: Path, database: Path | Address, kek: Kek, recovery: Kek, now: float | None = None
) -> None:
    """The store from a backup, brought up to date, under ``kek`` from now on. There must be none where it goes.

    It says of itself that it was restored, so that keys are replaced before anything is sent under them.

    :raises StoreError: a file cannot be read or written, there is a store, or a newer program made the backup.
    :raises WrapError: another recovery key sealed it, or it was changed or cut off.
    """
    address = database if isinstance(database, Address) else Address(path=database)
    now = time.time() if now is None else now
    with _scratch(address.path.parent if address.path else source.parent) as copy:
        await asyncio.to_thread(_unseal, source, address.path, copy, kek, recovery, now)
        if address.path is None:
            await _import(copy, address)


async def _export(address: Address, copy: Path) -> None:
    reading = await Database.reach(address, read_only=True)
    try:
        writing = await Database.reach(copy)
        try:
            await moving.copy(reading, writing)
        finally:
            await writing.close()
    finally:
        await reading.close()


async def _import(copy: Path, address: Address) -> None:
    reading = await Database.reach(copy, read_only=True)
    try:
        writing = await Database.reach(address)
        try:
            await moving.copy(reading, writing)
        finally:
            await writing.close()
    finally:
        await reading.close()


def _unseal(source: Path, database: Path | None, copy: Path, kek: Kek, recovery: Kek, now: float) -> None:
    try:
        # A log that was left behind would be applied to whatever file has the name.
        if database is not None and (
            database.exists() or database.with_name(f"{database.name}-wal").exists()
        ):
            raise StoreError(
                f"{database} exists; a backup never overwrites",
                code="store.not-empty",
                hint="move the file away, with those of the same name that end in -wal and -shm",
            )
        with source.open("rb") as sealed, copy.open("wb") as plain:
            for chunk in _open_chunks(sealed, recovery):
                plain.write(chunk)
            plain.flush()
            os.fsync(plain.fileno())
        _bring_up_to_date(copy, now)
        _rewrap(copy, recovery, kek)
        copy.chmod(0o600)
        if database is not None:
            copy.rename(database)
            _sync_directory(database.parent)
    except OSError as error:
        raise StoreError(f"{error.filename or source}: {error.strerror}", code="store.backup-file") from None


def _bring_up_to_date(copy: Path, now: float) -> None:
    engine = sqlite.engines(copy, read_only=False)[1]()
    try:
        with explained(f"{copy}: "), engine.begin() as connection:
            schema.upgrade(connection)
            length = connection.execute(select(func.count()).select_from(provenance)).scalar_one()
            life.note_restored(connection, length, length, "restored from a backup", now)
    finally:
        engine.dispose()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seal(database: Path | None, copy: Path, target: Path, kek: Kek, recovery: Kek) -> None:
    try:
        if database is not None:
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
                connection.execute("VACUUM INTO ?", (str(copy),))
        _rewrap(copy, kek, recovery)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as sealed, copy.open("rb") as plain:
                _seal_chunks(plain, sealed, recovery)
                sealed.flush()
                os.fsync(sealed.fileno())
        except BaseException:
            # Half a backup is worse than none.
            target.unlink()
            raise
    except sqlite3.Error as error:
        raise sqlite.explain(error, f"{database or target}: ") from None
    except OSError as error:
        raise StoreError(
            f"{error.filename or target}: {error.strerror}", code="store.backup-file", hint=sqlite.hint(error)
        ) from None


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A private directory beside the database, so that the copy never leaves its file system."""
    with explained(f"{directory}: "), tempfile.TemporaryDirectory(dir=directory, prefix=".backup-") as name:
        yield Path(name) / "copy.db"


def _rewrap(copy: Path, old: Kek, new: Kek) -> None:
    """The data keys in a database file under another KEK."""
    with closing(sqlite3.connect(copy)) as connection, connection:
        rows = connection.execute("SELECT id, kek_id, blob FROM data_key").fetchall()
        for row in rows:
            moved = Wrapper.rewrap(old, new, WrappedDataKey(*row))
            connection.execute(
                "UPDATE data_key SET kek_id = ?, blob = ? WHERE id = ?", (moved.kek_id, moved.blob, moved.id)
            )
    # What was overwritten must not stay in the file.
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("VACUUM")


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _seal_chunks(plain: BinaryIO, sealed: BinaryIO, recovery: Kek) -> None:
    salt, key = secrets.token_bytes(_SALT_OCTETS), Secret.random(32)
    head = MAGIC + salt + recovery.wrap(key, f"backup-{salt.hex()}")
    sealed.write(head)
    cipher = AESGCM(key.reveal())
    number, chunk = 0, plain.read(_CHUNK)
    while True:
        following = plain.read(_CHUNK)
        octets = cipher.encrypt(_nonce(number, not following), chunk, head)
        sealed.write(struct.pack(">I", len(octets)) + octets)
        if not following:
            return
        number, chunk = number + 1, following


def _open_chunks(sealed: BinaryIO, recovery: Kek) -> Iterator[bytes]:
    head = sealed.read(len(MAGIC) + _SALT_OCTETS + _WRAPPED_OCTETS)
    if not head.startswith(MAGIC) or len(head) != len(MAGIC) + _SALT_OCTETS + _WRAPPED_OCTETS:
        raise WrapError("this file is no backup of ours", code="store.backup")
    salt, wrapped = head[len(MAGIC) : len(MAGIC) + _SALT_OCTETS], head[len(MAGIC) + _SALT_OCTETS :]
    cipher = AESGCM(recovery.unwrap(wrapped, f"backup-{salt.hex()}").reveal())
    number, last = 0, False
    while not last:
        length = sealed.read(4)
        size = int.from_bytes(length)
        octets = sealed.read(size) if len(length) == 4 and size <= _CHUNK + _TAG_OCTETS else b""
        position = sealed.tell()
        last = not sealed.read(1)
        sealed.seek(position)
        try:
            chunk = cipher.decrypt(_nonce(number, last), octets, head)
        except (InvalidTag, ValueError):
            raise WrapError(
                "this backup was changed or cut off", code="store.backup", hint="take another copy of it"
            ) from None
        yield chunk
        number += 1
