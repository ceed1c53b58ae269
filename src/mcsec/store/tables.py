"""Where every table registers itself, one file per functional entity; and the tables of the store's own."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: A large number; SQLite's only kind of number is large enough.
LARGE = BigInteger().with_variant(Integer(), "sqlite")

#: The youngest wraps; all of them unwrap.
data_keys = Table(
    "data_key",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("kek_id", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("made", Float, nullable=False, server_default="0"),
)

#: The number of each writer's last transaction: whether one counts whose end was not heard.
writers = Table(
    "store_writer",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

#: One row: the store's name for its life, how often it was restored, and up to which time keys were replaced for that.
life = Table(
    "store_life",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("restored", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),
)

#: Each time that the store was found to be a copy of the past: records it had, and records that are known.
restorations = Table(
    "store_restoration",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)

#: What signs the heads of provenance.
audit_signer = Table(
    "audit_signer",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("made", Float, nullable=False),
)

checkpoints = Table(
    "audit_checkpoint",
    metadata,
    Column("length", BigInteger, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
)
