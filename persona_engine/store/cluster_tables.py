"""The tables of clusters of users and of the adapters that are trained for them.

An adapter names its cluster by the cluster's lasting name and points to no clustering: clusterings
are fitted anew, and an adapter outlives them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
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

from persona_engine.store.columns import metadata, name, names, of_tenant, sequence, time

clustering = Table(
    "clustering",
    metadata,
    *names("tenant", "version", "clusterer", "population"),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("stale", Boolean, nullable=False, server_default=false()),
    Column("trained_users", Integer, nullable=False),
    time("created_at"),
    Column("meta", JSON, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "version"),
    ForeignKeyConstraint(["tenant", "population"], ["population.tenant", "population.version"]),
)
Index(
    "uq_clustering_published",
    clustering.c.tenant,
    unique=True,
    sqlite_where=clustering.c.published.is_(True),
    postgresql_where=clustering.c.published.is_(True),
)

clustering_user = Table(
    "clustering_user",
    metadata,
    *names("tenant", "user", "version"),
    PrimaryKeyConstraint("tenant", "user", "version"),
    ForeignKeyConstraint(["tenant", "version"], ["clustering.tenant", "clustering.version"]),
    Index(None, "tenant", "version"),
)

cluster = Table(
    "cluster",
    metadata,
    *names("tenant", "clustering", "name"),
    Column("place", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("meta", JSON, nullable=False),
    PrimaryKeyConstraint("tenant", "clustering", "name"),
    UniqueConstraint("tenant", "clustering", "place"),
    ForeignKeyConstraint(["tenant", "clustering"], ["clustering.tenant", "clustering.version"]),
)

artefact = Table(
    "artefact",
    metadata,
    name("tenant"),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    time("created_at"),
    PrimaryKeyConstraint("tenant", "path"),
    of_tenant(),
)

adapter = Table(
    "adapter",
    metadata,
    *names("tenant", "version", "cluster", "base"),
    Column("artefact", Text, nullable=False),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("stale", Boolean, nullable=False, server_default=false()),
    time("created_at"),
    Column("meta", JSON, nullable=False),
    PrimaryKeyConstraint("tenant", "version"),
    ForeignKeyConstraint(["tenant", "artefact"], ["artefact.tenant", "artefact.path"]),
)
Index(
    "uq_adapter_published",
    adapter.c.tenant,
    adapter.c.cluster,
    adapter.c.base,
    unique=True,
    sqlite_where=adapter.c.published.is_(True),
    postgresql_where=adapter.c.published.is_(True),
)

adapter_publication = Table(
    "adapter_publication",
    metadata,
    sequence(),
    *names("tenant", "version"),
    time("created_at"),
    ForeignKeyConstraint(["tenant", "version"], ["adapter.tenant", "adapter.version"]),
    Index(None, "tenant", "version"),
)

adapter_user = Table(
    "adapter_user",
    metadata,
    *names("tenant", "user", "version"),
    PrimaryKeyConstraint("tenant", "user", "version"),
    ForeignKeyConstraint(["tenant", "version"], ["adapter.tenant", "adapter.version"]),
    Index(None, "tenant", "version"),
)
