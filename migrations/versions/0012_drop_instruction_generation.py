"""Nobody counts changes of a tenant's instructions: they are read fresh, and no index mirrors them.

The column goes in place (SQLite 3.35 can): rebuilding ``tenant`` would drop a table that every
other one refers to.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the counter."""
    op.drop_column("tenant", "instruction_generation")


def downgrade() -> None:
    """Add it again; counting starts anew."""
    generation = sa.Column(
        "instruction_generation", sa.BigInteger, nullable=False, server_default="0"
    )
    op.add_column("tenant", generation)
