"""What the store holds of the meaning of one user's instructions."""

from __future__ import annotations

from collections.abc import Mapping

from persona_engine.store import instruction_vectors
from persona_engine.store.clock import Clock
from persona_engine.store.database import Database
from persona_engine.store.instruction_vectors import Nearest
from persona_engine.types import FloatArray, Scope


class UserWishes:
    """The part of `persona_engine.store.UserStore` that is about embeddings of instructions."""

    scope: Scope
    _database: Database
    _clock: Clock

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
