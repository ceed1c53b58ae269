"""What a machine saw of its store, kept beside it: how a copy of the past is told from the store.

A file of its own, written now and then: the store's name, how often it was restored, and the head of its provenance. A
store that does not pass through that head again was put back by hand, or its records were changed. One that is empty
was deleted.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from mcsec.errors import DecodeError
from mcsec.keys.chain import ChainBroken, Fault, Head
from mcsec.keys.records import decode
from mcsec.store import life, schema
from mcsec.store.address import Address
from mcsec.store.database import Database
from mcsec.store.failures import StoreError
from mcsec.store.group_commit import Write
from mcsec.store.life import Life
from mcsec.store.server_tables import provenance
from mcsec.store.tables import restorations


@dataclass(frozen=True, slots=True)
class Seen:
    """The store called ``name``, restored so often, with this head."""

    name: str
    restored: int
    head: Head


class Witness:
    """The file in which a machine notes how far it saw its store."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Seen | None:
        """What was seen; None: nothing yet.

        :raises StoreError: the file cannot be read, or is none of ours.
        """
        try:
            plain = json.loads(self.path.read_text())
            return Seen(
                str(plain["name"]),
                int(plain["restored"]),
                Head(int(plain["length"]), bytes.fromhex(plain["digest"])),
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}", code="store.witness") from None
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"{self.path}: does not say how far the store was seen",
                code="store.witness",
                hint="delete it only if you know that the store is not an old copy",
            ) from None

    def note(self, seen: Seen) -> None:
        """Write down how far the store was seen; the file is replaced as a whole.

        :raises StoreError: it cannot be written.
        """
        plain = {
            "name": seen.name,
            "restored": seen.restored,
            "length": seen.head.length,
            "digest": seen.head.digest.hex(),
        }
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            with fresh.open("w") as file:
                file.write(json.dumps(plain) + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}", code="store.witness") from None


async def expect(address: Address, witness: Witness) -> None:
    """Nothing is begun anew where this machine saw a store before; to be called before one is opened, and so made.

    :raises StoreError: what was seen is gone (``store.gone``), or the file beside the store cannot be read.
    """
    seen = witness.read()
    if seen is not None and seen.head.length and await _is_empty(address):
        raise StoreError(
            f"{address}: nothing is in this store, and this machine saw {seen.head.length} records in it",
            code="store.gone",
            hint="if it was deleted or moved, put it back, or restore a backup (`mcsec restore`); to begin anew, with "
            f"other keys for everybody, delete {witness.path} too",
        )


async def _is_empty(address: Address) -> bool:
    try:
        database = await Database.reach(address, read_only=True)
        try:
            async with database.read() as connection:
                return await connection.run_sync(_unused)
        finally:
            await database.close()
    except StoreError as error:
        # Whatever else is wrong is said when it is opened.
        return error.code == "store.empty"


def _unused(connection: Connection) -> bool:
    version = schema.version(connection)
    if version != schema.CURRENT:
        return version is None
    records = connection.execute(select(provenance.c.sequence).limit(1)).first()
    restored = connection.execute(select(restorations.c.number).limit(1)).first()
    return records is None and restored is None


def look(connection: Connection) -> Seen:
    """How far the store goes now.

    :raises ChainBroken: its last record is none.
    """
    present = life.begin(connection)
    row = connection.execute(
        select(provenance.c.sequence, provenance.c.line).order_by(provenance.c.sequence.desc()).limit(1)
    ).first()
    if row is None:
        return Seen(present.name, present.restored, Head(0, b""))
    try:
        return Seen(present.name, present.restored, Head(row.sequence + 1, decode(row.line).digest))
    except DecodeError:
        raise ChainBroken(row.sequence, Fault.ALTERED) from None


def examine(connection: Connection, seen: Seen | None, now: float) -> Life:
    """The store's life; what was seen and is not in it makes it doubtful.

    A store of another name is another store, of which nothing was seen.
    """
    present = life.begin(connection)
    if seen is None or seen.name != present.name or present.doubtful:
        return present
    length = connection.execute(
        select(provenance.c.sequence).order_by(provenance.c.sequence.desc()).limit(1)
    ).scalar()
    length = 0 if length is None else length + 1
    if reason := _doubt(connection, seen, present, length):
        return life.note_restored(connection, length, seen.head.length, reason, now)
    return present


def answered(number: int) -> Write:
    """Every key was replaced because of the restorations up to ``number``; goes with what replaces them."""
    return Write(life.ANSWERED, {"number": number}, firm=True)


def _doubt(connection: Connection, seen: Seen, present: Life, length: int) -> str:
    if present.restored < seen.restored:
        return "the store was restored more often than it says"
    if length < seen.head.length:
        return "the store ends before what was seen of it"
    if seen.head.length and present.restored == seen.restored:
        line = connection.execute(
            select(provenance.c.line).where(provenance.c.sequence == seen.head.length - 1)
        ).scalar()
        try:
            same = line is not None and decode(line).digest == seen.head.digest
        except DecodeError:
            same = False
        if not same:
            return "the store is not the one that was seen"
    return ""
