"""Where a person stands on each named attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from persona_engine.interfaces import RewardModel
from persona_engine.onboarding.attributes import Attribute, bank_attributes
from persona_engine.onboarding.bank_features import sides
from persona_engine.types import FloatArray, Population, Posterior, Taste


def tastes(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    features: Mapping[str, FloatArray],
    *,
    attributes: Sequence[Attribute] = bank_attributes(),
) -> tuple[Taste, ...]:
    """Return the person's taste in every attribute, strongest first.

    A taste is the logit of the high reply over the low one, averaged over the attribute's pairs.
    Its spread is the average of theirs: what one attribute's pairs leave unknown about a person is
    nearly the same thing for each, so it does not average out. Strength is the distance of the
    integrated probability from one half, ``|μ| / √(1 + π s² / 8)`` (MacKay 1992): a taste that is
    large but unsure comes after one that is smaller but sure.

    Args:
        model: The reward model; called once.
        population: What it was fitted to.
        posterior: What is believed about the person.
        features: Features ``(D,)`` of the pairs' replies by content key, as
            `DefaultPopulation.features` has them.
        attributes: The bank's styles unless others are given; at least one.

    Raises:
        InvalidInputError: ``features`` lacks a reply.
        FingerprintMismatchError: The posterior stands on another population.
    """
    pairs = [pair for attribute in attributes for pair in attribute.pairs]
    owner = np.repeat(np.arange(len(attributes)), [len(each.pairs) for each in attributes])
    a, b = sides(pairs, features)
    logit = model.logit(population, posterior, a, b)
    means = np.array([1.0 if pair.high == "a" else -1.0 for pair in pairs]) * logit.mean
    found = [
        Taste(
            style=attribute.name,
            low=attribute.low,
            high=attribute.high,
            mean=float(means[owner == place].mean()),
            std=float(logit.std[owner == place].mean()),
        )
        for place, attribute in enumerate(attributes)
    ]
    return tuple(sorted(found, key=_strength, reverse=True))


def in_words(tastes: Sequence[Taste], *, count: int = 3) -> str:
    """Return the strongest tastes by the names of their poles.

    Examples:
        >>> in_words([Taste("length", "concise", "detailed", -1.25, 0.31)])
        'concise (+1.2 ± 0.3)'
    """
    return ", ".join(
        f"{each.high if each.mean > 0 else each.low} (+{abs(each.mean):.1f} ± {each.std:.1f})"
        for each in tastes[:count]
    )


def _strength(taste: Taste) -> float:
    return abs(taste.mean) / float(np.sqrt(1.0 + np.pi / 8.0 * taste.std**2))
