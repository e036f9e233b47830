"""A person's standing instructions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from persona_engine.errors import ConflictError, InvalidInputError
from persona_engine.features import Text
from persona_engine.instructions import reconcile, validate_instruction
from persona_engine.store import check_text
from persona_engine.types import FloatArray, Instruction, InstructionKind, Strength
from persona_engine.user.scoped import ScopedToUser, check_count


class StandingInstructions(ScopedToUser):
    """What a person said they want from now on."""

    def instruct(
        self,
        text: str,
        *,
        kind: InstructionKind = "preference",
        strength: Strength = "prefer",
        scope: str = "",
        valid_until: datetime | None = None,
    ) -> Instruction:
        """Keep what the person wants from now on; what says the same as another is merged.

        Returns:
            The instruction that is in force: the new one, or the one that said it already.

        Raises:
            InvalidInputError: The text is blank, too long, or cannot be stored.
        """
        new = validate_instruction(
            Instruction(
                id=uuid.uuid4().hex,
                text=text,
                created_at=self._runtime.clock(),
                kind=kind,
                strength=strength,
                scope=scope,
                valid_until=valid_until,
            )
        )
        verdict = reconcile(new, self.instructions())
        if verdict.action == "keep" and verdict.existing is not None:
            return verdict.existing
        if verdict.action == "replace" and verdict.existing is not None:
            new = replace(new, supersedes=verdict.existing.id)
            self._rows.replace_instruction(verdict.existing.id, new)
        else:
            self._rows.add_instruction(new)
        return new

    def revise(self, instruction_id: str, text: str) -> Instruction:
        """Put other words in an instruction's place; the old ones stay in the history.

        Raises:
            NotFoundError: This user has no such instruction.
            InvalidInputError: The text cannot be kept.
            ConflictError: The instruction is not active any more.
        """
        old = self._rows.instruction(instruction_id)
        if old.status != "active":
            raise ConflictError(
                f"instruction {instruction_id!r} is {old.status}, expected an active one",
                remedy="revise the one that is active now (`instructions()` lists them)",
            )
        new = replace(
            old,
            id=uuid.uuid4().hex,
            text=text,
            created_at=self._runtime.clock(),
            supersedes=old.id,
        )
        new = validate_instruction(new)
        self._rows.replace_instruction(old.id, new)
        return new

    def retract(self, instruction_id: str) -> Instruction:
        """Take an instruction back; it stays in the history.

        Raises:
            NotFoundError: This user has no such instruction.
        """
        return self._rows.set_instruction_status(instruction_id, "retracted")

    def instructions(self) -> tuple[Instruction, ...]:
        """Return the active instructions in the order in which they were said."""
        return self._rows.instructions(status="active")

    def history(self) -> tuple[Instruction, ...]:
        """Return every instruction, also superseded and retracted ones."""
        return self._rows.instructions()

    def find_instructions(self, query: str, *, count: int = 5) -> list[tuple[Instruction, float]]:
        """Return the person's active instructions nearest in meaning to a text, with cosines.

        Raises:
            InvalidInputError: The query is blank or ``count`` is below 1.
        """
        if not isinstance(query, str) or not query.strip():
            raise InvalidInputError(f"query is {query!r}, expected text")
        check_text("query", query)
        check_count("count", count)
        mine = {each.id: each for each in self.instructions()}
        if not mine:
            return []
        sentences, tenant = self._runtime.sentences, self.scope.tenant
        rows = self._runtime.store.tenant(tenant)
        index = self._runtime.index(tenant, "instructions", sentences.encoder.fingerprint)

        def load() -> Iterator[tuple[str, FloatArray]]:
            active = [each for _, each in rows.iter_instructions() if each.status == "active"]
            vectors = sentences.get(tenant, [Text(each.text) for each in active])
            return zip((each.id for each in active), vectors, strict=True)

        vector = sentences.encoder.encode([()], [query])[0]
        found = index.search(
            load, rows.instruction_generation(), vector, count=count, allowed=tuple(mine)
        )
        return [(mine[key], cosine) for key, cosine in found]
