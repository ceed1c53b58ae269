"""Sealed backups of an entity's database: one file, which its recovery key alone opens.

A copy of the database is taken while it is used; in the copy the data keys are wrapped anew, under the recovery
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
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcsec._core import Secret
from mcsec.store.database import StoreError
from mcsec.store.kek import Kek, WrapError
from mcsec.store.wrapping import WrappedDataKey, Wrapper

MAGIC = b"mcsec-backup/1\n"
_CHUNK = 1 << 20
_SALT_OCTETS = 16
_WRAPPED_OCTETS = 12 + 32 + 16
_TAG_OCTETS = 16


async def write(database: Path, target: Path, kek: Kek, recovery: Kek) -> None:
    """A sealed copy of ``database`` in ``target``, which must not exist.

    :raises StoreError: a file cannot be read or written.
    """
    await asyncio.to_thread(_write, database, target, kek, recovery)


def restore(source: Path, database: Path, kek: Kek, recovery: Kek) -> None:
    """The database from a backup, under ``kek`` from now on. ``database`` must not exist.

    :raises StoreError: a file cannot be read or written, or the database exists.
    :raises WrapError: another recovery key sealed it, or it was changed or cut off.
    """
    with _scratch(database.parent) as copy:
        try:
            if database.exists():
                raise StoreError(f"{database} exists; a backup never overwrites")
            with source.open("rb") as sealed, copy.open("wb") as plain:
                for chunk in _open_chunks(sealed, recovery):
                    plain.write(chunk)
                plain.flush()
                os.fsync(plain.fileno())
            _rewrap(copy, recovery, kek)
            copy.chmod(0o600)
            copy.rename(database)
        except OSError as error:
            raise StoreError(f"{error.filename or source}: {error.strerror}") from None


def _write(database: Path, target: Path, kek: Kek, recovery: Kek) -> None:
    with _scratch(database.parent) as copy:
        try:
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("VACUUM INTO ?", (str(copy),))
            _rewrap(copy, kek, recovery)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as sealed, copy.open("rb") as plain:
                _seal_chunks(plain, sealed, recovery)
                sealed.flush()
                os.fsync(sealed.fileno())
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"{target}: {reason}", code="store.backup-file") from None


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A private directory beside the database, so that the copy never leaves its file system."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=".backup-") as name:
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
