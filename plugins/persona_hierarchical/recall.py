"""What a user said about these very responses, beyond what their tastes explain.

``r_u(x)`` gains ``e_u(x) ~ N(0, recall)``, independent for each response. Given the tastes, the
logits of the user's comparisons are ``f = m + e(a) - e(b)``: a Gaussian process whose covariance is
``recall`` times the number of responses that two comparisons have in common, with sign (Rasmussen &
Williams 2006, "Gaussian processes for machine learning", chapter 3). It says nothing about
responses that the user has not judged, so generalisation stays with the tastes; and about those
judged it makes the model consistent with its user.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Doubles
from persona_engine.modelling.newton import Prior, Votes, posterior_of_one, posteriors_of_many
from persona_engine.types import FloatArray

_KEYS = 4  # random projections by which a response is known again
_CLOSE = 1e-3  # in units of their spread: rounding differs from batch to batch
_JITTER = 1e-3  # of the variance: the same question twice may be answered differently


def key_axes(inverse_scale: Doubles) -> FloatArray:
    """Return ``(D, 4)`` random directions in which two responses differ by about 1.

    Args:
        inverse_scale: ``(D,)`` 1 / root mean square difference of each feature.
    """
    drawn = np.random.default_rng(0).normal(size=(len(inverse_scale), _KEYS))
    varying = max(1, int(np.count_nonzero(inverse_scale)))
    axes: FloatArray = (drawn * inverse_scale[:, None] / np.sqrt(varying)).astype(np.float32)
    return axes


def in_common(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return how many responses comparisons have in common, with sign, ``(..., n, m)``.

    Args:
        a: ``(..., n, 2, 4)`` keys of the chosen and the rejected response of each comparison.
        b: ``(..., m, 2, 4)`` keys of others.
    """
    apart = np.abs(a[..., :, None, :, None, :] - b[..., None, :, None, :, :])
    same = (apart < _CLOSE).all(-1).astype(np.float32)  # (..., n, m, 2, 2)
    result: FloatArray = same[..., 0, 0] + same[..., 1, 1] - same[..., 0, 1] - same[..., 1, 0]
    return result


def pull_of(common: FloatArray, mean: Doubles, weight: Doubles, target: Doubles) -> Doubles:
    """Return ``(U, n)`` numbers ``p`` with ``E[f] = mean + common p`` for ``U`` users.

    Args:
        common: ``(U, n, n)`` covariance of the logits beyond the tastes.
        mean: ``(U, n)`` logits that the tastes give.
        weight: ``(U, n)`` strengths.
        target: ``(U, n)`` shares of the preferences that go to the chosen responses.
    """
    users, count = mean.shape
    eye = np.eye(count)
    size = np.einsum("uii->u", common).astype(np.float64) / max(count, 1)
    root = np.linalg.cholesky(common + (_JITTER * size + 1e-9)[:, None, None] * eye)
    whitened: NDArray[np.floating]
    if users == 1:
        votes = Votes(root[0], mean[0], weight[0], target[0], Prior(eye, np.zeros(count)))
        whitened = posterior_of_one(votes, np.zeros(count))[0][None]
    else:
        last = (np.ascontiguousarray(each.T, np.float32) for each in (mean, weight, target))
        rows = np.ascontiguousarray(root.transpose(1, 2, 0), np.float32)  # (n, n, U)
        whitened = posteriors_of_many(rows, *last)[0].astype(np.float64)
    pull = np.linalg.solve(root.transpose(0, 2, 1), whitened[..., None])[..., 0]
    return pull.astype(np.float64)
