"""How well a default population serves people and questions that its fit never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.interfaces import Progress, RewardModel
from persona_engine.onboarding.abridged import Abridged
from persona_engine.onboarding.bank import STYLES, question_bank
from persona_engine.onboarding.bank_features import BankFeatures
from persona_engine.onboarding.choose import next_question
from persona_engine.onboarding.synthetic_users import (
    comparisons,
    draw_tastes,
    probability_of_high,
)
from persona_engine.onboarding.tastes import tastes as tastes_of
from persona_engine.trust import Predictions, joined, outcomes
from persona_engine.types import (
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Question,
)

Doubles = NDArray[np.float64]
Places = NDArray[np.int64]
_Ask = Callable[[Posterior, list[str]], Question | None]

FOLDS = 4
ANSWERS = (0, 1, 2, 4, 8)
_CLEAR = 0.75  # P(preferred) from which a preference counts as clear
_STRONG = 2.0  # logits from which a taste counts as strong


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many synthetic people there are.

    Args:
        users: People that the population is fitted to; even.
        answers: How many questions each of them answers.
        judged: Other people in each fold, on whom the fit is judged; even.
        cuts: How many replies each of them compares with their first sentence, besides.
    """

    users: int = 800
    answers: int = 48
    judged: int = 60
    cuts: int = 12


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a default population is worth to people and on questions that it never saw.

    Args:
        report: Figures by number of answers, as `judge` says.
        predictions: Of those people's preferences, to fit a calibration to.
    """

    report: dict[str, Any]
    predictions: Predictions


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """One quarter of every style's questions held out.

    Args:
        model: The reward model.
        population: Fitted without the held-out questions.
        features: Of the whole bank.
        by_key: The same by content key.
        asked: Positions of the questions that may be asked.
        unseen: Positions of the held-out ones.
        tastes: ``(U, 16)`` of people whom the fit did not see.
        likes_high: ``(U, Q)`` what they answer.
    """

    model: RewardModel
    population: Population
    features: BankFeatures
    by_key: dict[str, FloatArray]
    asked: Places
    unseen: Places
    tastes: Doubles
    likes_high: NDArray[np.bool_]


def judge(
    model: RewardModel,
    features: BankFeatures,
    abridged: Abridged,
    *,
    fingerprint: str,
    crowd: Crowd,
    seed: int,
    progress: Progress,
) -> Judged:
    """Return held-out figures by number of answers, cross-validated over the bank's questions.

    In each of four folds the population is fitted to other people and to three quarters of each
    style's questions. New people then answer some of these, chosen by `next_question` ("active")
    or drawn ("random"), and their preferences on the remaining quarter are predicted.

    Returns:
        The predictions, and a report. ``accuracy``: expected share of their answers predicted
        rightly; ``clear``: the same of questions on which they are at least 75 percent sure,
        against what they truly prefer; ``strong_tastes``: share of strong tastes whose sign
        `tastes` has right. ``pooled`` predicts what most people prefer in the question's style,
        ``best_possible`` knows the true tastes.
    """
    rows: dict[str, list[list[dict[str, float]]]] = {"active": [], "random": []}
    limits, predictions = [], []
    for number in range(FOLDS):
        rng = np.random.default_rng([seed, 1 + number])
        place = np.arange(len(question_bank()))
        held_out = (place // 2) % FOLDS == number  # eight in a row are of one style
        data = comparisons(
            draw_tastes(crowd.users, rng=rng),
            features,
            asked=np.flatnonzero(~held_out),
            answers=crowd.answers,
            fingerprint=fingerprint,
            rng=rng,
            abridged=abridged,
            cuts=crowd.cuts,
        )
        fold = _fit_fold(model, features, data, held_out=held_out, judged=crowd.judged, rng=rng)
        limits.append(_limits(fold))
        for how, folds in rows.items():
            known = _after_answers(fold, how, seed=seed + number)
            folds.append([_mean(measured) for measured in _measures(fold, known)])
            predictions.append(_predictions(fold, known, first=number * crowd.judged))
        progress("judging on people and questions never seen", number + 1, FOLDS)
    report: dict[str, Any] = {"folds": FOLDS, "people": FOLDS * crowd.judged}
    report.update(_mean(limits))
    for how, folds in rows.items():
        steps = [_mean([fold[place] for fold in folds]) for place in range(len(ANSWERS))]
        report[how] = {str(n): step for n, step in zip(ANSWERS, steps, strict=True)}
    return Judged(report, joined(predictions))


def _fit_fold(
    model: RewardModel,
    features: BankFeatures,
    data: PreferenceData,
    *,
    held_out: NDArray[np.bool_],
    judged: int,
    rng: np.random.Generator,
) -> _Fold:
    tastes = draw_tastes(judged, rng=rng)
    place = np.arange(len(held_out))
    likes_high = rng.random((judged, len(place))) < probability_of_high(tastes, _styles(place))
    return _Fold(
        model,
        model.fit(data, rng=rng),
        features,
        features.by_key(),
        np.flatnonzero(~held_out),
        np.flatnonzero(held_out),
        tastes,
        likes_high,
    )


def _limits(fold: _Fold) -> dict[str, float]:
    """Return what no personal knowledge reaches, and what perfect knowledge does."""
    p = probability_of_high(fold.tastes, _styles(fold.unseen))  # (U, T)
    everyone = draw_tastes(4000, rng=np.random.default_rng(0))
    majority = probability_of_high(everyone, _styles(fold.unseen)).mean(0) > 0.5
    return {
        "pooled": float(np.where(majority, p, 1.0 - p).mean()),
        "best_possible": float(np.maximum(p, 1.0 - p).mean()),
    }


def _after_answers(fold: _Fold, how: str, *, seed: int) -> list[list[Posterior]]:
    """Return each person's posterior after each of `ANSWERS`."""
    rng = np.random.default_rng([seed, 101])
    pool: list[Question] = [question_bank()[place] for place in fold.asked]

    def drawn(_: Posterior, asked: list[str]) -> Question | None:
        left = [question for question in pool if question.id not in asked]
        return left[int(rng.integers(len(left)))]

    def chosen(posterior: Posterior, asked: list[str]) -> Question | None:
        return next_question(
            fold.model, fold.population, posterior, pool, fold.by_key, asked=asked, rng=rng
        )

    ask = chosen if how == "active" else drawn
    return [_follow(fold, user, ask) for user in range(len(fold.tastes))]


