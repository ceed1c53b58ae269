"""What the KMS gave a server, so that it starts while the KMS is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds tables."""
    op.create_table(
        "mc_kms_identity",
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("period", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rsk", sa.LargeBinary(), nullable=False),
        sa.Column("ssk", sa.LargeBinary(), nullable=False),
        sa.Column("pvt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("user", "period", name="pk_mc_kms_identity"),
    )
    op.create_table(
        "mc_kms_certificate",
        sa.Column("kms_uri", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kms_uri", name="pk_mc_kms_certificate"),
    )
