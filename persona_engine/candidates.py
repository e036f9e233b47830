"""A host's own candidates, and what they are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persona_engine.belief import Belief
from persona_engine.conversation import check_conversation
from persona_engine.errors import InvalidInputError
from persona_engine.features import check_response
from persona_engine.interfaces import Reward
from persona_engine.obedience import Obedience
from persona_engine.store import check_text
from persona_engine.types import Conversation, FloatArray, SelectedInstruction


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a host's candidates are compared by.

    Args:
        features: ``(B, D)`` of the candidates, as the reward reads them.
        reward: The person's taste and the instructions in use, or None where neither is known.
        belief: What is believed of the person, or None.
        obedience: The instructions in use.
        decisions: Every instruction considered.
        personalized: Whether anything personal is known.
        reason: By what the candidates are compared, in words.
    """

    features: FloatArray
    reward: Reward | None
    belief: Belief | None
    obedience: Obedience
    decisions: tuple[SelectedInstruction, ...]
    personalized: bool
    reason: str


def check_candidates(prompt: Conversation | str, responses: Sequence[str]) -> None:
    """Raise unless a host's candidates can be ranked.

    Raises:
        InvalidInputError: There are none, one is blank, or the prompt cannot be used.
    """
    if isinstance(responses, str) or not responses:
        raise InvalidInputError(
            f"candidates is {responses!r}, expected one or more texts in a list"
        )
    check_text("prompt", prompt) if isinstance(prompt, str) else check_conversation(prompt)
    for each in responses:
        check_response(each)
