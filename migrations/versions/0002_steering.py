"""What a person set by hand: a strength for each attribute of replies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "steering",
        sa.Column("tenant", sa.String(256), nullable=False),
        sa.Column("user", sa.String(256), nullable=False),
        sa.Column("attribute", sa.String(256), nullable=False),
        sa.Column("strength", sa.Double, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "user", "attribute", name="pk_steering"),
        sa.ForeignKeyConstraint(
            ["tenant", "user"], ["app_user.tenant", "app_user.user"], name="fk_steering_app_user"
        ),
    )


def downgrade() -> None:
    """Drop the table; what people set by hand is lost."""
    op.drop_table("steering")
