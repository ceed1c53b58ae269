"""What a GMS keeps: groups, their keys, who holds them, its log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds tables."""
    op.create_table(
        "gms_group",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("release_13", sa.Boolean(), nullable=False),
        sa.Column("until", sa.Float(), nullable=True),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_gms_group"),
    )
    op.create_table(
        "gms_key",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("rand", sa.LargeBinary(), nullable=False),
        sa.Column("maker_domain", sa.Text(), nullable=False),
        sa.Column("maker_entity", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("activation", sa.Float(), nullable=False),
        sa.Column("expiry", sa.Float(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_gms_key"),
    )
    op.create_index("ix_gms_key_group_id", "gms_key", ["group_id"])
    op.create_table(
        "gms_holder",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "member", name="pk_gms_holder"),
    )
    op.create_table(
        "gms_log",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_gms_log"),
    )
    op.create_index("ix_gms_log_subject", "gms_log", ["subject"])
