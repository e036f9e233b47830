"""What a user's comparisons counted in a population's fit, beside what they count for the user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; so far nobody's influence was limited."""
    share = sa.Column("share", sa.Double, nullable=False, server_default="1")
    op.add_column("population_user", share)


def downgrade() -> None:
    """Drop it; forgetting then takes out more than was learned from those who were limited."""
    with op.batch_alter_table("population_user") as population_user:
        population_user.drop_column("share")
