"""The reward model ``fspo``: the language model itself reads what a person chose before."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, RewardModel, no_progress
from persona_engine.modelling import require_fit, require_width
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    LogLikelihood,
    Population,
    Posterior,
    PreferenceData,
    Score,
)
from persona_fspo.fitting import fit_population
from persona_fspo.gains import Gains, Reference
from persona_fspo.memory import most_telling, to_arrays, to_told, told_by
from persona_fspo.prompt import PromptBudget


class FewShotPreference(RewardModel):
    """A user's comparisons in the language model's prompt; rewards are log-likelihood ratios.

    ``r_u(y) = w₀·φ(y) + β [log π(y | x, N choices of u) - log π(y | x)]``, ``P(a ≻ b) = E[σ(r_u(a)
    - r_u(b))]``: the implicit reward of direct preference optimisation (Rafailov et al. 2023,
    arXiv:2305.18290) with the choices as context, as in Singh et al. (2025), "FSPO: few-shot
    preference optimization of synthetic preference data in LLMs elicits effective personalization
    to real users", arXiv:2502.19312, who also train the language model for it. ``w₀`` is the pooled
    taste; β is fitted on the population's own comparisons, users held out, and is 0 unless it
    predicts them better than ``w₀`` alone by a standard error. The N choices are those of most
    weight; their texts stand in the prompt as quoted data, never as turns.

    When to use it: with a strong instruction-tuned language model that the engine can ask for
    log-likelihoods, and tastes that words show better than features. With a small model, or to
    answer in milliseconds, use ``hierarchical``. Without texts or without a language model it is
    the pooled taste.

    Args:
        choices: Most choices in the prompt, ``N``.
        prompt_characters: Most characters of all quoted choices.
        text_characters: Most characters of one quoted text.
        reference: What the likelihood is compared with: ``without`` choices, as published, or
            ``swapped`` ones, which cancels what the mere mention of a topic makes likelier.
        strength: β where the host knows it; fitted if omitted.
        calibration_rows: Most comparisons that β is fitted on; each reads four prompts.
        folds: Parts that the users are split into to choose the pooled penalty.
        keep: Share of the differences' second moment that the principal axes must hold.
        log_likelihood: The language model that ``fit`` asks; the engine gives its own.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> from persona_engine.types import PairText
        >>> def language_model(conversations, responses):  # likes what was preferred before
        ...     said = [each[-1]["content"] if each else "" for each in conversations]
        ...     return np.float32([10.0 * (f'Preferred: "{text}"' in words)
        ...                        for words, text in zip(said, responses)])
        >>> rng = np.random.default_rng(0)
        >>> a, b = rng.normal(size=(2, 40, 3)).astype(np.float32)
        >>> model = FewShotPreference(strength=0.3)
        >>> population = model.fit(PreferenceData(a, b, np.arange(40) % 8, "example"), rng=rng)
        >>> told = Evidence(a[:1], a[:1], texts=(PairText("Hi", "Hello!", "Good day."),))
        >>> alice = model.infer(population, told)
        >>> words = Context(texts=(PairText("Hi", "Hello!", "Good day."),),
        ...                 log_likelihood=language_model)
        >>> float(model.logit(population, alice, a[:1], a[:1], context=words).mean[0])
        3.0
    """

    name = "fspo"
    reads: frozenset[Literal["prompt", "texts", "attributes"]] = frozenset({"texts"})

    def __init__(
        self,
        *,
        choices: int = 8,
        prompt_characters: int = 6_000,
        text_characters: int = 600,
        reference: Reference = "without",
        strength: float | None = None,
        calibration_rows: int = 48,
        folds: int = 5,
        keep: float = 0.999,
        log_likelihood: LogLikelihood | None = None,
    ) -> None:
        if not 1 <= choices <= 8:
            raise InvalidInputError(f"choices is {choices}, expected 1 to 8")
        if not 1 <= text_characters <= prompt_characters:
            raise InvalidInputError(
                f"text_characters is {text_characters} and prompt_characters {prompt_characters}, "
                "expected at least 1, and no text longer than the prompt"
            )
        if reference not in ("without", "swapped"):
            raise InvalidInputError(f"reference is {reference!r}, expected 'without' or 'swapped'")
        if strength is not None and not 0.0 <= strength < np.inf:
            raise InvalidInputError(f"strength is {strength}, expected a number from 0")
        if calibration_rows < 0 or folds < 2 or not 0.0 < keep <= 1.0:
            raise InvalidInputError(
                f"calibration_rows is {calibration_rows}, folds {folds} and keep {keep}, expected "
                "at least 0, at least 2, and a share in (0, 1]"
            )
        self._choices = choices
        self._gains = Gains(PromptBudget(choices, prompt_characters, text_characters), reference)
        self._strength = strength
        self._calibration_rows = calibration_rows
        self._folds = folds
        self._keep = keep
        self._log_likelihood = log_likelihood

    def asking(self, log_likelihood: LogLikelihood) -> FewShotPreference:
        """Return the same model, with a language model that ``fit`` may ask."""
        bound = copy(self)
        bound._log_likelihood = log_likelihood
        return bound

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit the pooled taste, and β on comparisons whose users' others stand in the prompt.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users; without texts β stays 0.
            rng: Draws the folds and the comparisons that β is fitted on.
            progress: Told how many of those were read.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        return fit_population(
            data,
            name=self.name,
            gains=self._gains,
            strength=self._strength,
            calibration_rows=self._calibration_rows,
            log_likelihood=self._log_likelihood,
            folds=self._folds,
            keep=self._keep,
            rng=rng,
            progress=progress,
        )

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the choices that say most, and the mean direction of all; order is no matter.

        Raises:
            InvalidInputError: The features have another width than the population's.
            FingerprintMismatchError: Another reward model fitted the population.
        """
        _check(population, evidence.chosen)
        width = population.arrays["axes"].shape[1]
        nothing = _state([], np.zeros(width), 0.0)
        return self._told(population, nothing, evidence, len(evidence))

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, as `infer` on all of them gives it."""
        posterior.require(population)
        _check(population, evidence.chosen)
        count = posterior.count + len(evidence)
        return self._told(population, dict(posterior.state), evidence, count)

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        With texts in the context, the first text of row ``b`` is that of response ``b``.
        """
        for posterior in posteriors:
            posterior.require(population)
        _check(population, responses)
        shared = _pooled(population, responses - population.arrays["centre"])
        gain = np.zeros((len(posteriors), len(responses)), np.float32)
        for row, posterior in enumerate(posteriors):
            gain[row] = self._gain(population, posterior, context, len(responses))[0]
        return _combined(population, shared, gain)

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the difference of the two rewards ``(B,)`` and its spread."""
        posterior.require(population)
        _check(population, a)
        _check(population, b)
        sides = self._gain(population, posterior, context, len(a))
        return _combined(population, _pooled(population, a - b), sides[0] - sides[1])

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return the mean difference of the user's choices, in whitened principal axes."""
        posterior.require(population)
        return posterior.mean

    def _told(
        self,
        population: Population,
        before: dict[str, NDArray[Any]],
        evidence: Evidence,
        count: int,
    ) -> Posterior:
        kept = most_telling([*to_told(before), *told_by(evidence)], self._choices)
        pull = evidence.weight * (2.0 * evidence.target - 1.0)
        moved = (pull @ (evidence.chosen - evidence.rejected)) @ population.arrays["axes"]
        total = before["pull"] + moved
        mass = float(before["mass"][0]) + float(evidence.weight.sum())
        width = len(total)
        return Posterior(
            reward_model=population.reward_model,
            population=population.version,
            fingerprint=population.fingerprint,
            mean=(total / (1.0 + mass)).astype(np.float32),
            covariance=(np.eye(width) / (1.0 + mass)).astype(np.float32),
            count=count,
            state=_state([*kept], total, mass),
        )

    def _gain(
        self, population: Population, posterior: Posterior, context: Context | None, rows: int
    ) -> FloatArray:
        """Return gains of the first and the second text of each row, ``(2, B)``."""
        nothing = np.zeros((2, rows), np.float32)
        if context is None or context.texts is None or population.arrays["strength"][0] == 0.0:
            return nothing
        if len(context.texts) != rows:
            raise InvalidInputError(
                f"the context has {len(context.texts)} texts for {rows} rows, expected as many"
            )
        log_likelihood = context.log_likelihood or self._log_likelihood
        if log_likelihood is None:
            return nothing
        told = [each.pair for each in to_told(posterior.state)]
        asked = [(each.prompt, each.chosen) for each in context.texts]
        asked += [(each.prompt, each.rejected) for each in context.texts]
        return self._gains.of(told, asked, log_likelihood).reshape(2, rows)


def _state(kept: Sequence[Any], pull: NDArray[Any], mass: float) -> dict[str, NDArray[Any]]:
    return {**to_arrays(kept), "pull": np.asarray(pull, np.float64), "mass": np.array([mass])}


def _check(population: Population, features: FloatArray) -> None:
    require_fit(population, FewShotPreference.name)
    require_width(features, len(population.arrays["weights"]))


def _pooled(population: Population, features: FloatArray) -> Score:
    spread = features @ population.arrays["factor"]  # (B, R)
    return Score(features @ population.arrays["weights"], np.einsum("br,br->b", spread, spread))


def _combined(population: Population, shared: Score, gain: FloatArray) -> Score:
    """Return rewards from pooled means and variances ``(B,)`` and gains ``(…, B)``."""
    strength, variance = population.arrays["strength"]
    mean = shared.mean + strength * gain
    return Score(
        mean.astype(np.float32),
        np.sqrt(shared.std + variance * np.square(gain)).astype(np.float32),
    )
