"""One search: token by token, beside the plain sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persona_engine.decoding import Objective, PrefixValue
from persona_engine.interfaces import Branches, Reward
from persona_engine.types import DecodingRequest, FloatArray, Sampling, StepResult
from persona_token_search.choice import How, choose, plausible_tokens, tilt
from persona_token_search.report import Tally

SEARCHED = 1
"""The branch that is searched; branch 0 is the plain sample."""


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
    """A plain reply and a searched one that grow together.

    Args:
        branches: The two, at their beginning.
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
        self._rng = np.random.default_rng([request.seed, rules.k])
        self._tally = Tally(request)

    def step(self) -> StepResult:
        """Append what it draws to the plain branch, and what the search chooses to the other."""
        if not self._tally.growing:
            return self._branches.step(self._sampling)
        plain = int(self._branches.draw(self._sampling)[0])
        log_probs = self._branches.next_log_probs()[SEARCHED]  # (V,)
        options = plausible_tokens(log_probs, most=self._rules.k, share=self._rules.plausible)
        place, worth = 0, None
        if len(options) > 1:
            # The plain sample's token is read in the same forward.
            ahead = np.stack([np.full(len(options), plain), options])  # (2, k)
            features = self._branches.look_ahead(ahead)[SEARCHED]  # (k, D)
            worth = self._worth(features, log_probs[options])
            place = choose(
                worth,
                how=self._rules.choice,
                temperature=self._sampling.temperature,
                rng=self._rng,
            )
        result = self._branches.append([plain, int(options[place])], self._sampling)
        self._tally.note(result, place, worth)
        return result

    def explain(self, reason: str) -> str:
        """Return the reason for a choice with what the search did."""
        return self._tally.explain(reason)

    def _worth(self, features: FloatArray, log_probs: FloatArray) -> FloatArray:
        """Return, in nats, log p(v) and what the reward adds, ``(k,)``, up to a constant."""
        tokens = self._branches.token_counts[SEARCHED] + 1
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
