"""Which comparison to ask next, as PReF chooses it."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling import Doubles, sigmoid


def query_values(logits: Doubles, rows: Doubles, covariance: Doubles) -> Doubles:
    """Return ``σ'(u·v)² · vᵀ S⁻¹ v`` of each candidate: how much its answer narrows the posterior.

    Shenfeld et al. 2025, arXiv:2503.06358. The slope ``σ'`` is largest where the user is thought
    undecided, so that among comparisons in unknown directions those are asked whose answer isn't
    known already.

    Args:
        logits: ``(n,)`` expected log-odds ``u·v`` of each candidate.
        rows: ``(n, K)`` candidates ``v`` in the latent space.
        covariance: ``(K, K)`` the user's ``S⁻¹``, ``S = prior precision + Σ σ'(u·v) v vᵀ``.

    Examples:
        >>> query_values(np.zeros(2), np.array([[1.0], [2.0]]), np.eye(1)).tolist()
        [0.0625, 0.25]
    """
    p = sigmoid(logits)
    reach = np.einsum("nk,kl,nl->n", rows, covariance, rows)
    values: Doubles = np.square(p * (1.0 - p)) * reach
    return values
