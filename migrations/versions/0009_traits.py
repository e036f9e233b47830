"""What a host knows of a person before they say anything: a locale, and traits in words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "trait",
        sa.Column("tenant", sa.String(256), nullable=False),
        sa.Column("user", sa.String(256), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "user", "name", name="pk_trait"),
        sa.ForeignKeyConstraint(
            ["tenant", "user"], ["app_user.tenant", "app_user.user"], name="fk_trait_app_user"
        ),
    )


def downgrade() -> None:
    """Drop the table; what hosts said of people is lost."""
    op.drop_table("trait")
