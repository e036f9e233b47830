"""Grows branches until all have ended that were not given up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from persona_best_of_n.pruning import Pruning, Standing
from persona_engine.decoding import Objective, Outlet, note_choice
from persona_engine.interfaces import Branches, Reward
from persona_engine.types import DecodingRequest, Sampling, StepResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has grown.

    Args:
        texts: Of the branches that are left, all ended.
        plain: Whether the plain sample is among them, as the first.
        note: Why it ended early, in words; empty if it did not.
    """

    texts: tuple[str, ...]
    plain: bool
    note: str


class Growth:
    """Branches that grow, fewer and fewer of them.

    Args:
        branches: At their beginning; the first is the plain sample.
        sampling: How they are sampled.
        outlet: Takes what is settled.
        request: What was asked for.
        reward: The person's reward, or None.
        objective: What branches are judged by on the way.
        pruning: Which are given up.
    """

    def __init__(
        self,
        branches: Branches,
        sampling: Sampling,
        outlet: Outlet,
        *,
        request: DecodingRequest,
        reward: Reward | None,
        objective: Objective,
        pruning: Pruning,
    ) -> None:
        self._branches = branches
        self._sampling = sampling
        self._outlet = outlet
        self._request = request
        self._judge = reward if pruning.judges(reward) else None
        self._objective = objective
        self._pruning = pruning
        self._steps = 0
        self._plain = True
        self._note = ""

    def run(self) -> Outcome:
        """Return what is left once everything has ended."""
        while True:
            result = self._branches.step(self._sampling)
            self._steps += 1
            if self._judge is not None and self._pruning.is_due(self._steps, result.finished):
                result = self._prune(result, self._judge)
            self._outlet.settle_shared(result.texts)
            if all(result.finished):
                return Outcome(result.texts, self._plain, self._note)

    def _prune(self, result: StepResult, reward: Reward) -> StepResult:
        standing = Standing.of(self._branches, result, reward, self._objective)
        most_tokens = self._sampling.max_tokens
        beaten, probability = self._pruning.beaten(standing, reward, most_tokens=most_tokens)
        rejected = np.setdiff1d(self._pruning.rejected(standing, reward), beaten)
        given_up = np.union1d(beaten, rejected).astype(np.intp)
        kept = np.setdiff1d(np.arange(len(result.texts)), given_up)
        reasons = [
            f"{len(beaten)} beaten by one that has ended" if len(beaten) else "",
            f"the worst {len(rejected)} rejected" if len(rejected) else "",
        ]
        note_choice(
            self._request,
            result.texts,
            tokens=standing.tokens,
            values=standing.values,
            heirs=kept.tolist(),
            note="; ".join(filter(None, reasons)) or "nothing is clear yet",
        )
        if not len(given_up):
            return result
        if standing.finished[kept].all():
            self._note = (
                f"stopped after {standing.tokens} tokens, when it was preferred to what the "
                f"unfinished may become with a probability of {probability:.2f} or more"
            )
        self._plain = self._plain and 0 in kept
        return self._keep(result, kept, given_up)

    def _keep(
        self, result: StepResult, kept: NDArray[np.intp], given_up: NDArray[np.intp]
    ) -> StepResult:
        self._branches.drop(given_up.tolist())
        biases = self._sampling.end_bias
        if biases:
            self._sampling = replace(self._sampling, end_bias=tuple(biases[i] for i in kept))
        return StepResult(
            tuple(result.texts[i] for i in kept), tuple(result.finished[i] for i in kept)
        )
