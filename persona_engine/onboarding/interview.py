"""A sitting in which a person is asked, question by question."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.onboarding.bank_features import sides
from persona_engine.onboarding.choose import (
    LEAST_GAIN,
    check_least_gain,
    choose,
    confidence,
)
from persona_engine.onboarding.criteria import Criterion, check_criterion
from persona_engine.types import FloatArray, Question

if TYPE_CHECKING:
    from persona_engine.belief import Belief

Ended = Literal["questions", "until", "nothing to learn"]

QUESTIONS = 4
"""How many are asked unless told otherwise."""

PATIENCE = 32
"""How many are asked at most where only a confidence was asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When a sitting ends, and how questions are chosen.

    Args:
        questions: Most questions, or None for no limit but the others.
        until: Share of the pool's answers that the engine must expect to predict rightly, or None.
        criterion: How questions are chosen; see `choose`.
        least_gain: Nats that an answer must be expected to say about the person.

    Raises:
        InvalidInputError: A value is out of range.
    """

    questions: int | None = None
    until: float | None = None
    criterion: Criterion = "bald"
    least_gain: float = LEAST_GAIN

    def __post_init__(self) -> None:
        if self.until is not None:
            number = isinstance(self.until, int | float) and not isinstance(self.until, bool)
            if not number or not math.isfinite(self.until) or not 0.5 < self.until < 1.0:
                raise InvalidInputError(
                    f"until is {self.until!r}, expected a share above 0.5 and below 1",
                    remedy="for example 0.75: right about three answers of four",
                )
        check_criterion(self.criterion)
        check_least_gain(self.least_gain)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What may be asked in a sitting.

    Args:
        questions: The pool.
        features: Features ``(D,)`` of each reply by content key.
        answered: Ids of what the person has answered before.
    """

    questions: Sequence[Question]
    features: Mapping[str, FloatArray]
    answered: frozenset[str] = frozenset()


class Interview(Iterator[Question]):
    """The questions of one sitting, each chosen knowing the answers so far; iterate over it.

    Whatever was given once is not given again, answered or skipped.

    Args:
        belief: Returns what is believed about the person now.
        material: Returns what may be asked; called once, before the first question.
        plan: When it ends, and how questions are chosen.
        rng: Decides between equally good questions.
        skipped: Ids of questions that are not to be asked.
    """

    def __init__(
        self,
        belief: Callable[[], Belief],
        material: Callable[[], Material],
        plan: Plan,
        rng: np.random.Generator,
        *,
        skipped: Sequence[str] = (),
    ) -> None:
        self._skipped = tuple(skipped)
        self._belief = belief
        self._load = material
        self._loaded: Material | None = None
        self._plan = plan
        self._rng = rng
        self._given: list[str] = []
        self._gain: float | None = None
        self._ended: Ended | None = None

    @property
    def gain(self) -> float | None:
        """Nats that the latest question's answer was expected to say about the person."""
        return self._gain

    @property
    def ended(self) -> Ended | None:
        """Why there are no more questions; None while there may be.

        ``questions``: as many were given as asked for. ``until``: the confidence was reached.
        ``nothing to learn``: the pool is used up, or no answer would teach ``least_gain``.
        """
        return self._ended

    @property
    def confidence(self) -> float:
        """Share of the pool's answers that the engine expects to predict rightly by now.

        Raises:
            NoPopulationError: There is no population to judge by.
        """
        return self._confidence(self._belief())

    def __next__(self) -> Question:
        """Return the next question.

        Raises:
            NoPopulationError: There is no population to choose by.
        """
        plan = self._plan
        if self._ended is not None:
            raise StopIteration
        if plan.questions is not None and len(self._given) >= plan.questions:
            return self._end("questions")
        belief = self._belief()
        if plan.until is not None and self._confidence(belief) >= plan.until:
            return self._end("until")
        material = self._material
        chosen = choose(
            *(belief.model, belief.population, belief.posterior),
            material.questions,
            material.features,
            asked=[*sorted(material.answered), *self._skipped, *self._given],
            rng=self._rng,
            criterion=plan.criterion,
            least_gain=plan.least_gain,
        )
        if chosen is None:
            return self._end("nothing to learn")
        self._given.append(chosen.question.id)
        self._gain = chosen.gain
        return chosen.question

    @property
    def _material(self) -> Material:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _confidence(self, belief: Belief) -> float:
        material = self._material
        return confidence(belief.logit(*sides(material.questions, material.features)))

    def _end(self, why: Ended) -> Question:
        self._ended = why
        raise StopIteration
