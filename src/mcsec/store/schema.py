"""The schema of a store: made, recognised, brought up to date.

A store says its own version (table ``alembic_version``). The migrations are ``migrations/versions/NNNN_*.py``; the last
one's number is the schema that this program works with. An older store is brought up to date by
``mcsec store upgrade``; a newer one is left alone.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select, text

# Registers every table, so that a store is the same whichever program made it.
from mcsec.store import gms, kms, kms_answers, server_kms, server_tables  # noqa: F401
from mcsec.store.failures import StoreError
from mcsec.store.tables import metadata

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
#: Every schema that there was, oldest first.
VERSIONS = tuple(sorted(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py")))
CURRENT = VERSIONS[-1]
#: What a store has that was made before stores said their version.
UNVERSIONED = ""

#: As alembic makes it.
_versions = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
#: Of the lock under which processes make or change a schema (PostgreSQL): "mcsec".
_LOCK = 0x6D63736563


def version(connection: Connection) -> str | None:
    """The version of a store; None: there is nothing yet."""
    if connection.dialect.has_table(connection, _versions.name):
        found: str | None = connection.execute(select(_versions.c.version_num)).scalar()
        if found is not None:
            return found
    return UNVERSIONED if connection.dialect.has_table(connection, "data_key") else None


def prepare(connection: Connection) -> None:
    """Make the schema where there is none.

    :raises StoreError: what is there is of another version.
    """
    lock(connection)
    found = version(connection)
    if found is None:
        metadata.create_all(connection)
        _versions.create(connection, checkfirst=True)
        connection.execute(insert(_versions).values(version_num=CURRENT))
    else:
        check(found)


def check(found: str | None) -> None:
    """Whether this program works with a schema.

    :raises StoreError: it does not; the text says what to do.
    """
    if found == CURRENT:
        return
    if found is None:
        raise StoreError("there is no store here yet", code="store.empty", hint="start the server once")
    if found == UNVERSIONED or found in VERSIONS:
        raise StoreError(
            f"the store has schema {found or 'without a number'}, this program needs {CURRENT}",
            code="store.schema-old",
            hint="make a backup, then run `mcsec store upgrade`",
        )
    raise StoreError(
        f"the store has schema {found}, which a newer program made; this one knows schemas up to {CURRENT}",
        code="store.schema-new",
        hint="run the newer program, or restore a backup that this one made",
    )


def upgrade(connection: Connection) -> tuple[str | None, str]:
    """Bring a store up to date within the transaction of ``connection``; its version before and after.

    :raises StoreError: a newer program made it.
    """
    from alembic import command
    from alembic.config import Config

    lock(connection)
    before = version(connection)
    if before not in (None, UNVERSIONED, *VERSIONS):
        check(before)
    config = Config()
    config.set_main_option("script_location", str(_VERSIONS.parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before, CURRENT


def lock(connection: Connection) -> None:
    """One process at a time makes or changes a schema. A SQLite file has one process anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
