"""Populations that users were taken out of, without a fit: what they correct, what is left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "correction",
        sa.Column("tenant", sa.String(256), nullable=False),
        sa.Column("version", sa.String(256), nullable=False),
        sa.Column("corrects", sa.String(256), nullable=True),
        sa.Column("drift", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name="pk_correction"),
        sa.ForeignKeyConstraint(
            ["tenant", "version"],
            ["population.tenant", "population.version"],
            name="fk_correction_population",
        ),
    )


def downgrade() -> None:
    """Drop the table; corrected populations are told from fitted ones no more."""
    op.drop_table("correction")
