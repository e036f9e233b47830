"""Equal numbers to the official implementations, on inputs that need no generator.

The expected numbers were obtained on 2026-11-21 by running the official code once, in double
precision on the CPU, with the arrays of `grid` below; none of that code is here.

- facebookresearch/LoRe, commit 6f93990486a234a13e7e18788bc2a6f661958edb, ``utils.py``:
  ``LoRe.forward`` (alpha 0), ``PersonalizeBatch.forward`` and, pair by pair,
  ``LoRe_regularized._forward_from_packed`` with W and V set to the arrays.
- idanshen/PReF_code, commit 2a38b0737ea00a2559e272eab3cc87bbd3fe1454: ``Model.forward``
  (``models/model.py``, bias=True, hidden states given instead of a language model's),
  ``calculate_loss_MLE`` (``utils/training.py``, its device set to the CPU), and
  ``max_norm_vector`` (``utils/inference.py``, use_derivitaive=True), called six times with the
  matrix that ``discover_user.training`` builds before each call.
"""

import numpy as np
import pytest

from persona_engine.modelling import sigmoid
from persona_low_rank import query_values
from persona_low_rank.joint import Fit, OneAndFree, Sample, Softmax, loss_of
from persona_low_rank.simplex import Votes

LORE_NLL = 2.284676808738972
LORE_LOGITS = [
    [-1.3001741323880598, -0.27785000485724703, 0.8028511678296122, -1.6384205975972996],
    [1.1967306575881669, -0.6197859047486323, 1.561070032140495, 0.6148625908832589],
    [1.4777994173712596, -1.363751385219996, 1.099215214154944, 0.31484239167511624],
]
PREF_PROBABILITY = [
    0.2384557486647676,
    0.8837583402325324,
    0.25025266092871046,
    0.040078082995618575,
    0.948173002899015,
    0.4664077750067859,
    0.5114523707600116,
]
PREF_LOSS = 1.570431535871496
PREF_QUERIES = [2, 11, 8, 1, 9, 3]


def grid(*shape: int, phase: float) -> np.ndarray:
    n = np.arange(np.prod(shape))
    return (np.sin(n * 1.7 + phase) * np.cos(n * 0.31)).reshape(shape)


def sample(rows, users, *, weight, target=1.0) -> Sample:
    order = np.argsort(users, kind="stable")
    _, begin, owner = np.unique(users[order], return_index=True, return_inverse=True)
    fill = np.ones(len(rows), np.float32)
    return Sample(
        rows[order].astype(np.float32),
        (weight * fill)[order],
        (target * fill)[order],
        owner,
        begin,
        np.ones(rows.shape[1]),
    )


LORE_ROWS = np.concatenate([3 * grid(4, 5, phase=user) for user in range(3)])  # (12, 5)
LORE_USERS = np.repeat(np.arange(3), 4)
LORE_V = 100 * grid(5, 3, phase=0.5)
LORE_W = 2 * grid(3, 3, phase=0.9)
TEMPERATURE = 100.0  # LoRe divides its logits by it; ours is absorbed by the basis


def test_lore_loss():
    ours, _, _ = loss_of(
        sample(LORE_ROWS, LORE_USERS, weight=0.25), Fit(LORE_V / TEMPERATURE, LORE_W), Softmax()
    )
    assert ours == pytest.approx(LORE_NLL, abs=1e-5)


def test_lore_logits():
    shares = Softmax().coefficients(LORE_W)
    rows = (LORE_ROWS @ LORE_V / TEMPERATURE).reshape(3, 4, 3)
    np.testing.assert_allclose(np.einsum("unk,uk->un", rows, shares), LORE_LOGITS, atol=1e-5)


def test_lore_loss_of_new_users():
    """What a new user's fit minimises, without the prior that LoRe does not have."""
    rows = (LORE_ROWS @ LORE_V / TEMPERATURE).reshape(3, 4, 3)
    nothing = np.zeros((3, 3, 3))
    votes = Votes(rows, np.full((3, 4), 0.25), np.ones((3, 4)), nothing, np.zeros((3, 3)), nothing)
    assert votes.loss(LORE_W).sum() == pytest.approx(LORE_NLL, abs=1e-5)


PREF_HIDDEN = grid(14, 6, phase=0.2)
PREF_ROWS = PREF_HIDDEN[:7] - PREF_HIDDEN[7:]
PREF_HEAD = grid(4, 6, phase=1.3)  # the head's bias cancels
PREF_FREE = 2 * grid(5, 3, phase=0.7)
PREF_USERS = np.array([0, 1, 2, 3, 4, 0, 2])
PREF_LABELS = np.array([1.0, 0, 1, 1, 0.5, 0, 1], np.float32)


def test_pref_probabilities():
    coefficients = OneAndFree().coefficients(PREF_FREE)[PREF_USERS]
    logits = (PREF_ROWS @ PREF_HEAD.T * coefficients).sum(1)
    np.testing.assert_allclose(sigmoid(logits), PREF_PROBABILITY, atol=1e-5)


def test_pref_loss():
    ours, _, _ = loss_of(
        sample(PREF_ROWS, PREF_USERS, weight=1 / 7, target=PREF_LABELS),
        Fit(PREF_HEAD.T, PREF_FREE),
        OneAndFree(),
    )
    assert ours == pytest.approx(PREF_LOSS, abs=1e-5)


def test_pref_chooses_the_same_queries():
    rows, user = 2 * grid(12, 4, phase=0.4), grid(4, phase=3.1)
    left, asked, chosen = [n for n in range(12) if n != 5], [5], []
    for _ in range(6):
        known = rows[asked]
        p = sigmoid(known @ user)
        precision = 1e-3 * np.eye(4) + (known.T * (p * (1 - p))) @ known
        values = query_values(rows[left] @ user, rows[left], np.linalg.inv(precision))
        chosen.append(left.pop(int(values.argmax())))
        asked.append(chosen[-1])
    assert chosen == PREF_QUERIES
