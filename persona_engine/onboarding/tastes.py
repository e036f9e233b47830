"""Where a person stands on each named style."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from persona_engine.interfaces import RewardModel
from persona_engine.onboarding.bank import STYLES, question_bank
from persona_engine.onboarding.bank_features import sides
from persona_engine.types import FloatArray, Population, Posterior, Taste


def tastes(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    features: Mapping[str, FloatArray],
) -> tuple[Taste, ...]:
    """Return the person's taste in every style of the bank, strongest first.

    A taste is the logit of the high reply over the low one, averaged over the style's questions.
    Its spread is the average of theirs: what one style's questions leave unknown about a person is
    nearly the same thing for each, so it does not average out. Strength is the distance of the
    integrated probability from one half, ``|μ| / √(1 + π s² / 8)`` (MacKay 1992): a taste that is
    large but unsure comes after one that is smaller but sure.

    Args:
        model: The reward model; called once.
        population: What it was fitted to.
        posterior: What is believed about the person.
        features: Features ``(D,)`` of the bank's replies by content key, as
            `DefaultPopulation.features` has them.

    Raises:
        InvalidInputError: ``features`` lacks a reply of the bank.
        FingerprintMismatchError: The posterior stands on another population.
    """
    bank = question_bank()
    a, b = sides(bank, features)
    logit = model.logit(population, posterior, a, b)
    towards_high = np.array([1.0 if question.high == "a" else -1.0 for question in bank])
    means = towards_high * logit.mean
    style_of = np.array([question.style for question in bank])
    found = [
        Taste(
            style=style.name,
            low=style.low,
            high=style.high,
            mean=float(means[style_of == style.name].mean()),
            std=float(logit.std[style_of == style.name].mean()),
        )
        for style in STYLES.values()
    ]
    return tuple(sorted(found, key=_strength, reverse=True))


def _strength(taste: Taste) -> float:
    return abs(taste.mean) / float(np.sqrt(1.0 + np.pi / 8.0 * taste.std**2))
