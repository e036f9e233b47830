"""Standing instructions: what a person said once and expects to hold, with its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from persona_engine.errors import ConflictError, InvalidInputError, NotFoundError
from persona_engine.store.clock import from_micros, to_micros
from persona_engine.store.database import Database
from persona_engine.store.prepared import Prepared
from persona_engine.store.schema import instruction as table
from persona_engine.store.schema import tenant
from persona_engine.store.users import ensure_user
from persona_engine.store.validate import check_name, check_number, check_text
from persona_engine.types import (
    Instruction,
    InstructionKind,
    InstructionSource,
    InstructionStatus,
    Scope,
    Strength,
)

_OF_USER = (table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))
_COLUMNS = (
    table.c.id,
    table.c.text,
    table.c.created_at,
    table.c.kind,
    table.c.strength,
    table.c.scope,
    table.c.source,
    table.c.trust,
    table.c.status,
    table.c.valid_from,
    table.c.valid_until,
    table.c.supersedes,
)
_INSERT = insert(table).inline()
_OF_USER_ORDERED = select(*_COLUMNS).where(*_OF_USER).order_by(table.c.sequence)
_ALL = Prepared(_OF_USER_ORDERED)
_WITH_STATUS = Prepared(_OF_USER_ORDERED.where(table.c.status == bindparam("with_status")))
_ONE = select(*_COLUMNS).where(*_OF_USER, table.c.id == bindparam("with_id"))
_SET_STATUS = (
    update(table)
    .where(*_OF_USER, table.c.id == bindparam("with_id"))
    .values(status=bindparam("to_status"))
)
_BUMP = (
    update(tenant)
    .where(tenant.c.tenant == bindparam("in_tenant"))
    .values(instruction_generation=tenant.c.instruction_generation + 1)
)
_GENERATION = select(tenant.c.instruction_generation).where(
    tenant.c.tenant == bindparam("in_tenant")
)
_PAGE = (
    select(table.c.user, table.c.sequence, *_COLUMNS)
    .where(
        table.c.tenant == bindparam("in_tenant"),
        tuple_(table.c.user, table.c.sequence)
        > tuple_(bindparam("after_user"), bindparam("after_sequence")),
    )
    .order_by(table.c.user, table.c.sequence)
    .limit(bindparam("batch"))
)


def load_all(
    database: Database, scope: Scope, *, status: InstructionStatus | None
) -> tuple[Instruction, ...]:
    """Return a user's instructions in the order in which they were said; one select."""
    parameters: dict[str, str] = {"in_tenant": scope.tenant, "of_user": scope.user}
    statement = _ALL
    if status is not None:
        statement = _WITH_STATUS
        parameters["with_status"] = status
    with database.read() as connection:
        rows = statement.execute(connection, parameters).fetchall()
    return tuple(_instruction(row) for row in rows)


def load(database: Database, scope: Scope, instruction_id: str) -> Instruction:
    """Return one instruction.

    Raises:
        NotFoundError: This user has no such instruction.
    """
    check_name("instruction id", instruction_id)
    with database.read() as connection:
        return _require(connection, scope, instruction_id)


def add(database: Database, scope: Scope, instruction: Instruction, *, now: int) -> None:
    """Store a new instruction.

    Raises:
        ConflictError: The user has an instruction of that id.
        InvalidInputError: A field cannot be stored.
    """
    check_instruction(instruction)

    def work(connection: Connection) -> None:
        ensure_user(connection, scope, now)
        _insert_new(connection, scope, instruction)
        bump_generation(connection, scope.tenant)

    database.write(work, scope=scope)


def supersede(database: Database, scope: Scope, old_id: str, new: Instruction) -> None:
    """Put ``new`` in the place of ``old_id``, which stays in the history as superseded.

    Raises:
        NotFoundError: This user has no instruction ``old_id``.
        ConflictError: It was superseded already, or the id of ``new`` is taken.
    """
    check_name("instruction id", old_id)
    successor = replace(new, supersedes=old_id)
    check_instruction(successor)

    def work(connection: Connection) -> None:
        if _require(connection, scope, old_id).status == "superseded":
            raise ConflictError(
                f"instruction {old_id!r} was superseded already",
                remedy="replace the instruction that stands now",
            )
        _write_status(connection, scope, old_id, "superseded")
        _insert_new(connection, scope, successor)
        bump_generation(connection, scope.tenant)

    database.write(work, scope=scope)


