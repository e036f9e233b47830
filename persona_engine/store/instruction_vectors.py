"""A person's instructions with their embeddings: read by one select, scored exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import bindparam, case, or_, select, update

from persona_engine.store.clock import to_micros
from persona_engine.store.codec import encode_vector
from persona_engine.store.database import Database
from persona_engine.store.instruction_rows import COLUMNS, instruction_of
from persona_engine.store.prepared import Prepared
from persona_engine.store.schema import instruction as table
from persona_engine.types import FloatArray, Instruction, Scope

_OF_USER = (table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))
_ACTIVE = Prepared(
    select(
        *COLUMNS,
        table.c.sequence,
        case((table.c.vector_space == bindparam("space"), table.c.vector)),
    ).where(
        *_OF_USER,
        table.c.status == bindparam("with_status"),
        or_(table.c.valid_until.is_(None), table.c.valid_until > bindparam("moment")),
    )
)
_SEQUENCE, _VECTOR = len(COLUMNS), len(COLUMNS) + 1
_AGE = itemgetter(_SEQUENCE)
_KEEP = (
    update(table)
    .where(*_OF_USER, table.c.id == bindparam("with_id"))
    .values(vector_space=bindparam("in_space"), vector=bindparam("values"))
)


@dataclass(frozen=True, slots=True)
class Nearest:
    """A person's instructions nearest in meaning to something.

    Args:
        found: Instructions with cosines, nearest first.
        missing: Instructions that have no embedding in the feature space yet, which were left out.
    """

    found: list[tuple[Instruction, float]]
    missing: list[Instruction]


def nearest(
    database: Database, scope: Scope, space: str, query: FloatArray, *, count: int, now: datetime
) -> Nearest:
    """Return the active instructions nearest to a unit vector; see `UserWishes`."""
    parameters = {**_key(scope), "with_status": "active", "space": space, "moment": to_micros(now)}
    with database.read() as connection:
        rows = _ACTIVE.execute(connection, parameters).fetchall()
    rows.sort(key=_AGE)  # as SQLite would with all the bytes of each row
    known = [row for row in rows if row[_VECTOR] is not None]
    missing = [row for row in rows if row[_VECTOR] is None] if len(known) < len(rows) else []
    found = [
        (instruction_of(row[:_SEQUENCE]), max(-1.0, min(1.0, cosine)))
        for row, cosine in _best(known, query, count)
    ]
    return Nearest(found, [instruction_of(row[:_SEQUENCE]) for row in missing])


def _best(
    rows: Sequence[tuple[Any, ...]], query: FloatArray, count: int
) -> list[tuple[tuple[Any, ...], float]]:
    """Return rows with the products of their vectors and a query, nearest first."""
    vectors = np.frombuffer(b"".join([row[_VECTOR] for row in rows]), "<f4")
    cosines = vectors.reshape(len(rows), len(query)) @ query
    order = np.argsort(-cosines, kind="stable")[:count].tolist()
    return [(rows[place], float(cosines[place])) for place in order]


def _key(scope: Scope) -> dict[str, str]:
    return {"in_tenant": scope.tenant, "of_user": scope.user}


def keep(database: Database, scope: Scope, space: str, vectors: Mapping[str, FloatArray]) -> None:
    """Keep unit embeddings beside instructions, by id, in place of those of another space."""
    rows = [
        {
            **_key(scope),
            "with_id": key,
            "in_space": space,
            "values": encode_vector(vector),
        }
        for key, vector in vectors.items()
    ]
    if rows:
        database.write(lambda connection: connection.execute(_KEEP, rows), scope=scope)
