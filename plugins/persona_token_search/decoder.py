"""The decoder: look ahead at the plausible tokens, take the one that is worth most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from persona_engine.decoding import Objective, Outlet, begin, conclude
from persona_engine.errors import ConfigError
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.types import DecodingRequest, FloatArray, Generation, Sampling, StepResult
from persona_token_search.choice import How, choose, plausible_tokens, tilt
from persona_token_search.report import Tally

_SEARCHED = 1  # the branch that is searched; branch 0 is the plain sample


class TokenSearch:
    """Alignment as reward-guided search, ARGS (Khanov et al. 2024, arXiv 2402.01694).

    Of the k likeliest tokens v that have at least a share of the likeliest one's probability, one
    is drawn by

        q(v) ∝ p(v | x, y) · exp( ω |y + v| / w · ( E[r(φ(x, y + v))] − c · sd[r(φ(x, y + v))] ) )

    at the request's temperature, or the best one is taken. r is the reward of the mean over the
    tokens so far, which one more token moves by 1 / |y + v|: times |y + v| it is what this token
    adds to the sum, so that w weighs alike from the first token to the last. It is ascent of
    |y| · J(y), J being `persona_engine.decoding.Objective` and w its ``likelihood``; ARGS' own
    weight is 1 / w. ω is 1, or as much less as keeps KL(q ‖ p) within a trust region. Ending the
    reply changes neither features nor reward.

    All k are read in one forward, on the hidden states that decoding computes anyway, and the one
    that is taken is not read again. Where one token is plausible, nothing is looked ahead at. The
    plain sample grows beside the searched reply in the same forward; it is shown when the reward
    cannot tell the two apart.

    Use it where steering should be strongest for about the cost of one reply: it moves every token,
    while `best_of_n` chooses among what the model says anyway. It trusts the reward in mid-sentence
    and pays in likelihood; raise ``likelihood`` for text nearer to the model's own, and use
    `blockwise` where the reward is about the whole.

    Args:
        k: Most tokens to look ahead at.
        plausible: Least probability of a token as a share of the likeliest one's.
        choice: A token drawn from q, or its best one, with which equal prompts get equal replies.
        likelihood: w, log-odds of being preferred that one nat per token is worth; above 0.
        caution: c, standard deviations of the reward taken off.
        most_kl: Largest KL(q ‖ p) at one token, in nats.
        min_confidence: Least probability that the searched reply is preferred to the plain sample.

    Raises:
        ConfigError: A setting is out of range.
    """

    name = "token_search"

    def __init__(
        self,
        *,
        k: int = 10,
        plausible: float = 0.1,
        choice: How = "sampled",
        likelihood: float = 0.5,
        caution: float = 0.0,
        most_kl: float = 0.5,
        min_confidence: float = 0.55,
    ) -> None:
        _check("k", k, 2 <= k <= 256, "2 to 256")
        _check("plausible", plausible, 0.0 <= plausible < 1.0, "0 to below 1")
        _check("choice", choice, choice in ("sampled", "best"), "'sampled' or 'best'")
        _check("most_kl", most_kl, 0.0 < most_kl <= 100.0, "above 0, at most 100")
        _check("min_confidence", min_confidence, 0.5 <= min_confidence <= 1.0, "0.5 to 1")
        self._objective = Objective(caution=caution, likelihood=likelihood)
        _check("likelihood", likelihood, likelihood > 0.0, "above 0")
        self._most_kl = most_kl
        self._k = k
        self._plausible = plausible
        self._choice: How = choice
        self._min_confidence = min_confidence

    def generate(
        self,
        request: DecodingRequest,
        generator: Generator,
        reward: Reward | None,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the searched reply and the plain one, best first; see `Decoder`.

        One branch runs, plainly, without a reward, at temperature 0, and where one candidate is
        asked for.

        Raises:
            InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
            GenerationError: The language model failed.
            PluginError: The reward is not finite.
        """
        two = replace(request, candidates=min(request.candidates, 1 + _SEARCHED))
        branches, sampling = begin(two, generator, reward, length_spread=0.0)
        outlet = Outlet(on_text, early=request.mend is None)
        tally = Tally(request)
        rng = np.random.default_rng([request.seed, self._k])
        while True:
            if reward is None or branches.size == 1 or not tally.growing:
                result = branches.step(sampling)
            else:
                result = self._search_on(branches, sampling, reward, rng, tally)
            outlet.settle_shared(result.texts)
            if all(result.finished):
                break
        generation = conclude(
            result.texts,
            branches,
            reward,
            min_confidence=self._min_confidence,
            request=request,
            generator=generator,
            objective=self._objective,
        )
        outlet.settle(generation.candidates[0].text)
        return replace(generation, reason=tally.explain(generation.reason))

    def _search_on(
        self,
        branches: Branches,
        sampling: Sampling,
        reward: Reward,
        rng: np.random.Generator,
        tally: Tally,
    ) -> StepResult:
        """Append what it draws to the plain branch, and what the search chooses to the other."""
        plain = int(branches.draw(sampling)[0])
        log_probs = branches.next_log_probs()[_SEARCHED]  # (V,)
        options = plausible_tokens(log_probs, most=self._k, share=self._plausible)
        place, worth = 0, None
        if len(options) > 1:
            # The plain sample's token is read in the same forward.
            ahead = np.stack([np.full(len(options), plain), options])  # (2, k)
            features = branches.look_ahead(ahead)[_SEARCHED]  # (k, D)
            worth = self._worth(branches, reward, features, log_probs[options])
            place = choose(worth, how=self._choice, temperature=sampling.temperature, rng=rng)
        result = branches.append([plain, int(options[place])], sampling)
        tally.note(result, place, worth)
        return result

    def _worth(
        self, branches: Branches, reward: Reward, features: FloatArray, log_probs: FloatArray
    ) -> FloatArray:
        """Return, in nats, log p(v) and what the reward adds, ``(k,)``, up to a constant."""
        length = branches.token_counts[_SEARCHED] + 1
        values = replace(self._objective, likelihood=0.0).values(
            reward, features, log_probs=log_probs, tokens=[length] * len(features)
        )
        added = values * (length / self._objective.likelihood)
        return tilt(log_probs, added, most_kl=self._most_kl)


def _check(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value!r}, expected {expected}")
