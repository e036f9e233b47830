"""The tables of who may call the server: keys, sessions made from them, and what they did lately.

A secret stands here only as its sha256: 256 random bits need no slow hash.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from persona_engine.store.columns import metadata, name, names, of_tenant, time

_DIGEST = String(64)

api_key = Table(
    "api_key",
    metadata,
    *names("id", "tenant", "label"),
    Column("digest", _DIGEST, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("per_minute", Integer, nullable=True),
    time("created_at"),
    time("expires_at", nullable=True),
    time("revoked_at", nullable=True),
    time("used_at", nullable=True),
    PrimaryKeyConstraint("id"),
    Index(None, "tenant"),
    of_tenant(),
)

session = Table(
    "session",
    metadata,
    Column("digest", _DIGEST, nullable=False),
    name("api_key"),
    time("created_at"),
    time("expires_at"),
    PrimaryKeyConstraint("digest"),
    Index(None, "expires_at"),
    ForeignKeyConstraint(["api_key"], ["api_key.id"]),
)

request_rate = Table(
    "request_rate",
    metadata,
    name("api_key"),
    Column("full_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("api_key"),
)

idempotency = Table(
    "idempotency",
    metadata,
    *names("tenant", "api_key", "key"),
    Column("request", _DIGEST, nullable=False),
    Column("subject", _DIGEST, nullable=True),
    name("run"),
    time("expires_at"),
    Column("status", Integer, nullable=True),
    Column("headers", Text, nullable=True),
    Column("body", LargeBinary, nullable=True),
    PrimaryKeyConstraint("tenant", "api_key", "key"),
    Index(None, "expires_at"),
    Index(None, "tenant", "subject"),
    of_tenant(),
)
