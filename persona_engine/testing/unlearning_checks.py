"""Checks of the optional method that takes one user out of a population, `Unlearns.unlearn`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persona_engine.interfaces import Unlearns
from persona_engine.testing.kit import require
from persona_engine.testing.subjects import RewardModelSubject
from persona_engine.types import Evidence, FloatArray, Population, PreferenceData

_ANSWERS = 60
_LEFT = 0.6  # settings are chosen anew when the population is fitted without the user


def unlearning_takes_the_user_out(subject: RewardModelSubject) -> None:
    """Come near to a population that never saw a user, where the model unlearns at all."""
    model = subject.model
    if not isinstance(model, Unlearns):
        return
    data, odd = _with_odd_user(subject)
    population = subject.fit(data)
    content = _contents(population)
    corrected = model.unlearn(population, data.evidence(odd))
    require(
        corrected is not None,
        "unlearn returns None for a population that it has just fitted",
        remedy="let fit keep in the population what unlearn needs",
    )
    assert corrected is not None
    require(
        _contents(population) == content,
        "unlearn changed its argument",
        remedy="copy an array before you write to it",
    )
    nobody = model.unlearn(population, subject.nothing)
    require(
        nobody is not None
        and _distance(_predictions(subject, nobody), _predictions(subject, population)) < 1e-4,
        "unlearning a user who answered nothing changes predictions",
        remedy="return the population as it is, but for its counts",
    )
    never = _predictions(subject, subject.fit(subject.agreed.data))
    before = _distance(_predictions(subject, population), never)
    after = _distance(_predictions(subject, corrected), never)
    require(
        after < _LEFT * before,
        f"after unlearning an odd user, predictions are {after:.4f} from those of a population "
        f"that never saw them; without it {before:.4f}",
        remedy="step by the inverse curvature of the others' loss times the user's gradient; check "
        "its sign",
    )


def _with_odd_user(subject: RewardModelSubject) -> tuple[PreferenceData, int]:
    """Return `agreed`'s data and a user who wants the opposite of what all others want."""
    data = subject.agreed.data
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, _ANSWERS, data.width)).astype(np.float32)
    wanted = (data.chosen - data.rejected).mean(0)
    first = ((a - b) @ wanted < 0)[:, None]
    odd = int(data.user.max()) + 1
    return (
        replace(
            data,
            chosen=np.concatenate([data.chosen, np.where(first, a, b)]),
            rejected=np.concatenate([data.rejected, np.where(first, b, a)]),
            user=np.concatenate([data.user, np.full(_ANSWERS, odd)]),
            weight=np.ones(len(data) + _ANSWERS, np.float32),
            target=np.ones(len(data) + _ANSWERS, np.float32),
        ),
        odd,
    )


def _predictions(subject: RewardModelSubject, population: Population) -> FloatArray:
    """Return what somebody unknown and some people prefer, ``(people, B)``."""
    model, (a, b) = subject.model, subject.probes
    people: list[Evidence] = [subject.nothing, *subject.agreed.support[:4]]
    posteriors = [model.infer(population, each) for each in people]
    logits = [model.logit(population, each, a, b) for each in posteriors]
    return np.array([each.probability() for each in logits], np.float32)


def _distance(left: FloatArray, right: FloatArray) -> float:
    return float(np.sqrt(np.square(left - right).mean()))


def _contents(population: Population) -> list[tuple[str, bytes]]:
    return [(name, population.arrays[name].tobytes()) for name in sorted(population.arrays)]
