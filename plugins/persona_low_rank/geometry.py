"""What both models store beside their basis: the shared reward's spread and a metric for users."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling import Differences, Doubles, laplace_covariance


def shared_factor(differences: Differences, shared: Doubles, ridge: float) -> Doubles:
    """Return a root ``(D, R)`` of the covariance of the shared weights (Laplace, by user)."""
    covariance, inflation = laplace_covariance(differences, shared, ridge)
    factor: Doubles = differences.axes @ np.linalg.cholesky(inflation * covariance)
    return factor


def metric_root(differences: Differences, basis: Doubles) -> Doubles:
    """Return ``(M, M)`` that maps coefficients to where lengths are those of users' logits.

    The squared length of ``root @ c`` is the mean square of the logit ``Δ·basis c`` over the
    population's comparisons.
    """
    metric = basis.T @ (differences.moment[:, None] * basis)
    metric += 1e-6 * max(1e-6, float(np.trace(metric))) * np.eye(len(metric))
    root: Doubles = np.linalg.cholesky(metric).T.astype(np.float64)
    return root


def ordered(differences: Differences, basis: Doubles) -> Doubles:
    """Return the basis rotated so that its axes move the logit independently, most first.

    Each axis is signed so that its largest weight is positive. A standard normal stays one.
    """
    _, _, turn = np.linalg.svd(np.sqrt(differences.moment)[:, None] * basis, full_matrices=False)
    turned = basis @ turn.T
    sign = np.sign(turned[np.abs(turned).argmax(0), np.arange(turned.shape[1])])
    signed: Doubles = turned * np.where(sign == 0.0, 1.0, sign)
    return signed
