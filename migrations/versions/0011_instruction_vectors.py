"""Embeddings of instructions stand beside their texts, so that one select reads both.

They are filled in when somebody first searches among their instructions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty."""
    op.add_column("instruction", sa.Column("vector_space", sa.Text, nullable=True))
    op.add_column("instruction", sa.Column("vector", sa.LargeBinary, nullable=True))


def downgrade() -> None:
    """Drop the columns: what they hold can be computed again."""
    with op.batch_alter_table("instruction") as instruction:
        instruction.drop_column("vector")
        instruction.drop_column("vector_space")
