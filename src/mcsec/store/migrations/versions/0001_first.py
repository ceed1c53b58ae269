"""The first schema. Stores that were made before schemas had numbers have some of its tables, and get the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_schema = sa.MetaData()
_LARGE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

sa.Table(
    "data_key",
    _schema,
    sa.Column("id", sa.String(length=16), nullable=False),
    sa.Column("kek_id", sa.String(length=16), nullable=False),
    sa.Column("blob", sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint("id", name="pk_data_key"),
)
sa.Table(
    "kms_certificate",
    _schema,
    sa.Column("kms_uri", sa.Text(), nullable=False),
    sa.Column("document", sa.LargeBinary(), nullable=False),
    sa.Column("revoked", sa.Boolean(), nullable=False),
    sa.Column("changed", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("kms_uri", name="pk_kms_certificate"),
)
sa.Table(
    "kms_client",
    _schema,
    sa.Column("user_uri", sa.Text(), nullable=False),
    sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
    sa.Column("client_id", sa.Text(), nullable=False),
    sa.Column("state", sa.String(length=16), nullable=False),
    sa.Column("made", sa.BigInteger(), nullable=False),
    sa.Column("transport", sa.LargeBinary(), nullable=False),
    sa.Column("integrity", sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint("user_uri", "number", name="pk_kms_client"),
)
sa.Table(
    "kms_issued",
    _schema,
    sa.Column("uid", sa.LargeBinary(length=32), nullable=False),
    sa.Column("user_uri", sa.Text(), nullable=False),
    sa.Column("period_no", sa.BigInteger(), nullable=False),
    sa.Column("first_issued", sa.BigInteger(), nullable=False),
    sa.Column("blob", sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint("uid", name="pk_kms_issued"),
)
sa.Index("ix_kms_issued_user_uri", _schema.tables["kms_issued"].c.user_uri, unique=False)
sa.Table(
    "kms_log",
    _schema,
    sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column("identity", sa.Text(), nullable=False),
    sa.Column("line", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("sequence", name="pk_kms_log"),
)
sa.Index("ix_kms_log_identity", _schema.tables["kms_log"].c.identity, unique=False)
sa.Table(
    "kms_master",
    _schema,
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("kms_uri", sa.Text(), nullable=False),
    sa.Column("period", sa.BigInteger(), nullable=False),
    sa.Column("offset", sa.BigInteger(), nullable=False),
    sa.Column("made", sa.BigInteger(), nullable=False),
    sa.Column("z", sa.LargeBinary(), nullable=False),
    sa.Column("ksak", sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint("id", name="pk_kms_master"),
)
sa.Table(
    "kms_revoked",
    _schema,
    sa.Column("user_uri", sa.Text(), nullable=False),
    sa.Column("since", sa.BigInteger(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("user_uri", name="pk_kms_revoked"),
)
sa.Table(
    "mc_affiliation",
    _schema,
    sa.Column("group_id", sa.Text(), nullable=False),
    sa.Column("mc_service_id", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("group_id", "mc_service_id", name="pk_mc_affiliation"),
)
sa.Index("ix_mc_affiliation_user", _schema.tables["mc_affiliation"].c.mc_service_id, unique=False)
sa.Table(
    "mc_bearer",
    _schema,
    sa.Column("tmgi", sa.Text(), nullable=False),
    sa.Column("description", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("tmgi", name="pk_mc_bearer"),
)
sa.Table(
    "mc_csk",
    _schema,
    sa.Column("mc_service_id", sa.Text(), nullable=False),
    sa.Column("key_id", sa.BigInteger(), nullable=False),
    sa.Column("wrapped", sa.LargeBinary(), nullable=False),
    sa.Column("rand", sa.LargeBinary(), nullable=False),
    sa.Column("maker_domain", sa.Text(), nullable=False),
    sa.Column("maker_entity", sa.Text(), nullable=False),
    sa.Column("created", sa.Float(), nullable=False),
    sa.Column("activation", sa.Float(), nullable=False),
    sa.Column("expiry", sa.Float(), nullable=True),
    sa.PrimaryKeyConstraint("mc_service_id", name="pk_mc_csk"),
)
sa.Table(
    "mc_delivery",
    _schema,
    sa.Column("id", _LARGE, nullable=False),
    sa.Column("mc_service_id", sa.Text(), nullable=False),
    sa.Column("key_id", sa.BigInteger(), nullable=False),
    sa.Column("state", sa.Integer(), nullable=False),
    sa.Column("urgency", sa.Integer(), nullable=False),
    sa.Column("due", sa.Float(), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("id", name="pk_mc_delivery"),
)
sa.Index(
    "ix_mc_delivery_open",
    _schema.tables["mc_delivery"].c.urgency,
    _schema.tables["mc_delivery"].c.due,
    unique=False,
    sqlite_where=sa.text("state < 2"),
    postgresql_where=sa.text("state < 2"),
)
sa.Index("ix_mc_delivery_user", _schema.tables["mc_delivery"].c.mc_service_id, unique=False)
sa.Index(
    "ux_mc_delivery",
    _schema.tables["mc_delivery"].c.key_id,
    _schema.tables["mc_delivery"].c.mc_service_id,
    unique=True,
)
sa.Table(
    "mc_key",
    _schema,
    sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column("place", _LARGE, nullable=False),
    sa.Column("scope", sa.Text(), nullable=False),
    sa.Column("wrapped", sa.LargeBinary(), nullable=False),
    sa.Column("rand", sa.LargeBinary(), nullable=False),
    sa.Column("maker_domain", sa.Text(), nullable=False),
    sa.Column("maker_entity", sa.Text(), nullable=False),
    sa.Column("created", sa.Float(), nullable=False),
    sa.Column("activation", sa.Float(), nullable=False),
    sa.Column("expiry", sa.Float(), nullable=True),
    sa.Column("state", sa.String(length=16), nullable=False),
    sa.Column("since", sa.Float(), nullable=False),
    sa.Column("until", sa.Float(), nullable=True),
    sa.Column("blocking", sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint("key_id", name="pk_mc_key"),
)
sa.Table(
    "mc_kms_pair",
    _schema,
    sa.Column("user", sa.Text(), nullable=False),
    sa.Column("number", sa.BigInteger(), nullable=False),
    sa.Column("transport", sa.LargeBinary(), nullable=False),
    sa.Column("integrity", sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint("user", name="pk_mc_kms_pair"),
)
sa.Table(
    "mc_listener",
    _schema,
    sa.Column("mc_service_id", sa.Text(), nullable=False),
    sa.Column("tmgi", sa.Text(), nullable=False),
    sa.Column("group_id", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("mc_service_id", "tmgi", "group_id", name="pk_mc_listener"),
)
sa.Table(
    "mc_provenance",
    _schema,
    sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column("line", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("sequence", name="pk_mc_provenance"),
)
sa.Table(
    "mc_srtcp_mark",
    _schema,
    sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column("ssrc", sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column("last", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("key_id", "ssrc", name="pk_mc_srtcp_mark"),
)
sa.Table(
    "mc_user",
    _schema,
    sa.Column("mc_service_id", sa.Text(), nullable=False),
    sa.Column("impu", sa.Text(), nullable=False),
    sa.Column("client_id", sa.Text(), nullable=False),
    sa.Column("expires", sa.Float(), nullable=False),
    sa.Column("contact", sa.Text(), nullable=False),
    sa.Column("path", sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint("mc_service_id", name="pk_mc_user"),
    sa.UniqueConstraint("impu", name="uq_mc_user_impu"),
)


def upgrade() -> None:
    """Makes what is not there."""
    _schema.create_all(op.get_bind())