def set_status(
    database: Database, scope: Scope, instruction_id: str, status: InstructionStatus
) -> Instruction:
    """Change an instruction's status and return it as it is now.

    Raises:
        NotFoundError: This user has no such instruction.
    """
    check_name("instruction id", instruction_id)
    _check_choice("status", status, InstructionStatus)

    def work(connection: Connection) -> Instruction:
        found = _require(connection, scope, instruction_id)
        _write_status(connection, scope, instruction_id, status)
        bump_generation(connection, scope.tenant)
        return replace(found, status=status)

    return database.write(work, scope=scope)


def iter_instructions(
    database: Database, name: str, *, batch: int
) -> Iterator[tuple[str, Instruction]]:
    """Yield a tenant's instructions with their users: sorted by user, then oldest first."""
    user, sequence = "", 0
    while True:
        parameters = {
            "in_tenant": name,
            "after_user": user,
            "after_sequence": sequence,
            "batch": batch,
        }
        with database.read() as connection:
            page = connection.execute(_PAGE, parameters).all()
        for row in page:
            yield row.user, _instruction(row[2:])
        if len(page) < batch:
            return
        user, sequence = page[-1].user, page[-1].sequence


def bump_generation(connection: Connection, name: str) -> None:
    """Count a change of the tenant's instructions, within the running transaction."""
    connection.execute(_BUMP, {"in_tenant": name})


def generation(database: Database, name: str) -> str:
    """Return a text that changes whenever an instruction of the tenant changes."""
    with database.read() as connection:
        return str(connection.execute(_GENERATION, {"in_tenant": name}).scalar() or 0)


def check_instruction(instruction: Instruction) -> None:
    """Raise `InvalidInputError` unless every field can be stored."""
    check_name("instruction id", instruction.id)
    check_text("instruction text", instruction.text)
    check_text("instruction scope", instruction.scope)
    check_number("trust", instruction.trust, low=0.0, high=1.0)
    _check_choice("kind", instruction.kind, InstructionKind)
    _check_choice("strength", instruction.strength, Strength)
    _check_choice("source", instruction.source, InstructionSource)
    _check_choice("status", instruction.status, InstructionStatus)
    if instruction.supersedes is not None:
        check_name("supersedes", instruction.supersedes)
    for moment in (instruction.created_at, instruction.valid_from, instruction.valid_until):
        if moment is not None:
            to_micros(moment)


def row_of(scope: Scope, instruction: Instruction) -> dict[str, Any]:
    """Return the row of an instruction."""
    return {
        "tenant": scope.tenant,
        "user": scope.user,
        "id": instruction.id,
        "created_at": to_micros(instruction.created_at),
        "kind": instruction.kind,
        "strength": instruction.strength,
        "source": instruction.source,
        "trust": float(instruction.trust),
        "status": instruction.status,
        "valid_from": _micros(instruction.valid_from),
        "valid_until": _micros(instruction.valid_until),
        "supersedes": instruction.supersedes,
        "scope": instruction.scope,
        "text": instruction.text,
    }


def _insert_new(connection: Connection, scope: Scope, instruction: Instruction) -> None:
    if connection.execute(_ONE, _key(scope, instruction.id)).first() is not None:
        raise ConflictError(f"instruction {instruction.id!r} is stored already")
    connection.execute(_INSERT, row_of(scope, instruction))


def _write_status(
    connection: Connection, scope: Scope, instruction_id: str, status: InstructionStatus
) -> None:
    connection.execute(_SET_STATUS, {**_key(scope, instruction_id), "to_status": status})


def _require(connection: Connection, scope: Scope, instruction_id: str) -> Instruction:
    row = connection.execute(_ONE, _key(scope, instruction_id)).first()
    if row is None:
        raise NotFoundError(
            f"no instruction {instruction_id!r} for this user",
            remedy="list the user's instructions for their ids",
        )
    return _instruction(row)


def _instruction(row: Sequence[Any]) -> Instruction:
    """Return the instruction of a row of `_COLUMNS`."""
    id_, text, created_at, kind, strength, scope, source, trust, status, *rest = row
    valid_from, valid_until, supersedes = rest
    return Instruction(
        id=id_,
        text=text,
        created_at=from_micros(created_at),
        kind=kind,
        strength=strength,
        scope=scope,
        source=source,
        trust=trust,
        status=status,
        valid_from=_moment(valid_from),
        valid_until=_moment(valid_until),
        supersedes=supersedes,
    )


def _key(scope: Scope, instruction_id: str) -> dict[str, str]:
    return {"in_tenant": scope.tenant, "of_user": scope.user, "with_id": instruction_id}


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _check_choice(what: str, value: object, choices: object) -> None:
    if value not in get_args(choices):
        raise InvalidInputError(f"{what} is {value!r}, expected one of {get_args(choices)}")
