"""Clusterings with their users, clusters that keep their names, adapters that outlive clusterings.

The first schema's tables of clusters and adapters were never written; they are made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FIRST = ("adapter_user", "adapter", "cluster")
_ADDED = ("adapter_publication", "adapter_user", "adapter", "cluster", "clustering_user")


def upgrade() -> None:
    """Make the tables of clusters and adapters anew."""
    for table in _FIRST:
        op.drop_table(table)
    _clusterings()
    _adapters()


def downgrade() -> None:
    """Make the first tables again; clusterings and adapters, which they cannot hold, go."""
    for table in (*_ADDED, "clustering"):
        op.drop_table(table)
    op.execute("DELETE FROM artefact")
    _first_tables()


def _clusterings() -> None:
    op.create_table(
        "clustering",
        *_names("tenant", "version", "clusterer", "population"),
        *_flags(),
        sa.Column("trained_users", sa.Integer, nullable=False),
        _time(),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name="pk_clustering"),
        _to("clustering", "population", "population", "version"),
    )
    _one_published("clustering", "tenant")
    op.create_table(
        "clustering_user",
        *_names("tenant", "user", "version"),
        sa.PrimaryKeyConstraint("tenant", "user", "version", name="pk_clustering_user"),
        _to("clustering_user", "version", "clustering", "version"),
    )
    op.create_index("ix_clustering_user_tenant_version", "clustering_user", ["tenant", "version"])
    op.create_table(
        "cluster",
        *_names("tenant", "clustering", "name"),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "clustering", "name", name="pk_cluster"),
        sa.UniqueConstraint(
            "tenant", "clustering", "place", name="uq_cluster_tenant_clustering_place"
        ),
        _to("cluster", "clustering", "clustering", "version"),
    )


def _adapters() -> None:
    op.create_table(
        "adapter",
        *_names("tenant", "version", "cluster", "base"),
        sa.Column("artefact", sa.Text, nullable=False),
        *_flags(),
        _time(),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name="pk_adapter"),
        _to("adapter", "artefact", "artefact", "path"),
    )
    _one_published("adapter", "tenant", "cluster", "base")
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "adapter_publication",
        sa.Column("sequence", kind, sa.Identity(), nullable=False),
        *_names("tenant", "version"),
        _time(),
        sa.PrimaryKeyConstraint("sequence", name="pk_adapter_publication"),
        _to("adapter_publication", "version", "adapter", "version"),
    )
    op.create_table(
        "adapter_user",
        *_names("tenant", "user", "version"),
        sa.PrimaryKeyConstraint("tenant", "user", "version", name="pk_adapter_user"),
        _to("adapter_user", "version", "adapter", "version"),
    )
    for table in ("adapter_publication", "adapter_user"):
        op.create_index(f"ix_{table}_tenant_version", table, ["tenant", "version"])


def _first_tables() -> None:
    op.create_table(
        "cluster",
        *_names("tenant", "id", "population"),
        sa.Column("size", sa.Integer, nullable=False),
        _time(),
        sa.Column("centre", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_cluster"),
        _to("cluster", "population", "population", "version"),
    )
    op.create_table(
        "adapter",
        *_names("tenant", "name", "cluster"),
        sa.Column("artefact", sa.Text, nullable=False),
        *_flags(),
        _time(),
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


def _names(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.String(256), nullable=False) for name in names)


def _time() -> sa.Column[int]:
    return sa.Column("created_at", sa.BigInteger, nullable=False)


def _flags() -> tuple[sa.Column[bool], ...]:
    return tuple(
        sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
        for name in ("published", "stale")
    )


def _one_published(table: str, *columns: str) -> None:
    published = sa.column("published", sa.Boolean).is_(True)
    op.create_index(
        f"uq_{table}_published",
        table,
        list(columns),
        unique=True,
        sqlite_where=published,
        postgresql_where=published,
    )


def _to(table: str, column: str, parent: str, key: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant", column], [f"{parent}.tenant", f"{parent}.{key}"], name=f"fk_{table}_{parent}"
    )
