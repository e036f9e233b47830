"""Standing instructions: what a person said once and expects to hold, with its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from persona_engine.errors import ConflictError, NotFoundError
from persona_engine.store.database import Database
from persona_engine.store.instruction_rows import (
    COLUMNS,
    check_choice,
    check_instruction,
    instruction_of,
    row_of,
)
from persona_engine.store.prepared import Prepared
from persona_engine.store.schema import instruction as table
from persona_engine.store.users import ensure_user
from persona_engine.store.validate import check_name
from persona_engine.types import (
    Instruction,
    InstructionStatus,
    Scope,
)

_OF_USER = (table.c.tenant == bindparam("in_tenant"), table.c.user == bindparam("of_user"))
_INSERT = insert(table).inline()
_OF_USER_ORDERED = select(*COLUMNS).where(*_OF_USER).order_by(table.c.sequence)
_ALL = Prepared(_OF_USER_ORDERED)
_WITH_STATUS = Prepared(_OF_USER_ORDERED.where(table.c.status == bindparam("with_status")))
_ONE = select(*COLUMNS).where(*_OF_USER, table.c.id == bindparam("with_id"))
_SET_STATUS = (
    update(table)
    .where(*_OF_USER, table.c.id == bindparam("with_id"))
    .values(status=bindparam("to_status"), superseded_by=bindparam("by"))
)
StatusChange = tuple[InstructionStatus, str | None]
"""A new status, and the instruction that takes the place of the one changed."""
_PAGE = (
    select(table.c.user, table.c.sequence, *COLUMNS)
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
    return tuple(instruction_of(row) for row in rows)


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

    database.write(work, scope=scope)


def supersede(
    database: Database, scope: Scope, old_ids: Sequence[str], new: Instruction
) -> Instruction:
    """Put ``new`` in the place of others, which stay in the history as superseded.

    Returns:
        The new one, which names the first of those that it superseded.

    Raises:
        NotFoundError: This user has no such instruction.
        ConflictError: One was superseded already, or the id of ``new`` is taken.
    """
    for each in old_ids:
        check_name("instruction id", each)
    successor = replace(new, supersedes=old_ids[0])
    check_instruction(successor)

    def work(connection: Connection) -> None:
        for old_id in old_ids:
            if _require(connection, scope, old_id).status == "superseded":
                raise ConflictError(
                    f"instruction {old_id!r} was superseded already",
                    remedy="replace the instruction that stands now",
                )
            _write_status(connection, scope, old_id, "superseded", by=new.id)
        _insert_new(connection, scope, successor)

    database.write(work, scope=scope)
    return successor


def change(
    database: Database, scope: Scope, changes: Mapping[str, StatusChange]
) -> tuple[Instruction, ...]:
    """Change the status of several instructions at once, all or none; return them as they are now.

    Raises:
        NotFoundError: This user has no such instruction.
    """
    for instruction_id, (status, _) in changes.items():
        check_name("instruction id", instruction_id)
        check_choice("status", status, InstructionStatus)

    def work(connection: Connection) -> tuple[Instruction, ...]:
        for instruction_id, (status, by) in changes.items():
            _require(connection, scope, instruction_id)
            _write_status(connection, scope, instruction_id, status, by=by)
        return tuple(_require(connection, scope, each) for each in changes)

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
            yield row.user, instruction_of(row[2:])
        if len(page) < batch:
            return
        user, sequence = page[-1].user, page[-1].sequence


def _insert_new(connection: Connection, scope: Scope, instruction: Instruction) -> None:
    if connection.execute(_ONE, _key(scope, instruction.id)).first() is not None:
        raise ConflictError(f"instruction {instruction.id!r} is stored already")
    connection.execute(_INSERT, row_of(scope, instruction))


def _write_status(
    connection: Connection,
    scope: Scope,
    instruction_id: str,
    status: InstructionStatus,
    *,
    by: str | None,
) -> None:
    parameters = {**_key(scope, instruction_id), "to_status": status, "by": by}
    connection.execute(_SET_STATUS, parameters)


def _require(connection: Connection, scope: Scope, instruction_id: str) -> Instruction:
    row = connection.execute(_ONE, _key(scope, instruction_id)).first()
    if row is None:
        raise NotFoundError(
            f"no instruction {instruction_id!r} for this user",
            remedy="list the user's instructions for their ids",
        )
    return instruction_of(row)


def _key(scope: Scope, instruction_id: str) -> dict[str, str]:
    return {"in_tenant": scope.tenant, "of_user": scope.user, "with_id": instruction_id}
