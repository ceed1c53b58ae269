"""Who claimed a delivery: what a server that is gone had claimed is taken up without waiting for its lease."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds a column."""
    op.add_column("mc_delivery", sa.Column("node", sa.String(32), nullable=False, server_default=""))
