"""What the store holds of one user's instructions: their words, status and meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from persona_engine.store import instruction_vectors, instructions, redacted
from persona_engine.store.clock import Clock, to_micros
from persona_engine.store.database import Database
from persona_engine.store.instruction_vectors import Nearest
from persona_engine.store.redacted import Redact
from persona_engine.types import FloatArray, Instruction, InstructionStatus, Scope


class UserWishes:
    """The part of `persona_engine.store.UserStore` that is about instructions."""

    scope: Scope
    _database: Database
    _clock: Clock
    _redact: Redact

    def add_instruction(self, instruction: Instruction) -> None:
        """Store a new instruction.

        Raises:
            InvalidInputError: A field cannot be stored.
            ConflictError: The user has an instruction of that id.
        """
        kept = redacted.instruction(instruction, self._redact)
        instructions.add(self._database, self.scope, kept, now=to_micros(self._clock()))

    def replace_instruction(self, old_ids: Sequence[str], new: Instruction) -> Instruction:
        """Put ``new`` in the place of others, which stay in the history as superseded.

        Returns:
            The new one, which names the first of those that it superseded.

        Raises:
            NotFoundError: This user has no such instruction.
            ConflictError: One was superseded already, or the id of ``new`` is taken.
        """
        kept = redacted.instruction(new, self._redact)
        return instructions.supersede(self._database, self.scope, old_ids, kept)

    def change_instructions(
        self, changes: Mapping[str, instructions.StatusChange]
    ) -> tuple[Instruction, ...]:
        """Change the status of instructions, all or none; return them as they are now.

        Args:
            changes: New status, and the successor if there is one, by id.

        Raises:
            NotFoundError: This user has no such instruction.
        """
        return instructions.change(self._database, self.scope, changes)

    def instruction(self, id: str) -> Instruction:  # noqa: A002
        """Return one instruction.

        Raises:
            NotFoundError: This user has no such instruction.
        """
        return instructions.load(self._database, self.scope, id)

    def instructions(self, *, status: InstructionStatus | None = None) -> tuple[Instruction, ...]:
        """Return the instructions in the order in which they were stored; one select."""
        return instructions.load_all(self._database, self.scope, status=status)

    def nearest_instructions(self, space: str, query: FloatArray, *, count: int) -> Nearest:
        """Return the instructions in force that mean most nearly what a query means, exactly.

        Args:
            space: The feature space.
            query: Unit embedding ``(E,)`` there.
            count: How many at most.
        """
        now = self._clock()
        return instruction_vectors.nearest(
            self._database, self.scope, space, query, count=count, now=now
        )

    def keep_instruction_vectors(self, space: str, vectors: Mapping[str, FloatArray]) -> None:
        """Keep unit embeddings ``(E,)`` of a feature space beside instructions, by their ids."""
        instruction_vectors.keep(self._database, self.scope, space, vectors)
