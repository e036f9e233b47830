"""The tables' register, and the columns that many of them have."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Integer,
    MetaData,
    String,
)

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


def name(label: str, *, nullable: bool = False) -> Column[str]:
    """Return a column of names, ids or keys."""
    return Column(label, String(NAME_LENGTH), nullable=nullable)


def names(*labels: str) -> tuple[Column[str], ...]:
    """Return such columns, none of them nullable."""
    return tuple(name(each) for each in labels)


def time(label: str, *, nullable: bool = False) -> Column[int]:
    """Return a column of microseconds since 1970."""
    return Column(label, BigInteger, nullable=nullable)


def sequence() -> Column[int]:
    """Return the column of the order of writing: the clock may stand still or go back."""
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("sequence", kind, Identity(), primary_key=True)


def of_tenant() -> ForeignKeyConstraint:
    """Return the key by which a row belongs to a tenant."""
    return ForeignKeyConstraint(["tenant"], ["tenant.tenant"])
