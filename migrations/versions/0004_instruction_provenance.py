"""Instructions know their language, what they rest on, and what took their place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FOLLOW = """
UPDATE instruction SET superseded_by = (
    SELECT newer.id FROM instruction AS newer
    WHERE newer.tenant = instruction.tenant AND newer."user" = instruction."user"
    AND newer.supersedes = instruction.id
    ORDER BY newer.sequence DESC LIMIT 1
) WHERE status = 'superseded'
"""


def upgrade() -> None:
    """Add the columns; what took the place of earlier ones is read from the later ones."""
    op.add_column("instruction", sa.Column("superseded_by", sa.String(256), nullable=True))
    op.add_column(
        "instruction", sa.Column("language", sa.String(35), nullable=False, server_default="")
    )
    op.add_column(
        "instruction", sa.Column("rests_on", sa.Text, nullable=False, server_default="[]")
    )
    op.execute(_FOLLOW)


def downgrade() -> None:
    """Drop the columns; suggestions, which the earlier version never made, go with them."""
    op.execute("DELETE FROM instruction WHERE status = 'suggested'")
    with op.batch_alter_table("instruction") as instruction:
        instruction.drop_column("rests_on")
        instruction.drop_column("language")
        instruction.drop_column("superseded_by")
