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
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from persona_engine.store.access_tables import api_key, idempotency, request_rate, session
from persona_engine.store.cluster_tables import (
    adapter,
    adapter_publication,
    adapter_user,
    artefact,
    cluster,
    clustering,
    clustering_user,
)
from persona_engine.store.columns import (
    NAME_LENGTH,
    metadata,
    name,
    names,
    of_tenant,
    sequence,
    time,
)

__all__ = [
    "NAME_LENGTH",
    "REVISION",
    "adapter",
    "adapter_publication",
    "adapter_user",
    "api_key",
    "app_user",
    "artefact",
    "audit_event",
    "cluster",
    "clustering",
    "clustering_user",
    "comparison",
    "correction",
    "embedding_cache",
    "idempotency",
    "instruction",
    "metadata",
    "population",
    "population_user",
    "posterior",
    "rating",
    "reply",
    "request_rate",
    "session",
    "steering",
    "tenant",
    "trait",
]

REVISION = "0013"
"""The migration that builds these tables."""


def _of_user() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant", "user"], ["app_user.tenant", "app_user.user"])


def _of_reply() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant", "user", "reply"], ["reply.tenant", "reply.user", "reply.id"]
    )


tenant = Table(
    "tenant",
    metadata,
    name("tenant"),
    time("created_at"),
    PrimaryKeyConstraint("tenant"),
)

app_user = Table(
    "app_user",
    metadata,
    *names("tenant", "user"),
    time("created_at"),
    PrimaryKeyConstraint("tenant", "user"),
    of_tenant(),
)

reply = Table(
    "reply",
    metadata,
    *names("tenant", "user", "id"),
    time("created_at"),
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
    sequence(),
    *names("tenant", "user", "id"),
    time("created_at"),
    Column("weight", Double, nullable=False),
    Column("tie", Boolean, nullable=False, server_default=false()),
    name("source"),
    name("question", nullable=True),
    name("reply", nullable=True),
    name("idempotency_key", nullable=True),
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
    sequence(),
    *names("tenant", "user", "id"),
    time("created_at"),
    name("reply"),
    Column("value", Double, nullable=False),
    name("idempotency_key", nullable=True),
    UniqueConstraint("tenant", "user", "id"),
    UniqueConstraint("tenant", "user", "idempotency_key"),
    _of_user(),
    _of_reply(),
)

instruction = Table(
    "instruction",
    metadata,
    sequence(),
    *names("tenant", "user", "id"),
    time("created_at"),
    *names("kind", "strength", "source"),
    Column("trust", Double, nullable=False),
    name("status"),
    time("valid_from", nullable=True),
    time("valid_until", nullable=True),
    name("supersedes", nullable=True),
    name("superseded_by", nullable=True),
    Column("language", String(35), nullable=False, server_default=""),
    Column("rests_on", Text, nullable=False, server_default="[]"),
    Column("scope", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("vector_space", Text, nullable=True),
    Column("vector", LargeBinary, nullable=True),
    UniqueConstraint("tenant", "user", "id"),
    _of_user(),
)

steering = Table(
    "steering",
    metadata,
    *names("tenant", "user", "attribute"),
    Column("strength", Double, nullable=False),
    time("created_at"),
    PrimaryKeyConstraint("tenant", "user", "attribute"),
    _of_user(),
)

trait = Table(
    "trait",
    metadata,
    *names("tenant", "user", "name"),
    Column("text", Text, nullable=False),
    time("created_at"),
    PrimaryKeyConstraint("tenant", "user", "name"),
    _of_user(),
)

posterior = Table(
    "posterior",
    metadata,
    *names("tenant", "user", "reward_model", "population"),
    Column("count", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stamp", BigInteger, nullable=False),
    time("updated_at"),
    Column("blob", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "user", "reward_model", "population"),
    _of_user(),
    Index(None, "tenant", "reward_model", "population", "stamp"),
)

population = Table(
    "population",
    metadata,
    *names("tenant", "version", "reward_model"),
    Column("fingerprint", Text, nullable=False),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("stale", Boolean, nullable=False, server_default=false()),
    Column("trained_users", Integer, nullable=False),
    time("created_at"),
    Column("meta", JSON, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "version"),
    of_tenant(),
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
    *names("tenant", "user", "version"),
    Column("share", Double, nullable=False, server_default="1"),
    PrimaryKeyConstraint("tenant", "user", "version"),
    ForeignKeyConstraint(["tenant", "version"], ["population.tenant", "population.version"]),
    Index(None, "tenant", "version"),
)

correction = Table(
    "correction",
    metadata,
    *names("tenant", "version"),
    name("corrects", nullable=True),
    Column("drift", Double, nullable=False),
    PrimaryKeyConstraint("tenant", "version"),
    ForeignKeyConstraint(["tenant", "version"], ["population.tenant", "population.version"]),
)

embedding_cache = Table(
    "embedding_cache",
    metadata,
    name("tenant"),
    Column("key", String(64), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "key", "fingerprint"),
)

audit_event = Table(
    "audit_event",
    metadata,
    sequence(),
    *names("tenant", "id", "subject", "action"),
    time("created_at"),
    Column("detail", JSON, nullable=False),
    name("actor", nullable=True),
    name("request", nullable=True),
    UniqueConstraint("tenant", "id"),
    Index(None, "tenant", "subject"),
    of_tenant(),
)
