"""Directions in feature space along which replies have more of a named attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.modelling.differences import Doubles, principal_differences
from persona_engine.types import AttributePairs, PreferenceData

_RIDGES = 10.0 ** np.arange(-3.0, 2.1, 0.5)  # in units of the mean second moment
_LEAST_UNIT = 0.05  # of the wanted difference between the poles, where features hardly show them


@dataclass(frozen=True, slots=True)
class AttributeHeads:
    """What makes a reply have more of each attribute.

    Args:
        names: The attributes.
        directions: ``(D, K)``: the poles of attribute ``k`` differ by about 1 along column ``k``.
        accuracy: Share of each attribute's pairs that heads fitted without them order rightly;
            empty for unnamed directions.
    """

    names: tuple[str, ...]
    directions: Doubles
    accuracy: tuple[float, ...]


def fit_attribute_heads(attributes: Sequence[AttributePairs]) -> AttributeHeads:
    """Fit all heads at once by ridge regression on the pairs' differences.

    ``Σ_i |Aᵀ(high_i - low_i) - e_s(i)|² + λ|A|²``: a pair that differs in attribute ``s`` is to
    differ by 1 in that and by 0 in all others, which keeps, say, length out of warmth. The chosen
    ``λ`` is the one whose predictions of pairs left out one at a time correlate best with what is
    wanted; scale is set afterwards.

    Raises:
        InvalidInputError: The two replies of every pair have the same features.
    """
    owner = np.repeat(np.arange(len(attributes)), [len(each.high) for each in attributes])
    pairs = principal_differences(
        PreferenceData(
            np.concatenate([each.high for each in attributes]),
            np.concatenate([each.low for each in attributes]),
            owner,
            "attributes",
        ),
        keep=1.0 - 1e-6,
    )
    rows = pairs.rows.astype(np.float64)  # (M, R)
    wanted = np.eye(len(attributes))[owner]  # (M, K)
    weights, left_out = _leave_one_out(rows, wanted)
    own = left_out[np.arange(len(rows)), owner]
    count = np.bincount(owner)
    unit = np.maximum(np.bincount(owner, own) / count, _LEAST_UNIT)
    return AttributeHeads(
        tuple(each.name for each in attributes),
        pairs.axes @ (weights / unit),
        tuple((np.bincount(owner, own > 0) / count).tolist()),
    )


def _leave_one_out(rows: Doubles, wanted: Doubles) -> tuple[Doubles, Doubles]:
    """Return the weights ``(R, K)`` and predictions ``(M, K)`` by fits without the row.

    The axes are principal, so that the Gram matrix is diagonal and the fit without a row follows
    from its leverage.
    """
    gram = np.square(rows).sum(0)  # (R,)
    best, best_share = (np.zeros(0), np.zeros(0)), -np.inf
    for share in _RIDGES:
        inverse = 1.0 / (gram + share * gram.mean())
        weights = inverse[:, None] * (rows.T @ wanted)
        leverage = (np.square(rows) @ inverse)[:, None]
        left_out = wanted - (wanted - rows @ weights) / np.maximum(1.0 - leverage, 1e-6)
        size = np.square(left_out).sum(0) * wanted.sum(0)
        explained = float((np.square((left_out * wanted).sum(0)) / np.maximum(size, 1e-30)).mean())
        if explained > best_share:
            best, best_share = (weights, left_out), explained
    return best
