"""The tables. Alembic's migrations build the same ones; a test holds the two together.

Every table is keyed by tenant and, where a row belongs to a person, by user;
foreign keys carry both, so that a row can never point into another scope. Columns that are read
without the bytes beside them stand before those bytes: SQLite then skips the overflow pages.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

REVISION = "0004"
"""The migration that builds these tables."""

NAME_LENGTH = 256
"""Longest tenant, user, id or key, in characters."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _name(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String(NAME_LENGTH), nullable=nullable)


def _names(*names: str) -> tuple[Column[str], ...]:
    return tuple(_name(name) for name in names)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _sequence() -> Column[int]:
    """Order of writing: the clock may stand still or go back."""
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("sequence", kind, Identity(), primary_key=True)


def _of_tenant() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant"], ["tenant.tenant"])


def _of_user() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant", "user"], ["app_user.tenant", "app_user.user"])


def _of_reply() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant", "user", "reply"], ["reply.tenant", "reply.user", "reply.id"]
    )


tenant = Table(
    "tenant",
    metadata,
    _name("tenant"),
    Column("instruction_generation", BigInteger, nullable=False, server_default="0"),
    _time("created_at"),
    PrimaryKeyConstraint("tenant"),
)

app_user = Table(
    "app_user",
    metadata,
    *_names("tenant", "user"),
    _time("created_at"),
    PrimaryKeyConstraint("tenant", "user"),
    _of_tenant(),
)

reply = Table(
    "reply",
    metadata,
    *_names("tenant", "user", "id"),
    _time("created_at"),
    Column("prompt", JSON, nullable=False),
    Column("text", Text, nullable=False),
    Column("candidates", JSON, nullable=False),
    Column("trace", JSON, nullable=False),
    PrimaryKeyConstraint("tenant", "user", "id"),
    _of_user(),
)

comparison = Table(
    "comparison",
    metadata,
    _sequence(),
    *_names("tenant", "user", "id"),
    _time("created_at"),
    Column("weight", Double, nullable=False),
    Column("tie", Boolean, nullable=False, server_default=false()),
    _name("source"),
    _name("question", nullable=True),
    _name("reply", nullable=True),
    _name("idempotency_key", nullable=True),
    Column("ordinal", Integer, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("chosen", Text, nullable=False),
    Column("rejected", Text, nullable=False),
    UniqueConstraint("tenant", "user", "id"),
    _of_user(),
    _of_reply(),
)
Index(
    "uq_comparison_idempotency_key",
    comparison.c.tenant,
    comparison.c.user,
    comparison.c.idempotency_key,
    comparison.c.ordinal,
    unique=True,
    sqlite_where=comparison.c.idempotency_key.is_not(None),
    postgresql_where=comparison.c.idempotency_key.is_not(None),
)

rating = Table(
    "rating",
    metadata,
    _sequence(),
    *_names("tenant", "user", "id"),
    _time("created_at"),
    _name("reply"),
    Column("value", Double, nullable=False),
    _name("idempotency_key", nullable=True),
    UniqueConstraint("tenant", "user", "id"),
    UniqueConstraint("tenant", "user", "idempotency_key"),
    _of_user(),
    _of_reply(),
)

instruction = Table(
    "instruction",
    metadata,
    _sequence(),
    *_names("tenant", "user", "id"),
    _time("created_at"),
    *_names("kind", "strength", "source"),
    Column("trust", Double, nullable=False),
    _name("status"),
    _time("valid_from", nullable=True),
    _time("valid_until", nullable=True),
    _name("supersedes", nullable=True),
    _name("superseded_by", nullable=True),
    Column("language", String(35), nullable=False, server_default=""),
    Column("rests_on", Text, nullable=False, server_default="[]"),
    Column("scope", Text, nullable=False),
    Column("text", Text, nullable=False),
    UniqueConstraint("tenant", "user", "id"),
    _of_user(),
)

steering = Table(
    "steering",
    metadata,
    *_names("tenant", "user", "attribute"),
    Column("strength", Double, nullable=False),
    _time("created_at"),
    PrimaryKeyConstraint("tenant", "user", "attribute"),
    _of_user(),
)

posterior = Table(
    "posterior",
    metadata,
    *_names("tenant", "user", "reward_model", "population"),
    Column("count", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stamp", BigInteger, nullable=False),
    _time("updated_at"),
    Column("blob", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "user", "reward_model", "population"),
    _of_user(),
    Index(None, "tenant", "reward_model", "population", "stamp"),
)

population = Table(
    "population",
    metadata,
    *_names("tenant", "version", "reward_model"),
    Column("fingerprint", Text, nullable=False),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("stale", Boolean, nullable=False, server_default=false()),
    Column("trained_users", Integer, nullable=False),
    _time("created_at"),
    Column("meta", JSON, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "version"),
    _of_tenant(),
)
Index(
    "uq_population_published",
    population.c.tenant,
    population.c.reward_model,
    population.c.fingerprint,
    unique=True,
    sqlite_where=population.c.published.is_(True),
    postgresql_where=population.c.published.is_(True),
)

population_user = Table(
    "population_user",
    metadata,
    *_names("tenant", "user", "version"),
    PrimaryKeyConstraint("tenant", "user", "version"),
    ForeignKeyConstraint(["tenant", "version"], ["population.tenant", "population.version"]),
    Index(None, "tenant", "version"),
)

cluster = Table(
    "cluster",
    metadata,
    *_names("tenant", "id", "population"),
    Column("size", Integer, nullable=False),
    _time("created_at"),
    Column("centre", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "id"),
    ForeignKeyConstraint(["tenant", "population"], ["population.tenant", "population.version"]),
)

artefact = Table(
    "artefact",
    metadata,
    _name("tenant"),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    _time("created_at"),
    PrimaryKeyConstraint("tenant", "path"),
    _of_tenant(),
)

adapter = Table(
    "adapter",
    metadata,
    *_names("tenant", "name", "cluster"),
    Column("artefact", Text, nullable=False),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("stale", Boolean, nullable=False, server_default=false()),
    _time("created_at"),
    Column("meta", JSON, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
    ForeignKeyConstraint(["tenant", "cluster"], ["cluster.tenant", "cluster.id"]),
    ForeignKeyConstraint(["tenant", "artefact"], ["artefact.tenant", "artefact.path"]),
)

adapter_user = Table(
    "adapter_user",
    metadata,
    *_names("tenant", "user", "adapter"),
    PrimaryKeyConstraint("tenant", "user", "adapter"),
    ForeignKeyConstraint(["tenant", "adapter"], ["adapter.tenant", "adapter.name"]),
)

embedding_cache = Table(
    "embedding_cache",
    metadata,
    _name("tenant"),
    Column("key", String(64), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "key", "fingerprint"),
)

audit_event = Table(
    "audit_event",
    metadata,
    _sequence(),
    *_names("tenant", "id", "subject", "action"),
    _time("created_at"),
    Column("detail", JSON, nullable=False),
    UniqueConstraint("tenant", "id"),
    Index(None, "tenant", "subject"),
    _of_tenant(),
)
