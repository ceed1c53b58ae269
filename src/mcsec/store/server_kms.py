"""The protection keys between a server and its KMS: written down before they are used, for they are given only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text, delete, insert, select

from mcsec.store.tables import metadata
from mcsec.store.wrapping import Place
from mcsec.wire.kms.protect import ProtectionKeys

if TYPE_CHECKING:
    from mcsec.store.database import Database

pairs = Table(
    "mc_kms_pair",
    metadata,
    Column("user", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("transport", LargeBinary, nullable=False),
    Column("integrity", LargeBinary, nullable=False),
)


def _place(user: str, kind: str) -> Place:
    return Place("mc_kms_pair", user, kind)


async def load_pair(database: Database, user: str) -> ProtectionKeys | None:
    """What was kept; None: nothing yet.

    :raises WrapError: it was changed.
    """
    async with database.read() as connection:
        row = (await connection.execute(select(pairs).where(pairs.c.user == user))).one_or_none()
    if row is None:
        return None
    wrapper = database.wrapper
    return ProtectionKeys(
        user,
        row.number,
        wrapper.unwrap(row.transport, _place(user, "TrK")),
        wrapper.unwrap(row.integrity, _place(user, "InK")),
    )


async def keep_pair(database: Database, keys: ProtectionKeys) -> None:
    """Write them down."""
    wrapper = database.wrapper
    values = {
        "user": keys.user,
        "number": keys.number,
        "transport": wrapper.wrap(keys.transport, _place(keys.user, "TrK")),
        "integrity": wrapper.wrap(keys.integrity, _place(keys.user, "InK")),
    }
    async with database.begin() as connection:
        await connection.execute(delete(pairs).where(pairs.c.user == keys.user))
        await connection.execute(insert(pairs), values)
