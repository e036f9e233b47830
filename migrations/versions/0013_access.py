"""Keys of the server, sessions, rates and stored answers; the audit trail says who called."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLES = ("idempotency", "request_rate", "session", "api_key")
_ACTOR = ("actor", "request")


def upgrade() -> None:
    """Make the tables; events so far name no key, for there was none."""
    _make_keys()
    _make_answers()
    for name in _ACTOR:
        op.add_column("audit_event", sa.Column(name, sa.String(256), nullable=True))


def downgrade() -> None:
    """Drop them: every key and session ends, and the trail forgets who called."""
    for name in _ACTOR:
        op.drop_column("audit_event", name)
    for name in _TABLES:
        op.drop_table(name)


def _make_keys() -> None:
    op.create_table(
        "api_key",
        *(sa.Column(name, sa.String(256), nullable=False) for name in ("id", "tenant", "label")),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("per_minute", sa.Integer, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=True)
            for name in ("expires_at", "revoked_at", "used_at")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.tenant"], name="fk_api_key_tenant"),
    )
    op.create_index("ix_api_key_tenant", "api_key", ["tenant"])
    op.create_table(
        "session",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("api_key", sa.String(256), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
        sa.ForeignKeyConstraint(["api_key"], ["api_key.id"], name="fk_session_api_key"),
    )
    op.create_index("ix_session_expires_at", "session", ["expires_at"])
    op.create_table(
        "request_rate",
        sa.Column("api_key", sa.String(256), nullable=False),
        sa.Column("full_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("api_key", name="pk_request_rate"),
    )


def _make_answers() -> None:
    op.create_table(
        "idempotency",
        *(sa.Column(name, sa.String(256), nullable=False) for name in ("tenant", "api_key", "key")),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=True),
        sa.Column("run", sa.String(256), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer, nullable=True),
        sa.Column("headers", sa.Text, nullable=True),
        sa.Column("body", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "api_key", "key", name="pk_idempotency"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.tenant"], name="fk_idempotency_tenant"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])
    op.create_index("ix_idempotency_tenant_subject", "idempotency", ["tenant", "subject"])
