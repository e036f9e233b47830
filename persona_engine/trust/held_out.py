"""Predictions of what held-out people preferred, after so many of their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import RewardModel, given
from persona_engine.modelling import Doubles
from persona_engine.types import Context, Evidence, IntArray, Population, PreferenceData, Score

SHOTS = (0, 1, 2, 4, 8, 16)
"""Numbers of answers after which people are predicted."""

_QUERIES = 24
_MOST_USERS = 3_000


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions of comparisons whose outcome is known.

    Args:
        margin: ``(n,)`` log-odds of what was preferred, damped by their spread (MacKay 1992):
            their logistic function is the predicted probability, and above 0 it is right.
        count: ``(n,)`` answers of the person that it rests on.
        user: ``(n,)`` whose.
    """

    margin: Doubles
    count: IntArray
    user: IntArray

    def take(self, rows: NDArray[np.bool_]) -> Predictions:
        """Return some of them."""
        return Predictions(self.margin[rows], self.count[rows], self.user[rows])


def outcomes(score: Score, sign: Doubles, *, count: int, user: int) -> Predictions:
    """Return predictions of one person's comparisons.

    Args:
        score: Log-odds ``(n,)`` that the first of two replies is preferred.
        sign: ``(n,)`` 1 where it was, -1 where the second was.
        count: Answers of the person that the log-odds rest on.
        user: Whose.
    """
    damped = score.mean / np.sqrt(1.0 + np.pi / 8.0 * np.square(score.std))
    rows = len(damped)
    return Predictions(
        sign * damped.astype(np.float64),
        np.full(rows, count, np.int64),
        np.full(rows, user, np.int64),
    )


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Return all of some predictions."""
    empty = Predictions(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    every = [empty, *parts]
    return Predictions(
        np.concatenate([each.margin for each in every]),
        np.concatenate([each.count for each in every]),
        np.concatenate([each.user for each in every]),
    )


def held_out_predictions(
    model: RewardModel,
    population: Population,
    data: PreferenceData,
    users: IntArray,
    *,
    shots: Sequence[int] = SHOTS,
) -> Predictions:
    """Predict the later comparisons of people whom the population was not fitted on.

    Of each person the questions are the same after any number of answers; ties are not asked.

    Args:
        model: The reward model.
        population: Fitted on others.
        data: Everybody's comparisons, each person's oldest first.
        users: Who is held out; of more than 3,000 the first.
        shots: Numbers of answers.
    """
    people = list(_exams(data, users[:_MOST_USERS], tuple(sorted(shots))))
    found = []
    for shot in shots:
        able = [each for each in people if len(each.told) >= shot]
        told = [each.told.take(range(shot)) for each in able]
        for posterior, exam in zip(model.infer_many(population, told), able, strict=True):
            asked = exam.asked
            context = given(Context(asked.prompt, asked.texts) if model.reads else None)
            score = model.logit(population, posterior, asked.chosen, asked.rejected, **context)
            found.append(outcomes(score, np.ones(len(asked)), count=shot, user=exam.user))
    return joined(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Exam:
    """One person's first comparisons, and those that are asked about."""

    user: int
    told: Evidence
    asked: Evidence


def _exams(data: PreferenceData, users: IntArray, shots: tuple[int, ...]) -> Iterator[_Exam]:
    """Yield each person's first comparisons and those that are asked about."""
    order = np.argsort(data.user, kind="stable")
    begin = np.searchsorted(data.user[order], users, side="left")
    end = np.searchsorted(data.user[order], users, side="right")
    for user, first, last in zip(users.tolist(), begin.tolist(), end.tolist(), strict=True):
        own = order[first:last]
        support = max((each for each in shots if each < len(own)), default=0)
        later = own[support:]
        later = later[data.target[later] != 0.5][:_QUERIES]
        if len(later):
            told, asked = data.evidence_of_rows(own[:support]), data.evidence_of_rows(later)
            yield _Exam(user, told, asked)
