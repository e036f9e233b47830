"""What the store holds of the meaning of one user's instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from persona_engine.store import instruction_vectors
from persona_engine.store.clock import Clock
from persona_engine.store.database import Database
from persona_engine.store.instruction_vectors import Wishes
from persona_engine.types import FloatArray, Instruction, Scope


class UserWishes:
    """The part of `persona_engine.store.UserStore` that is about embeddings of instructions."""

    scope: Scope
    _database: Database
    _clock: Clock

    def wishes(self, space: str) -> Wishes:
        """Return what the instructions that are in force mean, in a feature space; one select."""
        return instruction_vectors.load(self._database, self.scope, space, now=self._clock())

    def some_instructions(self, ids: Sequence[str]) -> tuple[Instruction, ...]:
        """Return instructions by their ids, in that order, without those that are gone."""
        return instruction_vectors.load_some(self._database, self.scope, ids)

    def keep_instruction_vectors(self, space: str, vectors: Mapping[str, FloatArray]) -> None:
        """Keep unit embeddings ``(E,)`` of a feature space beside instructions, by their ids."""
        instruction_vectors.keep(self._database, self.scope, space, vectors)
