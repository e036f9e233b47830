"""The decoder: grow blocks, keep what promises most, go on from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from persona_blockwise.promise import Growth, Promise, grow
from persona_blockwise.resampling import Choice, KeepBest, Resample
from persona_engine.decoding import (
    Objective,
    Outlet,
    begin,
    check_setting,
    conclude,
    load_prefix_value,
    note_choice,
)
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.types import DecodingRequest, Generation, Sampling


class Blockwise:
    """Blockwise search: every M tokens the branches that promise most take the others' places.

    After each block of M tokens the N growing branches are scored by the objective J(y_{≤ jM}) of
    what they said so far, or of what they say after ``look_ahead`` more tokens, which are taken
    back (DeAL, Huang et al. 2024, arXiv 2402.06147), and

    - ``best``: the K best are kept and each is forked N / K times (controlled decoding, Mudgal et
      al. 2024, arXiv 2310.17022; with K > 1 as in TreeBoN, Qiu et al. 2024, arXiv 2410.16033);
    - ``soft``: N are drawn with probability ∝ exp(J / τ), by systematic resampling, only once the
      effective sample size 1 / Σ w² has fallen below a share of N (sequential Monte Carlo as in
      SVDD, Li et al. 2024, arXiv 2408.08252). Diversity lives on, and weights carry over where
      nothing was drawn.

    J is `persona_engine.decoding.Objective`: the person's expected reward r_u(φ(x, y)), less
    caution, plus likelihood. What rewards say of words (verifiers, a host's function) counts for
    branches that end while they are looked ahead at. Branches that have ended are compared at the
    end. The plain sample runs along as the first branch and is never given up: it is shown when the
    reward cannot tell it from the best.

    Use it when the reward is about what is said throughout (tone, format, level), and `best_of_n`
    when it is about the whole: length, an ending, one fact. Costs what best-of-n costs, plus a
    gather on the cache for each block, times 1 + look_ahead / M.

    Args:
        block: Tokens between choices, M.
        keep: Branches that are kept at each choice, K; with ``soft`` not used.
        choice: How branches are chosen.
        temperature: τ of the soft choice.
        resample_below: Share of N that the effective sample size must fall below.
        look_ahead: Tokens that each branch is grown by before it is scored.
        foresee: Whether beginnings are scored by what they will become, where the feature space has
            a prefix value head (`persona_engine.decoding.PrefixValue`).
        min_confidence: Least probability that the best is preferred to the plain sample.
        length_spread: Largest bias on ending, as in best-of-n; 0 for none.
        styled: Share of the branches that starts under the request's styles, as in best-of-n.
        caution: c of the objective.
        likelihood: w of the objective.

    Raises:
        ConfigError: A setting is out of range.
    """

    name = "blockwise"

    def __init__(
        self,
        *,
        block: int = 16,
        keep: int = 2,
        choice: Literal["best", "soft"] = "best",
        temperature: float = 0.5,
        resample_below: float = 0.5,
        look_ahead: int = 0,
        foresee: bool = True,
        min_confidence: float = 0.55,
        length_spread: float = 3.0,
        styled: float = 0.0,
        caution: float = 0.0,
        likelihood: float = 0.0,
    ) -> None:
        check_setting("block", block, 1 <= block <= 4_096, "1 to 4096")
        check_setting("keep", keep, 1 <= keep <= 256, "1 to 256")
        check_setting("choice", choice, choice in ("best", "soft"), "'best' or 'soft'")
        check_setting(
            "temperature", temperature, 0.0 < temperature <= 100.0, "above 0, at most 100"
        )
        check_setting("resample_below", resample_below, 0.0 <= resample_below <= 1.0, "0 to 1")
        check_setting("min_confidence", min_confidence, 0.5 <= min_confidence <= 1.0, "0.5 to 1")
        check_setting("length_spread", length_spread, 0.0 <= length_spread <= 20.0, "0 to 20")
        check_setting("look_ahead", look_ahead, 0 <= look_ahead <= 4_096, "0 to 4096")
        check_setting("styled", styled, 0.0 <= styled <= 1.0, "0 to 1")
        check_setting("foresee", foresee, isinstance(foresee, bool), "true or false")
        self._foresee = foresee
        self._objective = Objective(caution=caution, likelihood=likelihood)
        self._look_ahead = look_ahead
        self._styled = styled
        self._block = block
        self._keep = keep
        self._choice = choice
        self._temperature = temperature
        self._resample_below = resample_below
        self._min_confidence = min_confidence
        self._length_spread = length_spread

    def generate(
        self,
        request: DecodingRequest,
        generator: Generator,
        reward: Reward | None,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the branches that were left, best first; see `persona_engine.interfaces.Decoder`.

        Raises:
            InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
            GenerationError: The language model failed.
            PluginError: The reward is not finite.
        """
        branches, sampling = begin(
            request, generator, reward, length_spread=self._length_spread, styled=self._styled
        )
        outlet = Outlet(on_text, early=request.mend is None)
        choice = self._make_choice(branches.size, request.seed)
        while True:
            grown = grow(branches, sampling, steps=self._block, on_step=lambda _: None)
            outlet.settle_shared(grown.result.texts)
            if all(grown.result.finished):
                break
            if reward is not None:
                promise = self._promise(reward, generator, outlet)
                _give_way(branches, promise, choice, grown, sampling=sampling, request=request)
        generation = conclude(
            grown.result.texts,
            branches,
            reward,
            min_confidence=self._min_confidence,
            request=request,
            generator=generator,
            objective=self._objective,
        )
        outlet.settle(generation.candidates[0].text)
        return generation

    def _promise(self, reward: Reward, generator: Generator, outlet: Outlet) -> Promise:
        fingerprint = generator.feature_encoder.fingerprint
        head = load_prefix_value(fingerprint) if self._foresee else None
        return Promise(reward, self._objective, self._look_ahead, head, outlet)

    def _make_choice(self, branches: int, seed: int) -> Choice:
        if self._choice == "best":
            return KeepBest(self._keep)
        return Resample(
            branches,
            temperature=self._temperature,
            below=self._resample_below,
            rng=np.random.default_rng([seed, self._block]),
        )


def _give_way(
    branches: Branches,
    promise: Promise,
    choice: Choice,
    grown: Growth,
    *,
    sampling: Sampling,
    request: DecodingRequest,
) -> None:
    """Let the branches that promise most take the places of others."""
    result = grown.result
    # The plain sample and what has ended stay where they are.
    open_ = np.array([b for b in range(1, branches.size) if not result.finished[b]], np.intp)
    if len(open_) < 2:
        return
    values = np.zeros(branches.size)
    values[open_] = promise.of(branches, open_, sampling, grown)
    if np.ptp(values[open_]) == 0.0:
        return
    heirs = np.arange(branches.size)
    heirs[open_] = choice.choose(values, open_)
    note_choice(
        request,
        [result.texts[each] for each in open_],
        tokens=max(branches.token_counts),
        values=values[open_].tolist(),
        heirs=np.searchsorted(open_, heirs[open_]).tolist(),
        branches=open_.tolist(),
    )
    if np.any(heirs != np.arange(branches.size)):
        branches.fork(heirs.tolist())
