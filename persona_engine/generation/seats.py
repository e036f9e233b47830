"""Which row of a batch reads which branch in which way, and what the rows' logits make together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch

from persona_engine.generation.rows import Asked
from persona_engine.types import Prompt

# Stands for a log-probability of minus infinity where it is multiplied by a weight.
_LEAST = -1e4


class Seats:
    """The rows of a batch: one for each reading of each branch that grows.

    Args:
        prompts: Different prompts.
        of_reading: For each branch, the prompt of each of its readings.
        mixes: For each branch, its prompt as it was asked for: weights and plausibility.
    """

    def __init__(
        self,
        prompts: Sequence[Asked],
        of_reading: Sequence[Sequence[int]],
        mixes: Sequence[Prompt],
    ) -> None:
        self.prompts = prompts
        self._of_reading = [tuple(each) for each in of_reading]
        self._mixes = list(mixes)
        self.of_branch = [b for b, readings in enumerate(of_reading) for _ in readings]

    @property
    def branches(self) -> int:
        """How many branches there are, ended ones included."""
        return len(self._mixes)

    @property
    def of_row(self) -> list[int]:
        """The prompt of each row, while all branches grow."""
        return [prompt for readings in self._of_reading for prompt in readings]

    def longest(self, branch: int) -> int:
        """Return the length of the longest prompt that a branch continues, in tokens."""
        return max(len(self.prompts[prompt].tokens) for prompt in self._of_reading[branch])

    def first_rows(self, branches: Sequence[int]) -> list[int]:
        """Return the row of each branch's first reading."""
        place = {branch: row for row, branch in reversed(list(enumerate(self.of_branch)))}
        return [place[branch] for branch in branches]

    def leave(self, staying: Sequence[int]) -> list[int]:
        """Let all branches but these leave the batch; return the rows that stay."""
        wanted = set(staying)
        rows = [row for row, branch in enumerate(self.of_branch) if branch in wanted]
        self.of_branch = [self.of_branch[row] for row in rows]
        return rows

    def fork(self, indices: Sequence[int]) -> list[int]:
        """Go on with these branches in this order; return the rows that this takes."""
        present: dict[int, list[int]] = {}
        for row, branch in enumerate(self.of_branch):
            present.setdefault(branch, []).append(row)
        rows = [row for index in indices for row in present.get(index, ())]
        self.of_branch = [new for new, index in enumerate(indices) for _ in present.get(index, ())]
        self._of_reading = [self._of_reading[index] for index in indices]
        self._mixes = [self._mixes[index] for index in indices]
        return rows

    def combine(
        self, logits: torch.Tensor, branches: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the first readings' logits ``(b, V)``, and what the others add to them, if any.

        Args:
            logits: Of all rows, ``(R, V)``.
            branches: Those that are wanted.
        """
        rows = self.first_rows(branches)
        first = (logits if rows == list(range(len(logits))) else logits[rows]).float()
        mixed = [place for place, branch in enumerate(branches) if self._mixes[branch].mixed]
        if not mixed:
            return first, None
        added = torch.zeros_like(first)
        for place in mixed:
            prompt, start = self._mixes[branches[place]], rows[place]
            readings = logits[start : start + len(prompt.readings)].float().log_softmax(-1)
            added[place] = _mixture(readings, prompt) - first[place]
        return first, added

    def copy(self) -> Self:
        """Return independent seats like these."""
        twin = type(self)(self.prompts, self._of_reading, self._mixes)
        twin.of_branch = list(self.of_branch)
        return twin


def _mixture(readings: torch.Tensor, prompt: Prompt) -> torch.Tensor:
    """Return Σ_i w_i log p_i ``(V,)`` of log-probabilities ``(readings, V)``, where plausible."""
    weights = torch.tensor([each.weight for each in prompt.readings], device=readings.device)
    total = weights @ readings.clamp(min=_LEAST)
    if prompt.plausible > 0.0:
        least = readings[0].max() + math.log(prompt.plausible)
        total = total.where(readings[0] >= least, -torch.inf)
    return total
