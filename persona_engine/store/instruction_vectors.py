"""A person's instructions with their embeddings: read by one select, scored exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import bindparam, case, select, update

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
        table.c.id,
        table.c.valid_until,
        case((table.c.vector_space == bindparam("space"), table.c.vector)),
    )
    .where(*_OF_USER, table.c.status == bindparam("with_status"))
    .order_by(table.c.sequence)
)
_AT_ONCE = 8
_SOME = Prepared(
    select(*COLUMNS).where(
        *_OF_USER, table.c.id.in_([bindparam(f"id_{place}") for place in range(_AT_ONCE)])
    )
)
_KEEP = (
    update(table)
    .where(*_OF_USER, table.c.id == bindparam("with_id"))
    .values(vector_space=bindparam("in_space"), vector=bindparam("values"))
)


class Wishes:
    """What a person's instructions that are in force mean.

    Args:
        rows: Id, end of validity and vector of each, oldest first; None for a vector that is
            missing or of another feature space.
    """

    def __init__(self, rows: Sequence[tuple[str, int | None, bytes | None]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def missing(self) -> list[str]:
        """Ids of those without an embedding."""
        return [key for key, _, vector in self._rows if vector is None]

    def nearest(self, query: FloatArray, *, count: int) -> list[tuple[str, float]]:
        """Return ids nearest to a unit vector ``(E,)``, with cosines; all must have embeddings."""
        vectors = np.frombuffer(b"".join([row[2] or b"" for row in self._rows]), "<f4")
        cosines = vectors.reshape(len(self._rows), len(query)) @ query
        best = np.argsort(-cosines, kind="stable")[:count].tolist()
        return [
            (self._rows[place][0], max(-1.0, min(1.0, float(cosines[place])))) for place in best
        ]


def load(database: Database, scope: Scope, space: str, *, now: datetime) -> Wishes:
    """Return a person's active instructions that have not expired, as they lie in a space."""
    moment = to_micros(now)
    parameters = {**_key(scope), "with_status": "active", "space": space}
    with database.read() as connection:
        rows = _ACTIVE.execute(connection, parameters).fetchall()
    return Wishes([row for row in rows if row[1] is None or moment < row[1]])


def load_some(database: Database, scope: Scope, ids: Sequence[str]) -> tuple[Instruction, ...]:
    """Return instructions by their ids, in that order, without those that are gone."""
    found: dict[str, Instruction] = {}
    with database.read() as connection:
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            named = {f"id_{place}": some[place % len(some)] for place in range(_AT_ONCE)}
            for row in _SOME.execute(connection, {**_key(scope), **named}).fetchall():
                found[row[0]] = instruction_of(row)
    return tuple(found[each] for each in ids if each in found)


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
