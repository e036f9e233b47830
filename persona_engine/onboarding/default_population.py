"""The default population: what serves a new person before the product has data of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from persona_engine.interfaces import Encoder, Progress, RewardModel, no_progress
from persona_engine.onboarding.abridged import Abridged, encode_abridged
from persona_engine.onboarding.bank import question_bank
from persona_engine.onboarding.bank_features import BankFeatures, encode_bank
from persona_engine.onboarding.judge import Crowd, judge
from persona_engine.onboarding.synthetic_users import comparisons, draw_tastes
from persona_engine.trust import CALIBRATION, Predictions, fit_calibration
from persona_engine.types import AttributePairs, FloatArray, Population


@dataclass(frozen=True, eq=False)
class DefaultPopulation:
    """A population fitted to synthetic users over the question bank.

    Args:
        population: What the reward model learned.
        bank: Features of the bank's replies that it was fitted to.
        report: Held-out figures as `judge` gives them, the seed, and the size of the crowd.
    """

    population: Population
    bank: BankFeatures
    report: Mapping[str, Any]

    @cached_property
    def features(self) -> Mapping[str, FloatArray]:
        """Features ``(D,)`` of every reply of the bank by content key."""
        return self.bank.by_key()


def fit_default(
    reward_model: RewardModel,
    encoder: Encoder,
    *,
    seed: int = 0,
    crowd: Crowd = Crowd(),  # noqa: B008  # frozen
    attributes: Sequence[AttributePairs] = (),
    progress: Progress = no_progress,
) -> DefaultPopulation:
    """Encode the bank once, let synthetic users answer it, and fit a population to them.

    The figures of the report, and the calibration, come from fits that did not see a quarter of the
    questions, nor the people judged; the population itself is fitted to all questions. Equal seeds
    give equal results.
    Use `load_shipped` where the package carries the result for a feature space already, and a fit
    on the product's own comparisons as soon as it has some.

    Args:
        reward_model: What is fitted.
        encoder: Defines the feature space.
        seed: Draws people and answers.
        crowd: How many people answer how much.
        attributes: Labelled pairs of a host's own attributes, beside the bank's.
        progress: Told about encoding, judging and fitting.

    Raises:
        WeightsError: The encoder's model cannot be loaded.
        InvalidInputError: The reward model refuses the data.
    """
    bank = encode_bank(encoder, progress=progress)
    return fit_to_bank(
        reward_model,
        bank,
        encode_abridged(encoder, bank, progress=progress),
        fingerprint=encoder.fingerprint,
        seed=seed,
        crowd=crowd,
        attributes=attributes,
        progress=progress,
    )


def fit_to_bank(
    reward_model: RewardModel,
    bank: BankFeatures,
    abridged: Abridged,
    *,
    fingerprint: str,
    seed: int = 0,
    crowd: Crowd = Crowd(),  # noqa: B008  # frozen
    attributes: Sequence[AttributePairs] = (),
    progress: Progress = no_progress,
) -> DefaultPopulation:
    """Do as `fit_default` with a bank and first sentences that are encoded already."""
    judged = judge(
        reward_model,
        bank,
        abridged,
        fingerprint=fingerprint,
        crowd=crowd,
        seed=seed,
        progress=progress,
    )
    rng = np.random.default_rng([seed, 0])
    data = comparisons(
        draw_tastes(crowd.users, rng=rng),
        bank,
        asked=np.arange(len(question_bank())),
        answers=crowd.answers,
        fingerprint=fingerprint,
        rng=rng,
        abridged=abridged,
        cuts=crowd.cuts,
    )
    data = replace(data, attributes=(*data.attributes, *attributes))
    population = reward_model.fit(data, rng=rng, progress=progress)
    population = _calibrated(population, judged.predictions)
    report = {
        "seed": seed,
        "users": crowd.users,
        "answers_each": crowd.answers,
        "cuts_each": crowd.cuts,
        "held_out": judged.report,
    }
    return DefaultPopulation(population, bank, report)


def _calibrated(population: Population, held_out: Predictions) -> Population:
    """Return a population that says how far to trust it."""
    calibration = fit_calibration(held_out)
    if calibration is None:
        return population
    return replace(population, meta={**population.meta, CALIBRATION: calibration.document()})
