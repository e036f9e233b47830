"""Which question to ask next: the one whose answer would teach most about the person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import JudgesJointly, RewardModel
from persona_engine.onboarding.bank_features import sides
from persona_engine.onboarding.blends import all_questions
from persona_engine.onboarding.criteria import (
    Criterion,
    check_criterion,
    d_optimality,
    information_gain,
    joint_gain,
    pref_score,
)
from persona_engine.types import (
    FloatArray,
    JointScore,
    Population,
    Posterior,
    Question,
    Score,
)

LEAST_GAIN = 1e-4
"""Nats; below this an answer teaches nothing."""

_CLEARLY_MORE = 1.5  # times the gain that a question must promise whose styles were all asked
_ANOTHER_TOPIC = 1.1  # times the gain that a question on a topic asked already must promise
_AS_GOOD = 0.98  # share of the best gain from which a draw decides
_TOGETHER = 512  # questions that are judged together; of more, those that promise most alone


@dataclass(frozen=True, slots=True)
class Chosen:
    """The question to ask next, and why.

    Args:
        question: The question.
        gain: What its answer is expected to say about the person, in nats.
    """

    question: Question
    gain: float


def next_question(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    pool: Sequence[Question],
    features: Mapping[str, FloatArray],
    *,
    asked: Collection[str],
    rng: np.random.Generator,
    criterion: Criterion = "bald",
    least_gain: float = LEAST_GAIN,
) -> Question | None:
    """Return the question of the pool that teaches most about this person, or None.

    See `choose` for the arguments and errors.
    """
    chosen = choose(
        *(model, population, posterior, pool, features),
        asked=asked,
        rng=rng,
        criterion=criterion,
        least_gain=least_gain,
    )
    return None if chosen is None else chosen.question


def choose(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    pool: Sequence[Question],
    features: Mapping[str, FloatArray],
    *,
    asked: Collection[str],
    rng: np.random.Generator,
    criterion: Criterion = "bald",
    least_gain: float = LEAST_GAIN,
) -> Chosen | None:
    """Return the question of the pool that teaches most about this person, with its gain, or None.

    ``bald`` is the information gain on the joint posterior of the pool's answers (`joint_gain`):
    an answer about a taste that many questions depend on teaches more than its own
    `information_gain` says, which is what a model that does not judge jointly goes by.
    While there are styles and topics that nobody asked about, a question must promise more the more
    of its own were asked already: up to half as much again. Among questions as good as the best
    within two percent, a draw decides, so that not everybody is asked the same.

    Args:
        model: The reward model.
        population: What it was fitted to.
        posterior: What is believed about the person so far.
        pool: Candidates, such as `all_questions()`.
        features: Features ``(D,)`` of each reply of the pool by content key, as
            `DefaultPopulation.features` has them.
        asked: Ids that were asked before; they are not asked again.
        rng: Decides between equally good ones.
        criterion: ``bald``, ``d_optimal`` (`d_optimality`) or ``pref`` (`pref_score`).
        least_gain: Nats that an answer must be expected to say about the person.

    Returns:
        None when every question was asked, or none would teach as much as that.

    Raises:
        InvalidInputError: ``features`` lacks a reply of the pool, or there is no such criterion.
        FingerprintMismatchError: The posterior stands on another population.
    """
    check_criterion(criterion)
    questions = [question for question in pool if question.id not in asked]
    if not questions:
        return None
    a, b = sides(questions, features)
    joint, logit = _judged(model, population, posterior, a, b, jointly=criterion == "bald")
    gain = information_gain(logit)
    worth = _alone(criterion, logit, gain) if joint is None else _together(joint, gain)
    worth = np.where(gain >= least_gain, worth / _familiar(questions, pool, asked), 0.0)
    if not worth.max() > 0.0:
        return None
    best = np.flatnonzero(worth >= _AS_GOOD * worth.max())
    place = int(rng.choice(best))
    return Chosen(questions[place], float(gain[place]))


def confidence(logit: Score) -> float:
    """Return the share of a pool's answers that the engine expects to predict rightly.

    Examples:
        >>> confidence(Score(np.float32([0.0, 9.0]), np.float32([0.0, 0.0])))
        0.75
    """
    p = logit.probability().astype(np.float64)
    return round(float(np.maximum(p, 1.0 - p).mean()), 3)


def check_least_gain(value: object) -> None:
    """Raise unless a limit of gain is a number of at least 0.

    Raises:
        InvalidInputError: It is not.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0.0 <= value < np.inf:  # type: ignore[operator]
        raise InvalidInputError(f"least_gain is {value!r}, expected a number of nats, 0 or more")


def _judged(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    *sides: FloatArray,
    jointly: bool,
) -> tuple[JointScore | None, Score]:
    """Return the questions' logits together, where the model can and it is wanted, and alone."""
    if not (jointly and isinstance(model, JudgesJointly)):
        return None, model.logit(population, posterior, *sides)
    joint = model.joint_logit(population, posterior, *sides)
    variance = np.einsum("nk,nk->n", joint.factor, joint.factor) + np.square(joint.own)
    return joint, Score(joint.mean, np.sqrt(variance))


def _alone(criterion: Criterion, logit: Score, gain: NDArray[np.float64]) -> NDArray[np.float64]:
    if criterion == "d_optimal":
        return d_optimality(logit)
    return pref_score(logit) if criterion == "pref" else gain


def _together(joint: JointScore, gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each answer says about all; of too many questions, only of the best."""
    some = np.argsort(-gain, kind="stable")[:_TOGETHER]
    best = JointScore(joint.mean[some], joint.factor[some], joint.own[some])
    found = np.zeros_like(gain)
    found[some] = joint_gain(best)
    return found if found.max() > 0.0 else gain


def _familiar(
    questions: Sequence[Question], pool: Sequence[Question], asked: Collection[str]
) -> NDArray[np.float64]:
    """Return by how much more each must promise, since its styles or topic were asked already."""
    known = {question.id: question for question in (*all_questions(), *pool)}
    before = [known[name] for name in asked if name in known]
    styles = {style for question in before for style in question.poles}
    topics = {question.topic for question in before if question.topic is not None}
    factors = []
    for question in questions:
        own = set(question.poles)
        share = len(own & styles) / len(own) if own else 0.0
        topic = _ANOTHER_TOPIC if question.topic in topics else 1.0
        factors.append(_CLEARLY_MORE**share * topic)
    return np.array(factors)
