"""One search: token by token, beside the plain sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from persona_engine.decoding import Objective, PrefixValue, depends_on
from persona_engine.interfaces import Branches, Reward
from persona_engine.types import DecodingRequest, FloatArray, IntArray, Sampling, StepResult
from persona_token_search.choice import How, choose, plausible_tokens, tilt
from persona_token_search.report import Choice, Tally


@dataclass(frozen=True, slots=True)
class Rules:
    """How tokens are chosen; see `TokenSearch`.

    Args:
        k: Most tokens to look ahead at.
        plausible: Least probability of a token as a share of the likeliest one's.
        choice: A token drawn, or the best one.
        objective: What is climbed.
        most_kl: Largest divergence at one token, in nats.
    """

    k: int
    plausible: float
    choice: How
    objective: Objective
    most_kl: float


class Walk:
    """A plain reply and searched ones that grow together.

    Args:
        branches: All of them at their beginning; the first is the plain one.
        sampling: How they are sampled.
        reward: The person's reward.
        rules: How tokens are chosen.
        head: What a beginning will become; None judges it as it is.
        request: What was asked for.
    """

    def __init__(
        self,
        branches: Branches,
        sampling: Sampling,
        reward: Reward,
        *,
        rules: Rules,
        head: PrefixValue | None,
        request: DecodingRequest,
    ) -> None:
        self._branches = branches
        self._sampling = sampling
        self._reward = reward
        self._rules = rules
        self._head = head
        self._rngs = {
            branch: np.random.default_rng([request.seed, rules.k, branch])
            for branch in range(1, branches.size)
        }
        self._tally = Tally(request, branches.size)
        self._sees: bool | None = None  # whether the reward tells tokens apart

    def step(self) -> StepResult:
        """Append what it draws to the plain branch, and what the search chooses to the others.

        A reward that tells no token from another, as one that reads only words, is left to choose
        among whole replies: all branches then draw for themselves.
        """
        growing = self._tally.growing
        if not growing or self._sees is False:
            return self._branches.step(self._sampling)
        tokens = np.array(self._branches.draw(self._sampling), np.int64)
        log_probs = self._branches.next_log_probs()  # (B, V)
        options = {
            branch: plausible_tokens(
                log_probs[branch], most=self._rules.k, share=self._rules.plausible
            )
            for branch in growing
        }
        ahead = self._look_ahead(options, int(tokens[0]))
        if ahead and self._sees is None:
            self._sees = any(depends_on(self._reward, each) for each in ahead.values())
        if self._sees is False:
            return self._branches.append(tokens.tolist(), self._sampling)
        choices = {}
        for branch, some in options.items():
            place, worth = 0, None
            if branch in ahead:
                worth = self._worth(branch, ahead[branch], log_probs[branch][some])
                place = self._choose(branch, worth)
            tokens[branch] = some[place]
            choices[branch] = Choice(place, worth)
        result = self._branches.append(tokens.tolist(), self._sampling)
        self._tally.note(result, choices)
        return result

    def explain(self, reason: str) -> str:
        """Return the reason for a choice with what the search did."""
        return self._tally.explain(reason)

    def _look_ahead(self, options: Mapping[int, IntArray], plain: int) -> dict[int, FloatArray]:
        """Return the features ``(k, D)`` of what each branch chooses among, where it can choose.

        All are read in one forward, and the plain sample's token with them.
        """
        several = {branch: some for branch, some in options.items() if len(some) > 1}
        if not several:
            return {}
        width = max(map(len, several.values()))
        ahead = np.full((self._branches.size, width), plain, np.int64)
        for branch, some in options.items():
            ahead[branch, : len(some)] = some
            ahead[branch, len(some) :] = some[0]
        features = self._branches.look_ahead(ahead)  # (B, width, D)
        return {branch: features[branch, : len(some)] for branch, some in several.items()}

    def _worth(self, branch: int, features: FloatArray, log_probs: FloatArray) -> FloatArray:
        """Return, in nats, log p(v) and what the reward adds, ``(k,)``, up to a constant."""
        tokens = self._branches.token_counts[branch] + 1
        whole = float(tokens)
        if self._head is not None:
            whole = self._head.whole(tokens)
            # The tokens share what was before, so that their means differ by their own states.
            newest = tokens * self._head.states(features - features.mean(0))
            features = self._head.foresee(features, newest, tokens=tokens)
        values = Objective(caution=self._rules.objective.caution).values(
            self._reward, features, log_probs=log_probs, tokens=[tokens] * len(features)
        )
        added = values * (whole / self._rules.objective.likelihood)
        return tilt(log_probs, added, most_kl=self._rules.most_kl)

    def _choose(self, branch: int, worth: FloatArray) -> int:
        return choose(
            worth,
            how=self._rules.choice,
            temperature=self._sampling.temperature,
            rng=self._rngs[branch],
        )
