"""How much more probable a person's earlier choices make a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from persona_engine.types import FloatArray, LogLikelihood, PairText
from persona_fspo.memory import swapped
from persona_fspo.prompt import PromptBudget, few_shot

Reference = Literal["without", "swapped"]


@dataclass(frozen=True, slots=True)
class Gains:
    """Computes ``log π(y | x, choices) - log π(y | x, reference)``.

    Args:
        budget: How many choices the prompt may hold.
        reference: ``without`` any choices, as the method is published; or ``swapped`` ones, which
            cancels what the mere mention of a topic makes more probable.
    """

    budget: PromptBudget
    reference: Reference

    def of(
        self,
        pairs: Sequence[PairText],
        asked: Sequence[tuple[str, str]],
        log_likelihood: LogLikelihood,
    ) -> FloatArray:
        """Return the gain ``(n,)`` of each (request, response), 0 for a blank response.

        Equal texts are read once and in one order, so that rounding treats them alike.

        Args:
            pairs: The person's choices, most telling first; without any, gains are 0.
            asked: Requests and responses.
            log_likelihood: The language model.
        """
        read = sorted({each for each in asked if each[1].strip()})
        if not pairs or not read:
            return np.zeros(len(asked), np.float32)
        other = swapped(pairs) if self.reference == "swapped" else []
        conversations = [few_shot(pairs, request, self.budget) for request, _ in read]
        conversations += [few_shot(other, request, self.budget) for request, _ in read]
        found = log_likelihood(conversations, [response for _, response in read] * 2)
        gain = found[: len(read)] - found[len(read) :]
        table = dict(zip(read, gain.tolist(), strict=True))
        return np.array([table.get(each, 0.0) for each in asked], np.float32)
