"""A person's standing instructions."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from persona_engine.errors import ConflictError, InvalidInputError, WeightsError
from persona_engine.features import Text
from persona_engine.instructions import (
    Reconciliation,
    as_of,
    reconcile,
    undoing,
    validate_instruction,
)
from persona_engine.store import check_text, redacted
from persona_engine.types import (
    FloatArray,
    Instruction,
    InstructionKind,
    InstructionSource,
    InstructionStatus,
    Strength,
)
from persona_engine.user.scoped import ScopedToUser, check_count

logger = logging.getLogger("persona_engine.instructions")


class StandingInstructions(ScopedToUser):
    """What a person said they want from now on."""

    def instruct(
        self,
        text: str,
        *,
        kind: InstructionKind = "preference",
        strength: Strength = "prefer",
        scope: str = "",
        source: InstructionSource = "user",
        trust: float = 1.0,
        language: str = "",
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        rests_on: Sequence[str] = (),
    ) -> Instruction:
        """Keep what the person wants from now on.

        What says the same as another instruction is merged with it; what contradicts or updates
        others of the same scope takes their place, and they stay in the history (`undo` brings
        them back). No language model is needed.

        Args:
            text: The person's words.
            kind: What sort of wish it is.
            strength: Whether it must hold or is preferred.
            scope: When it applies, in words, such as "if I ask for flights"; empty for always, or
                where the text says it.
            source: Who said it; an operator's rules outrank a user's.
            trust: 0 to 1.
            language: BCP 47 code of the language it is said in, if known.
            valid_from: Applied from then on.
            valid_until: Applied before then.
            rests_on: Ids of the messages or comparisons that it was drawn from.

        Returns:
            The instruction that is in force: the new one, or the one that said it already.

        Raises:
            InvalidInputError: The text is blank, too long, or cannot be stored, or a value is out
                of range.
        """
        new = Instruction(
            id=uuid.uuid4().hex,
            text=text,
            created_at=self._runtime.clock(),
            kind=kind,
            strength=strength,
            scope=scope,
            source=source,
            trust=trust,
            language=language,
            valid_from=valid_from,
            valid_until=valid_until,
            rests_on=tuple(rests_on),
        )
        return self._add(validate_instruction(new))

    def revise(self, instruction_id: str, text: str) -> Instruction:
        """Put other words in an instruction's place; the old ones stay in the history.

        Raises:
            NotFoundError: This user has no such instruction.
            InvalidInputError: The text cannot be kept.
            ConflictError: The instruction is not active any more.
        """
        old = self._in_state(instruction_id, "active", "revise")
        new = replace(old, id=uuid.uuid4().hex, text=text, created_at=self._runtime.clock())
        return self._rows.replace_instruction([old.id], validate_instruction(new))

    def retract(self, instruction_id: str) -> Instruction:
        """Take an instruction back, or dismiss a suggested one; it stays in the history.

        Raises:
            NotFoundError: This user has no such instruction.
        """
        (taken_back,) = self._rows.change_instructions({instruction_id: ("retracted", None)})
        return taken_back

    def undo(self, instruction_id: str) -> tuple[Instruction, ...]:
        """Undo what last happened to an instruction, and return all that changed, as it is now.

        An active one is retracted, and those whose place it took are in force again; a retracted
        one is in force again.

        Raises:
            NotFoundError: This user has no such instruction.
            ConflictError: It was superseded: the one that took its place is to be undone.
        """
        return self._rows.change_instructions(undoing(instruction_id, self._rows.instructions()))

    def suggestions(self) -> tuple[Instruction, ...]:
        """Return what was read from behaviour and acts only when the person accepts it."""
        return self._rows.instructions(status="suggested")

    def accept(self, instruction_id: str) -> Instruction:
        """Put a suggested instruction in force, merged with what was said as `instruct` does.

        Returns:
            The instruction that is in force: this one, or the one that said it already.

        Raises:
            NotFoundError: This user has no such instruction.
            ConflictError: It is not a suggested one.
        """
        suggested = self._in_state(instruction_id, "suggested", "accept")
        active = replace(suggested, status="active")
        verdict = self._reconcile(active)
        if verdict.action == "keep" and verdict.existing is not None:
            by = verdict.existing.id
            self._rows.change_instructions({suggested.id: ("superseded", by)})
            return verdict.existing
        changes: dict[str, tuple[InstructionStatus, str | None]] = {
            each.id: ("superseded", suggested.id) for each in verdict.superseded
        }
        return self._rows.change_instructions({suggested.id: ("active", None), **changes})[0]

    def instructions(self) -> tuple[Instruction, ...]:
        """Return the active instructions in the order in which they were said."""
        found = as_of(self._rows.instructions(status="active"), self._runtime.clock())
        return tuple(each for each in found if each.status == "active")

    def history(self) -> tuple[Instruction, ...]:
        """Return every instruction, also suggested, superseded, retracted and expired ones."""
        return as_of(self._rows.instructions(), self._runtime.clock())

    def find_instructions(
        self, query: str | FloatArray, *, count: int = 5
    ) -> list[tuple[Instruction, float]]:
        """Return the person's active instructions nearest in meaning to a text, with cosines.

        Exact, over the person's own instructions alone: what it takes does not depend on how many
        others have stored.

        Args:
            query: The text, or its sentence embedding ``(E,)`` where the host has it already.
            count: How many to return at most.

        Raises:
            InvalidInputError: The query is blank or no such embedding, or ``count`` is below 1.
        """
        if isinstance(query, str) and not query.strip():
            raise InvalidInputError(f"query is {query!r}, expected text")
        if isinstance(query, str):
            check_text("query", query)
        check_count("count", count)
        encoder = self._runtime.sentences.encoder
        if isinstance(query, str) and not self.instructions():
            return []
        told = encoder.encode([()], [query])[0] if isinstance(query, str) else query
        meant = _unit(told, encoder.width)
        near = self._rows.nearest_instructions(encoder.fingerprint, meant, count=count)
        if near.missing:
            self._keep_meaning(near.missing)
            near = self._rows.nearest_instructions(encoder.fingerprint, meant, count=count)
        return near.found

    def _keep_meaning(self, instructions: Sequence[Instruction]) -> None:
        """Keep the embeddings of instructions beside them."""
        sentences = self._runtime.sentences
        vectors = sentences.get(self.scope.tenant, [Text(each.text) for each in instructions])
        kept = zip((each.id for each in instructions), vectors, strict=True)
        units = {key: _unit(vector, sentences.width) for key, vector in kept}
        self._rows.keep_instruction_vectors(sentences.encoder.fingerprint, units)

    def _add(self, new: Instruction) -> Instruction:
        new = redacted.instruction(new, self._runtime.store.redact)
        verdict = self._reconcile(new)
        if verdict.action == "keep" and verdict.existing is not None:
            return verdict.existing
        if verdict.superseded:
            return self._rows.replace_instruction([each.id for each in verdict.superseded], new)
        self._rows.add_instruction(new)
        return new

    def _reconcile(self, new: Instruction) -> Reconciliation:
        active = self.instructions()
        if not active:
            return reconcile(new, active)
        try:
            tools = self._runtime.language_tools(self.scope.tenant)
            # Selection will want it too.
            self._runtime.sentences.get(self.scope.tenant, [Text(new.text)])
        except WeightsError as error:
            logger.warning("instructions are compared by their words alone: %s", error)
            return reconcile(new, active)
        return reconcile(new, active, tools=tools)

    def _in_state(self, instruction_id: str, status: InstructionStatus, verb: str) -> Instruction:
        found = self._rows.instruction(instruction_id)
        if found.status != status:
            raise ConflictError(
                f"instruction {instruction_id!r} is {found.status}, expected {status} to {verb} it",
                remedy="`history()` lists every instruction with its status",
            )
        return found


def _unit(vector: FloatArray, width: int) -> FloatArray:
    """Return an embedding ``(E,)`` at unit length.

    Raises:
        InvalidInputError: It is none.
    """
    values = np.asarray(vector)
    whole = values.shape == (width,) and values.dtype.kind == "f"
    length = math.sqrt(values @ values) if whole else 0.0
    if not 0.0 < length < math.inf:
        raise InvalidInputError(
            f"query is an array of {values.dtype} {values.shape} and length {length:g}, expected "
            f"text or a sentence embedding of {width} numbers, not all 0"
        )
    unit: FloatArray = (values / length).astype(np.float32)
    return unit
