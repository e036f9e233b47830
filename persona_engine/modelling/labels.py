"""What a comparison says, when its label may be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.types import Evidence, PreferenceData

Pairs = TypeVar("Pairs", Evidence, PreferenceData)

MOST_NOISE = 1 / 3
"""With more wrong labels the correction would trust each label more than twice."""


def with_label_noise(pairs: Pairs, noise: float) -> Pairs:
    """Return comparisons whose targets undo a known share of flipped labels.

    ``target' = (target - ε) / (1 - 2ε)`` makes the loss unbiased for the true labels (Natarajan et
    al. 2013, "Learning with noisy labels"); with it the logistic loss is rDPO's (Chowdhury et al.
    2024, arXiv:2403.00409). The curvature stays what it was; only the gradient is corrected.

    Args:
        pairs: Comparisons of one or many users.
        noise: Share of labels that are flipped, ``ε`` of the formula, 0 to ⅓.

    Raises:
        InvalidInputError: ``noise`` is out of range.

    Examples:
        >>> pair = Evidence(np.ones((2, 1), np.float32), np.zeros((2, 1), np.float32),
        ...                 target=np.float32([1.0, 0.5]))
        >>> with_label_noise(pair, 0.1).target.tolist()
        [1.125, 0.5]
    """
    if not 0.0 <= noise <= MOST_NOISE:
        raise InvalidInputError(
            f"label noise is {noise}, expected a share from 0 to 1/3",
            remedy="leave sources out whose labels are wrong more often than that",
        )
    if noise == 0.0:
        return pairs
    target = (pairs.target - noise) / (1.0 - 2.0 * noise)
    return replace(pairs, target=np.clip(target, 0.0, 2.0).astype(np.float32))
