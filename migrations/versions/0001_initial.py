"""The first schema: users, their events and instructions, what was learned, caches, audit trail."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    *("tenant", "app_user", "reply", "comparison", "rating", "instruction", "posterior"),
    *("population", "population_user", "cluster", "artefact", "adapter", "adapter_user"),
    *("embedding_cache", "audit_event"),
)


def upgrade() -> None:
    """Create every table, parents first."""
    _people()
    _feedback()
    _instructions()
    _posteriors()
    _populations()
    _adapters()
    _embeddings()
    _audit_trail()


def downgrade() -> None:
    """Drop every table, children first."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _people() -> None:
    op.create_table(
        "tenant",
        _name("tenant"),
        sa.Column("instruction_generation", sa.BigInteger, nullable=False, server_default="0"),
        _time("created_at"),
        sa.PrimaryKeyConstraint("tenant", name="pk_tenant"),
    )
    op.create_table(
        "app_user",
        *_names("tenant", "user"),
        _time("created_at"),
        sa.PrimaryKeyConstraint("tenant", "user", name="pk_app_user"),
        _of_tenant("app_user"),
    )


def _feedback() -> None:
    op.create_table(
        "reply",
        *_names("tenant", "user", "id"),
        _time("created_at"),
        sa.Column("prompt", sa.JSON, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("candidates", sa.JSON, nullable=False),
        sa.Column("trace", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "user", "id", name="pk_reply"),
        _of_user("reply"),
    )
    op.create_table(
        "comparison",
        _sequence(),
        *_names("tenant", "user", "id"),
        _time("created_at"),
        sa.Column("weight", sa.Double, nullable=False),
        _name("source"),
        _name("question", nullable=True),
        _name("reply", nullable=True),
        _name("idempotency_key", nullable=True),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("chosen", sa.Text, nullable=False),
        sa.Column("rejected", sa.Text, nullable=False),
        *_ordered("comparison"),
        _of_reply("comparison"),
    )
    with_key = sa.text("idempotency_key IS NOT NULL")
    op.create_index(
        "uq_comparison_idempotency_key",
        "comparison",
        ["tenant", "user", "idempotency_key", "ordinal"],
        unique=True,
        sqlite_where=with_key,
        postgresql_where=with_key,
    )
    op.create_table(
        "rating",
        _sequence(),
        *_names("tenant", "user", "id"),
        _time("created_at"),
        _name("reply"),
        sa.Column("value", sa.Double, nullable=False),
        _name("idempotency_key", nullable=True),
        *_ordered("rating"),
        sa.UniqueConstraint(
            "tenant", "user", "idempotency_key", name="uq_rating_tenant_user_idempotency_key"
        ),
        _of_reply("rating"),
    )


def _instructions() -> None:
    op.create_table(
        "instruction",
        _sequence(),
        *_names("tenant", "user", "id"),
        _time("created_at"),
        *_names("kind", "strength", "source"),
        sa.Column("trust", sa.Double, nullable=False),
        _name("status"),
        _time("valid_from", nullable=True),
        _time("valid_until", nullable=True),
        _name("supersedes", nullable=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        *_ordered("instruction"),
    )


def _posteriors() -> None:
    op.create_table(
        "posterior",
        *_names("tenant", "user", "reward_model", "population"),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        _time("updated_at"),
        sa.Column("blob", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "user", "reward_model", "population", name="pk_posterior"
        ),
        _of_user("posterior"),
    )
    op.create_index(
        "ix_posterior_tenant_reward_model_population_stamp",
        "posterior",
        ["tenant", "reward_model", "population", "stamp"],
    )


def _populations() -> None:
    op.create_table(
        "population",
        *_names("tenant", "version", "reward_model"),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("published", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("stale", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("trained_users", sa.Integer, nullable=False),
        _time("created_at"),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name="pk_population"),
        _of_tenant("population"),
    )
    published = sa.column("published", sa.Boolean).is_(True)
    op.create_index(
        "uq_population_published",
        "population",
        ["tenant", "reward_model", "fingerprint"],
        unique=True,
        sqlite_where=published,
        postgresql_where=published,
    )
    op.create_table(
        "population_user",
        *_names("tenant", "user", "version"),
        sa.PrimaryKeyConstraint("tenant", "user", "version", name="pk_population_user"),
        _to("population_user", "version", "population", "version"),
    )
    op.create_index("ix_population_user_tenant_version", "population_user", ["tenant", "version"])


def _adapters() -> None:
    op.create_table(
        "cluster",
        *_names("tenant", "id", "population"),
        sa.Column("size", sa.Integer, nullable=False),
        _time("created_at"),
        sa.Column("centre", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_cluster"),
        _to("cluster", "population", "population", "version"),
    )
    op.create_table(
        "artefact",
        _name("tenant"),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("tenant", "path", name="pk_artefact"),
        _of_tenant("artefact"),
    )
    op.create_table(
        "adapter",
        *_names("tenant", "name", "cluster"),
        sa.Column("artefact", sa.Text, nullable=False),
        sa.Column("published", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("stale", sa.Boolean, nullable=False, server_default=sa.false()),
        _time("created_at"),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_adapter"),
        _to("adapter", "cluster", "cluster", "id"),
        _to("adapter", "artefact", "artefact", "path"),
    )
    op.create_table(
        "adapter_user",
        *_names("tenant", "user", "adapter"),
        sa.PrimaryKeyConstraint("tenant", "user", "adapter", name="pk_adapter_user"),
        _to("adapter_user", "adapter", "adapter", "name"),
    )


def _embeddings() -> None:
    op.create_table(
        "embedding_cache",
        _name("tenant"),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", "fingerprint", name="pk_embedding_cache"),
    )


def _audit_trail() -> None:
    op.create_table(
        "audit_event",
        _sequence(),
        *_names("tenant", "id", "subject", "action"),
        _time("created_at"),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_event"),
        sa.UniqueConstraint("tenant", "id", name="uq_audit_event_tenant_id"),
        _of_tenant("audit_event"),
    )
    op.create_index("ix_audit_event_tenant_subject", "audit_event", ["tenant", "subject"])


def _name(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(256), nullable=nullable)


def _names(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(_name(name) for name in names)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _sequence() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("sequence", kind, sa.Identity(), nullable=False)


def _ordered(table: str) -> tuple[Any, ...]:
    return (
        sa.PrimaryKeyConstraint("sequence", name=f"pk_{table}"),
        sa.UniqueConstraint("tenant", "user", "id", name=f"uq_{table}_tenant_user_id"),
        _of_user(table),
    )


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant"], ["tenant.tenant"], name=f"fk_{table}_tenant")


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant", "user"], ["app_user.tenant", "app_user.user"], name=f"fk_{table}_app_user"
    )


def _of_reply(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant", "user", "reply"],
        ["reply.tenant", "reply.user", "reply.id"],
        name=f"fk_{table}_reply",
    )


def _to(table: str, column: str, parent: str, key: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant", column], [f"{parent}.tenant", f"{parent}.{key}"], name=f"fk_{table}_{parent}"
    )
