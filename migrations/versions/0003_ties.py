"""Comparisons may be ties: neither reply was preferred."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what there is already was preferred."""
    tie = sa.Column("tie", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("comparison", tie)


def downgrade() -> None:
    """Drop the ties with their column: as preferences they would be wrong."""
    op.execute("DELETE FROM comparison WHERE tie")
    with op.batch_alter_table("comparison") as comparison:
        comparison.drop_column("tie")
