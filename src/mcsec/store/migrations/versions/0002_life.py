"""What tells an old copy of a store from the store; SPKs, calls, leases; what signs the heads of provenance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds tables, and when each data key was made."""
    op.add_column("data_key", sa.Column("made", sa.Float(), nullable=False, server_default="0"))
    op.create_table(
        "store_writer",
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("writer", name="pk_store_writer"),
    )
    op.create_table(
        "store_life",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("restored", sa.BigInteger(), nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_store_life"),
    )
    op.create_table(
        "store_restoration",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("known", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_store_restoration"),
    )
    op.create_table(
        "mc_spk",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("rand", sa.LargeBinary(), nullable=False),
        sa.Column("maker_domain", sa.Text(), nullable=False),
        sa.Column("maker_entity", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("activation", sa.Float(), nullable=False),
        sa.Column("expiry", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("peer", "key_id", name="pk_mc_spk"),
    )
    op.create_table(
        "mc_call",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("tmgi", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_mc_call"),
    )
    op.create_table(
        "mc_lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_mc_lease"),
    )
    op.create_table(
        "audit_signer",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_signer"),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("length", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("length", name="pk_audit_checkpoint"),
    )
