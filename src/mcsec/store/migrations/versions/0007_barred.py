"""Whom a group's home domain took off it, so that another server or a later one knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "mc_barred",
        sa.Column("mc_service_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mc_service_id", "group_id", name="pk_mc_barred"),
    )
