"""Servers that share a store, and deliveries whose answers another server than the one on duty was given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds a table and an index."""
    op.create_table(
        "mc_node",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("ahead", sa.Float(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_mc_node"),
    )
    answered = sa.text("state > 4")
    op.create_index(
        "ix_mc_delivery_answered",
        "mc_delivery",
        ["id"],
        sqlite_where=answered,
        postgresql_where=answered,
    )