def _follow(fold: _Fold, user: int, ask: _Ask) -> list[Posterior]:
    asked: list[str] = []
    known = []
    for count in range(max(ANSWERS) + 1):
        posterior = fold.model.infer(fold.population, _evidence(fold, user, asked))
        if count in ANSWERS:
            known.append(posterior)
        question = ask(posterior, asked)
        if question is not None:
            asked.append(question.id)
    return known


def _evidence(fold: _Fold, user: int, asked: Sequence[str]) -> Evidence:
    position = {question.id: place for place, question in enumerate(question_bank())}
    places = np.array([position[each] for each in asked], np.int64)
    likes_high = fold.likes_high[user, places][:, None]
    high, low = fold.features.high[places], fold.features.low[places]
    return Evidence(np.where(likes_high, high, low), np.where(likes_high, low, high))


def _measures(fold: _Fold, known: Sequence[Sequence[Posterior]]) -> list[list[dict[str, float]]]:
    """Return, for each number of answers, everybody's figures."""
    return [
        [_measure(fold, user, after[place]) for user, after in enumerate(known)]
        for place in range(len(ANSWERS))
    ]


def _predictions(fold: _Fold, known: Sequence[Sequence[Posterior]], *, first: int) -> Predictions:
    """Predict what everybody, counted from ``first`` on, answers to the held-out questions."""
    high, low = fold.features.high[fold.unseen], fold.features.low[fold.unseen]
    found = []
    for user, after in enumerate(known):
        sign = np.where(fold.likes_high[user, fold.unseen], 1.0, -1.0)
        for count, posterior in zip(ANSWERS, after, strict=True):
            score = fold.model.logit(fold.population, posterior, high, low)
            found.append(outcomes(score, sign, count=count, user=first + user))
    return joined(found)


def _measure(fold: _Fold, user: int, posterior: Posterior) -> dict[str, float]:
    high, low = fold.features.high[fold.unseen], fold.features.low[fold.unseen]
    logit = fold.model.logit(fold.population, posterior, high, low).mean
    says_high = 0.5 + 0.5 * np.sign(logit)  # a tie is half right
    p = probability_of_high(fold.tastes[[user]], _styles(fold.unseen))[0]
    clear = np.maximum(p, 1.0 - p) >= _CLEAR
    right = np.where(p > 0.5, says_high, 1.0 - says_high)
    found = {
        t.style: t.mean for t in tastes_of(fold.model, fold.population, posterior, fold.by_key)
    }
    true = dict(zip(STYLES, fold.tastes[user], strict=True))
    signs = [0.5 + 0.5 * np.sign(found[s] * true[s]) for s in STYLES if abs(true[s]) >= _STRONG]
    return {
        "accuracy": float((says_high * p + (1.0 - says_high) * (1.0 - p)).mean()),
        "clear": float(right[clear].mean()) if clear.any() else np.nan,
        "strong_tastes": float(np.mean(signs)) if signs else np.nan,
    }


def _styles(places: Places) -> list[str]:
    bank = question_bank()
    return [str(bank[place].style) for place in places]


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Average each figure over those rows that have it."""
    return {key: round(float(np.nanmean([row[key] for row in rows])), 4) for key in rows[0]}
