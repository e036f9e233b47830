"""The skew-symmetric score of preference embeddings, block by block, and the prompt's gates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import Doubles

Array = NDArray[Any]


def block_scores(a: Array, b: Array) -> Doubles:
    """Return each block's score of ``a`` over ``b``, ``(…, K)``, of embeddings ``(…, 2K)``.

    With ``R`` block-diagonal of ``[[0, -1], [1, 0]]`` their sum is ``⟨R v_a, v_b⟩``: each is the
    area that the two embeddings span in the block's plane, so it changes its sign with the order.

    Examples:
        >>> block_scores(np.array([1.0, 0.0]), np.array([0.5, 2.0])).tolist()
        [2.0]
    """
    first, second = a.astype(np.float64), b.astype(np.float64)
    scores: Doubles = first[..., 0::2] * second[..., 1::2] - first[..., 1::2] * second[..., 0::2]
    return scores


def gates_of(prompt: Array, head: Array) -> Doubles:
    """Return what a prompt weighs each block with, ``(…, K)``, 1 on average.

    ``K · softmax(prompt · head)`` of prompts ``(…, P)``, divided by ``√P``, and head ``(P, K)``.
    """
    logits = prompt.astype(np.float64) @ head.astype(np.float64)
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    gates: Doubles = raised * (raised.shape[-1] / raised.sum(-1, keepdims=True))
    return gates
