"""Comparisons as features."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from persona_engine.features import FeatureCache, Text, check_response
from persona_engine.store import NewComparison, check_comparison
from persona_engine.types import Comparison, Evidence, FloatArray, PairText
from persona_engine.weighing import targets


def encoded(
    features: FeatureCache,
    tenant: str,
    events: Sequence[Comparison | NewComparison],
    weight: FloatArray,
    *,
    reads: Collection[str],
) -> Evidence:
    """Return comparisons as evidence, encoding what nobody encoded before.

    Args:
        features: Of the space that the model reads.
        tenant: Whose.
        events: The comparisons.
        weight: ``(n,)`` what each counts.
        reads: Whether features of the ``prompt`` belong to it.
    """
    texts = [
        Text(response, event.prompt)
        for event in events
        for response in (event.chosen, event.rejected)
    ]
    found = features.get(tenant, texts)  # (2n, D)
    return Evidence(
        found[0::2],
        found[1::2],
        weight,
        prompt=_prompts(features, tenant, events) if "prompt" in reads else None,
        texts=tuple(PairText(each.prompt, each.chosen, each.rejected) for each in events),
        target=targets(events),
    )


def check_new(event: NewComparison) -> None:
    """Raise unless a comparison can be both stored and learned from.

    Raises:
        InvalidInputError: A field cannot be stored, or a text is blank or too long to be compared.
    """
    check_response(event.chosen)
    check_response(event.rejected)
    check_comparison(event)


def _prompts(
    features: FeatureCache, tenant: str, events: Sequence[Comparison | NewComparison]
) -> FloatArray:
    """Return features ``(n, D)`` of the prompts, zero where there is none."""
    found = np.zeros((len(events), features.width), np.float32)
    asked = [row for row, event in enumerate(events) if event.prompt.strip()]
    if asked:
        found[asked] = features.get(tenant, [Text(events[row].prompt) for row in asked])
    return found
