"""The decoder: steer candidates by differences of log-probabilities, put the best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

from persona_engine.decoding import (
    Objective,
    Outlet,
    begin,
    check_setting,
    conclude,
    end_biases,
    note_choice,
)
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.generation import persona_generators
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.types import DecodingRequest, Generation, Prompt, StepResult
from persona_engine.weights import resolve
from persona_logit_arithmetic.implicit import ImplicitReward, likelihood_after
from persona_logit_arithmetic.lockstep import Lockstep, Pair
from persona_logit_arithmetic.steering import Rung, ladder, steerable, steered_prompt

Model = Generator | str | Path

POSTERIOR = "posterior"
_STEERED = "how each is steered"


class LogitArithmetic:
    """Steering by sums of log-probabilities.

    log p(y_t) ∝ log p_base + Σ_i λ_i (log p_i − log p_ref,i)

    - By instructions: p_i reads the prompt with the person's placed instructions, p_ref without
      (context steering, He et al. 2024, arXiv 2405.01768).
    - By tastes: p_i reads a wish in words for each taste of which the posterior is sure, p_ref none
      (Drift decoding, Kim et al. 2025, arXiv 2502.14289).
    - By other models of the same vocabulary: p_i a tuned model, p_ref the same before
      (emulated fine-tuning, Mitchell et al. 2023, arXiv 2310.12962; proxy tuning, Liu et al. 2024,
      arXiv 2401.08565). They may also judge what was written (`ImplicitReward`, Yuan et al. 2024,
      arXiv 2412.01981).
    - By LoRA adapters that the generator has loaded: Σ_k w_k (log p_k − log p_base), all in one
      batch (DExperts, Liu et al. 2021, arXiv 2105.03023, for experts by their differences).

    Prompts are rows of one batch; a token must have a share of the likeliest one's probability
    under the plain reading (adaptive plausibility, Li et al. 2022, arXiv 2210.15097). The sum is at
    temperature 1; temperature and nucleus then apply to it.

    Branch 0 is the plain sample, the others climb the ladder of strengths, and the person's reward
    chooses; the plain sample is shown when it can't tell. A single candidate, or one without a
    reward, is steered by what is said in words and by adapters, which needs no judge. Where there
    is neither and no other model is given, candidates are plain samples, as with best-of-n.

    Use it when the model overlooks what it was told, and when samples of one prompt differ too
    little to choose among; `best_of_n` when the model's own words are to stay as likely as they
    are.

    Args:
        strengths: λ of the steered candidates, in turn; a single one takes the first.
        plausible: Least share of the likeliest token's probability, α; 0 for every token.
        styles: Tastes in words that one candidate is steered by, together.
        adapters: Weights w_k of adapters, by the names they were loaded under; ``"posterior"`` for
            the person's membership in each cluster that has a published adapter
            (`DecodingRequest.adapter_weights`): personal without training per person.
        expert: A tuned model with the generator's vocabulary: a `Generator` or a model folder.
        reference: The same model before it was tuned; the generator itself if omitted.
        implicit: β, what one nat of log p_i / p_ref of the whole reply is worth, in log-odds.
        caution: See `persona_engine.decoding.Objective`.
        likelihood: See `persona_engine.decoding.Objective`.
        min_confidence: Least probability that the best is preferred to the plain sample.
        length_spread: Largest bias on ending, as in best-of-n; 0 for none. Candidates that
            another model steers have none.

    Raises:
        ConfigError: A setting is out of range.
    """

    name = "logit_arithmetic"

    def __init__(
        self,
        *,
        strengths: Sequence[float] = (1.0, 0.5, 1.5),
        plausible: float = 0.1,
        styles: int = 1,
        adapters: Mapping[str, float] | Literal["posterior"] | None = None,
        expert: Model | None = None,
        reference: Model | None = None,
        implicit: float = 0.0,
        caution: float = 0.0,
        likelihood: float = 0.0,
        min_confidence: float = 0.55,
        length_spread: float = 3.0,
    ) -> None:
        each_within = bool(strengths) and all(_within(each, -10.0, 10.0) for each in strengths)
        check_setting("strengths", strengths, each_within, "one or more numbers from -10 to 10")
        check_setting("plausible", plausible, _within(plausible, 0.0, 1.0), "0 to 1")
        check_setting("styles", styles, styles in range(1, 17), "1 to 16")
        check_setting("implicit", implicit, _within(implicit, 0.0, 100.0), "0 to 100")
        check_setting(
            "min_confidence", min_confidence, _within(min_confidence, 0.5, 1.0), "0.5 to 1"
        )
        check_setting("length_spread", length_spread, _within(length_spread, 0.0, 20.0), "0 to 20")
        self._adapters = None if adapters == POSTERIOR else _weights(adapters)
        if reference is not None and expert is None:
            raise ConfigError(
                "there is a reference and no expert", remedy="name the tuned model as `expert`"
            )
        self._strengths = tuple(strengths)
        self._plausible = plausible
        self._styles = styles
        self._expert = expert
        self._reference = reference
        self._implicit = implicit
        self._objective = Objective(caution, likelihood)
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
        """Return the candidates, best first; see `persona_engine.interfaces.Decoder`.

        Raises:
            ConfigError: A model cannot be found, or has another vocabulary than the generator.
            InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
            GenerationError: The language model failed.
            PluginError: The reward is not finite.
        """
        if request.candidates < 1:
            raise InvalidInputError(f"candidates is {request.candidates!r}, expected at least 1")
        several = reward is not None and request.candidates > 1
        rungs = self._rungs(request, request.candidates - 1 if several else 1)
        outlet = Outlet(on_text, early=request.mend is None)
        if several and rungs:
            branches, texts = self._grow_beside(request, generator, rungs, outlet)
        elif self._steers(request):
            branches, texts = self._grow_one(request, generator, rungs[0], outlet)
        else:
            spread = self._length_spread
            branches, sampling = begin(request, generator, reward, length_spread=spread)
            texts = _grow(lambda: branches.step(sampling), outlet)
        generation = conclude(
            texts,
            branches,
            self._judge(request, generator, reward),
            min_confidence=self._min_confidence,
            request=request,
            generator=generator,
            objective=self._objective,
        )
        if not several and self._steers(request):
            generation = self._steered(generation, request, rungs[0])
        outlet.settle(generation.candidates[0].text)
        return generation

    @property
    def weighs_adapters(self) -> bool:
        """Whether requests tell it the weights of adapters."""
        return self._adapters is None

    def _rungs(self, request: DecodingRequest, count: int) -> list[Rung]:
        if self._expert is None and not self._steers(request):
            return []
        return ladder(request, self._strengths, styles=self._styles, count=count)

    def _steers(self, request: DecodingRequest) -> bool:
        return bool(self._weights_in(request)) or steerable(request)

    def _weights_in(self, request: DecodingRequest) -> Mapping[str, float]:
        return request.adapter_weights if self._adapters is None else self._adapters

    def _prompt(self, request: DecodingRequest, rung: Rung) -> Prompt:
        weights = self._weights_in(request)
        return steered_prompt(request, rung, plausible=self._plausible, adapters=weights)

    def _grow_one(
        self, request: DecodingRequest, generator: Generator, rung: Rung, outlet: Outlet
    ) -> tuple[Branches, tuple[str, ...]]:
        note_choice(request, [str(rung)], tokens=0, heirs=[0], note=_STEERED)
        prompt = self._prompt(request, rung)
        branches = generator.prefill_each([prompt], seed=request.seed)
        return branches, _grow(lambda: branches.step(request.sampling), outlet)

    def _grow_beside(
        self, request: DecodingRequest, generator: Generator, rungs: list[Rung], outlet: Outlet
    ) -> tuple[Branches, tuple[str, ...]]:
        """Grow the plain sample, and beside it what climbs the ladder."""
        plain = Prompt((request.reading,))
        steered = [self._prompt(request, each) for each in rungs]
        branches = generator.prefill_each([plain, *steered], seed=request.seed)
        told = ["the plain sample", *map(str, rungs)]
        note_choice(request, told, tokens=0, heirs=range(len(told)), note=_STEERED)
        pair = self._pair(generator)
        if pair is not None:
            lockstep = Lockstep(
                branches,
                pair,
                request,
                strengths=[each.strength for each in rungs],
                plausible=self._plausible,
            )
            return branches, _grow(lambda: lockstep.step(request.sampling), outlet)
        hot = request.sampling.temperature > 0.0
        biases = end_biases(branches.size, self._length_spread) if hot else ()
        sampling = replace(request.sampling, end_bias=biases)
        return branches, _grow(lambda: branches.step(sampling), outlet)

    def _steered(self, generation: Generation, request: DecodingRequest, rung: Rung) -> Generation:
        """Return a single candidate's result: it is not the plain sample that `conclude` means."""
        by = ["what is said in words"] if steerable(request) else []
        by += [f"adapter {name!r}" for name in self._weights_in(request)]
        edits = generation.candidates[0].edits
        put_right = f"; put right: {', '.join(edits)}" if edits else ""
        reason = f"steered by {' and '.join(by)} ({rung})" + put_right
        return replace(generation, decided=True, reason=reason)

    def _judge(
        self, request: DecodingRequest, generator: Generator, reward: Reward | None
    ) -> Reward | None:
        """Return the person's reward, and with it what the readings say of a text themselves."""
        if reward is None or self._implicit == 0.0:
            return reward
        pair, asked = self._pair(generator), request.conversation
        if pair is not None:
            tuned = likelihood_after(pair.expert, asked)
            reference = likelihood_after(pair.reference, asked)
        elif request.bare is not None:
            tuned = likelihood_after(generator, asked)
            reference = likelihood_after(generator, request.bare)
        else:
            return reward
        return ImplicitReward(tuned, reference, beta=self._implicit, reward=reward)

    def _pair(self, generator: Generator) -> Pair | None:
        if self._expert_model is None:
            return None
        return Pair(self._expert_model, self._reference_model or generator)

    @cached_property
    def _expert_model(self) -> Generator | None:
        return _opened(self._expert)

    @cached_property
    def _reference_model(self) -> Generator | None:
        return _opened(self._reference)


def _weights(adapters: Mapping[str, float] | str | None) -> Mapping[str, float]:
    """Return the weights of adapters that a host names.

    Raises:
        ConfigError: They are no names with numbers.
    """
    named = {} if adapters is None else adapters
    weighed = isinstance(named, Mapping) and all(
        isinstance(name, str) and _within(each, -10.0, 10.0) for name, each in named.items()
    )
    expected = f"names with numbers from -10 to 10, or {POSTERIOR!r}"
    check_setting("adapters", adapters, weighed, expected)
    return dict(cast("Mapping[str, float]", named))


def _opened(model: Model | None) -> Generator | None:
    if isinstance(model, str | Path):
        return persona_generators()["local"](weights=resolve(str(model), download=False))
    return model


def _grow(step: Callable[[], StepResult], outlet: Outlet) -> tuple[str, ...]:
    while True:
        result = step()
        outlet.settle_shared(result.texts)
        if all(result.finished):
            return result.texts


def _within(value: object, least: float, most: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(float(value)) and least <= float(value) <= most  # type: ignore[arg-type]
