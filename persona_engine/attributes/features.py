"""Attributes as features: labelled pairs to fit heads on, and a person's tastes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from persona_engine.belief import Belief
from persona_engine.features import Text
from persona_engine.onboarding import Attribute, replies, tastes
from persona_engine.types import AttributePairs, FloatArray, Taste

Known = FloatArray | None


def labelled_pairs(
    attributes: Iterable[Attribute], encode: Callable[[Sequence[Text]], FloatArray]
) -> tuple[AttributePairs, ...]:
    """Return attributes as features, for `RewardModel.fit`.

    Args:
        attributes: What to encode.
        encode: Returns the features ``(n, D)`` of texts.
    """
    found = []
    for attribute in attributes:
        shown = [(pair.prompt, *replies(pair)) for pair in attribute.pairs]
        low = encode([Text(each, prompt) for prompt, each, _ in shown])
        high = encode([Text(each, prompt) for prompt, _, each in shown])
        found.append(AttributePairs(attribute.name, high, low, (attribute.low, attribute.high)))
    return tuple(found)


def tastes_of(
    belief: Belief, attributes: Sequence[Attribute], known: Callable[[Sequence[Text]], Known]
) -> tuple[Taste, ...]:
    """Return a person's tastes in those attributes whose pairs are encoded already.

    Args:
        belief: About the person.
        attributes: What to say it in.
        known: Returns the features ``(n, D)`` of texts, or None where one was never encoded.
    """
    if "texts" in belief.model.reads:
        return ()  # it would have to read every pair
    features: dict[str, FloatArray] = {}
    told = []
    for attribute in attributes:
        texts = [Text(side, pair.prompt) for pair in attribute.pairs for side in (pair.a, pair.b)]
        found = known(texts)
        if found is not None:
            told.append(attribute)
            features.update(zip((text.key for text in texts), found, strict=True))
    if not told:
        return ()
    return tastes(belief.model, belief.population, belief.posterior, features, attributes=told)
