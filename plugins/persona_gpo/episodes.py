"""Users' comparisons, split at random into a context and targets to predict from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import sigmoid
from persona_engine.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

_MOST_CONTEXT = 24
_MOST_TARGETS = 16
_CONTEXT_SIZES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 20, _MOST_CONTEXT])
_HIDDEN = -1e4  # added to the attention logit of what is not there


@dataclass(frozen=True, slots=True)
class Rows:
    """All comparisons, in the coordinates of tokens.

    Args:
        chosen: ``(N, I)`` the chosen responses.
        rejected: ``(N, I)`` the rejected ones.
        logit: ``(N,)`` pooled logits.
        doubt: ``(N,)`` their variance.
        weight: ``(N,)`` strengths, above 0.
        target: ``(N,)`` shares of the preferences that go to the chosen responses.
        response: ``(N, 2)`` numbers of the two responses: equal responses have equal ones.
        of_user: Each user's rows, at least two.
    """

    chosen: FloatArray
    rejected: FloatArray
    logit: FloatArray
    doubt: FloatArray
    weight: FloatArray
    target: FloatArray
    response: IntArray
    of_user: Sequence[IntArray]


@dataclass(frozen=True, slots=True)
class Episode:
    """One split of some users' comparisons, padded, as tensors.

    Args:
        context: ``(U, 2 C, I + 1)`` tokens of the chosen, then of the rejected responses.
        bias: ``(U, 2 C)`` log-weights, far below 0 where padded.
        evidence: ``(U, 1)`` total weight of each context.
        curvature: ``(U, C)`` weight times ``p (1 - p)`` of each context comparison.
        targets: ``(U, 2 T, I + 1)`` tokens of the chosen, then of the rejected responses.
        logit: ``(U, T)`` pooled logits.
        doubt: ``(U, T)`` their variance.
        weight: ``(U, T)`` strengths, 0 where padded.
        target: ``(U, T)`` shares that go to the chosen responses.
    """

    context: Tensor
    bias: Tensor
    evidence: Tensor
    curvature: Tensor
    targets: Tensor
    logit: Tensor
    doubt: Tensor
    weight: Tensor
    target: Tensor


def labelled(chosen: FloatArray, rejected: FloatArray, target: FloatArray) -> FloatArray:
    """Return context tokens ``(…, 2 n, I + 1)``: label ``2 target - 1`` and its negative.

    Args:
        chosen: ``(…, n, I)``.
        rejected: ``(…, n, I)``.
        target: ``(…, n)`` share of each preference that goes to the chosen response.
    """
    label = (2.0 * target - 1.0)[..., None]
    first = np.concatenate([chosen, label], axis=-1)
    second = np.concatenate([rejected, -label], axis=-1)
    return np.concatenate([first, second], axis=-2).astype(np.float32)


def unlabelled(responses: FloatArray) -> FloatArray:
    """Return target tokens ``(…, I + 1)`` of responses ``(…, I)``: label 0."""
    zero = np.zeros((*responses.shape[:-1], 1), np.float32)
    return np.concatenate([responses, zero], axis=-1)


def split(
    rows: Rows,
    users: IntArray,
    rng: np.random.Generator,
    *,
    shots: int | None = None,
    imagined: FloatArray | None = None,
    share: float = 0.0,
) -> Episode:
    """Split the comparisons of users into context and targets.

    For every other user, targets hold no response of the context: to recognise a response is
    easier than to judge a new one, and both are asked of a reward.

    Args:
        rows: The comparisons.
        users: Places in ``rows.of_user``, ``(U,)``.
        rng: Draws the splits.
        shots: Comparisons in each context; drawn for each user if omitted.
        imagined: ``(I,)`` standard deviations of tastes along the coordinates.
        share: Share of the users, at random, who answer as a person of such a taste would.
    """
    known = np.zeros((len(users), _MOST_CONTEXT), np.int64)
    asked = np.zeros((len(users), _MOST_TARGETS), np.int64)
    is_known, is_asked = np.zeros(known.shape, bool), np.zeros(asked.shape, bool)
    for place, user in enumerate(users):
        mine = rng.permutation(rows.of_user[user])
        size = int(rng.choice(_CONTEXT_SIZES)) if shots is None else shots
        size = min(size, len(mine) - 1)
        first, later = mine[:size], mine[size:]
        if place % 2:
            seen = np.isin(rows.response[later], rows.response[first]).any(1)
            later = later if seen.all() else later[~seen]
        later = later[:_MOST_TARGETS]
        known[place, :size], is_known[place, :size] = first, True
        asked[place, : len(later)], is_asked[place, : len(later)] = later, True
    longest = max(1, int(is_known.sum(1).max(initial=0)))
    both = np.concatenate([known[:, :longest], asked], axis=1)  # (U, C + T)
    present = np.concatenate([is_known[:, :longest], is_asked], axis=1)
    answers = _Answers(rows.chosen[both], rows.rejected[both], rows.logit[both], rows.target[both])
    if imagined is not None and share > 0.0:
        answers = _imagined(answers, imagined, share, rng)
    weight = np.where(present, rows.weight[both], 1.0)
    return _episode(answers, weight, rows.doubt[both], present, longest)


@dataclass(frozen=True, slots=True)
class _Answers:
    """Comparisons of each user, ``(U, n, …)``, as in `Rows`."""

    chosen: FloatArray
    rejected: FloatArray
    logit: FloatArray
    target: FloatArray


def _imagined(
    answers: _Answers, spread: FloatArray, share: float, rng: np.random.Generator
) -> _Answers:
    """Let some of the users answer by tastes drawn from ``N(0, diag(spread²))``."""
    users, count = answers.logit.shape
    taste = rng.normal(size=(users, len(spread))) * spread
    reward = np.einsum("uni,ui->un", answers.chosen - answers.rejected, taste)
    other = rng.random((users, count)) > sigmoid(answers.logit + reward)
    drawn = rng.random((users, 1)) < share
    turned = (drawn & other)[..., None]
    return _Answers(
        np.where(turned, answers.rejected, answers.chosen),
        np.where(turned, answers.chosen, answers.rejected),
        np.where(turned[..., 0], -answers.logit, answers.logit),
        np.where(drawn, 1.0, answers.target),
    )


def _episode(
    answers: _Answers, weight: FloatArray, doubt: FloatArray, present: NDArray[np.bool_], known: int
) -> Episode:
    """Return the first ``known`` comparisons of each user as context, the others as targets."""
    import torch

    told, asked = (slice(None), slice(known)), (slice(None), slice(known, None))
    p = sigmoid(answers.logit[told])
    bias = np.where(present[told], np.log(weight[told]), _HIDDEN)
    sides = np.concatenate([answers.chosen[asked], answers.rejected[asked]], axis=1)
    arrays = (
        labelled(answers.chosen[told], answers.rejected[told], answers.target[told]),
        np.concatenate([bias, bias], axis=1),
        (present[told] * weight[told]).sum(1, keepdims=True),
        present[told] * weight[told] * p * (1.0 - p),
        unlabelled(sides),
        answers.logit[asked],
        doubt[asked],
        present[asked] * weight[asked],
        answers.target[asked],
    )
    return Episode(*(torch.from_numpy(np.asarray(each, np.float32)) for each in arrays))
