"""Several reward heads over one feature space: their likelihoods, and their mixture."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling.differences import Doubles
from persona_engine.modelling.logistic import pair_loss
from persona_engine.types import Evidence, FloatArray, Score


def head_log_likelihood(heads: FloatArray, evidence: Evidence) -> Doubles:
    """Return the log-likelihood of comparisons under each of the heads ``(D, K)``, ``(K,)``."""
    logits = ((evidence.chosen - evidence.rejected) @ heads).astype(np.float64)  # (n, K)
    loss: Doubles = evidence.weight.astype(np.float64) @ pair_loss(logits, evidence.target[:, None])
    return -loss


def mix_heads(share: FloatArray, rewards: FloatArray, variance: FloatArray) -> Score:
    """Return mean and spread of rewards when it is not known which head is a user's.

    Args:
        share: ``(U, K)`` or ``(U, B, K)`` probability of each head.
        rewards: ``(B, K)`` rewards of each head.
        variance: ``(B,)`` further variance, which the heads have in common.
    """
    share = share if share.ndim == 3 else share[:, None, :]
    mean = (share * rewards).sum(-1)  # (U, B)
    apart = np.square(rewards - mean[..., None])  # (U, B, K)
    return Score(mean, np.sqrt((share * apart).sum(-1) + variance))


def head_metric(heads: Doubles, moment: Doubles) -> Doubles:
    """Return ``(K, K)`` in which the cosine of two users is the correlation of their logits.

    Args:
        heads: ``(R, K)`` weights of the principal axes.
        moment: ``(R,)`` second moment of each axis.
    """
    values, vectors = np.linalg.eigh(heads.T @ (moment[:, None] * heads))
    root: Doubles = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
