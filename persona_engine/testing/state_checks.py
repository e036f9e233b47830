"""Checks of a reward model's state: stored, kept apart by user, never changed behind one's back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import PersonaError
from persona_engine.testing.kit import require, require_close
from persona_engine.testing.subjects import SEED, RewardModelSubject
from persona_engine.types import Arrays, FloatArray, Population


def population_survives_storage(subject: RewardModelSubject) -> None:
    """Hold everything that was learned in the population's arrays and JSON."""
    remedy = (
        "put whatever fit learns into arrays (numbers) and meta (JSON), nothing on the instance"
    )
    original = subject.population
    stored = Population(
        original.reward_model,
        original.fingerprint,
        _through_safetensors(original.arrays),
        json.loads(json.dumps(dict(original.meta))),
    )
    require(
        stored.version == original.version, "its version changes when it is stored", remedy=remedy
    )
    fresh = subject.factory()
    posterior = fresh.infer(stored, subject.evidence[0])
    require_close(posterior.mean, subject.posterior.mean, "means inferred from it", remedy=remedy)
    found = fresh.logit(stored, posterior, *subject.probes)
    require_close(
        found.mean, subject.logits(subject.posterior).mean, "logits from it", remedy=remedy
    )


def posterior_survives_storage(subject: RewardModelSubject) -> None:
    """Hold everything that is believed of a user in the posterior's arrays."""
    remedy = "put whatever update needs into the posterior's state, as arrays"
    original = subject.posterior
    belief = _through_safetensors({"mean": original.mean, "covariance": original.covariance})
    stored = replace(
        original,
        mean=belief["mean"],
        covariance=belief["covariance"],
        state=_through_safetensors(original.state),
    )
    for name in ("mean", "covariance"):
        left, right = getattr(stored, name), getattr(original, name)
        require(left.tobytes() == right.tobytes(), f"{name} changes when stored", remedy=remedy)
    fresh = subject.factory()
    updated = fresh.update(subject.population, stored, subject.evidence[1])
    expected = subject.model.update(subject.population, original, subject.evidence[1])
    subject.require_same_logits(stored, original, "logits of the stored one", remedy=remedy)
    subject.require_same_logits(updated, expected, "logits after an update", remedy=remedy)


def users_do_not_leak(subject: RewardModelSubject) -> None:
    """Infer and score each user alike, whoever stands beside."""
    remedy = "keep each user's comparisons apart in infer_many and score; check axes and padding"
    model, population = subject.model, subject.population
    ragged = [each.take(np.arange(n)) for n, each in enumerate(subject.evidence[:8])]
    alone = [model.infer(population, each) for each in ragged]
    together = model.infer_many(population, ragged)
    reversed_order = model.infer_many(population, ragged[::-1])[::-1]
    for n, posterior in enumerate(alone):
        for other in (together[n], reversed_order[n]):
            require_close(
                other.mean, posterior.mean, f"mean of user {n} beside others", remedy=remedy
            )
            what = f"logits of user {n} beside others"
            subject.require_same_logits(other, posterior, what, remedy=remedy)
    require(model.infer_many(population, []) == [], "infer_many of nobody is not []", remedy=remedy)
    a, _ = subject.probes
    crowd = model.score(population, alone, a)
    for n, posterior in enumerate(alone):
        single = model.score(population, [posterior], a)
        require_close(
            crowd.mean[n], single.mean[0], f"rewards of user {n} beside others", remedy=remedy
        )
        require_close(
            crowd.std[n], single.std[0], f"spread of user {n} beside others", remedy=remedy
        )


def threads_do_not_mix_users(subject: RewardModelSubject) -> None:
    """Infer each user alike when threads share the instance."""
    remedy = "keep no working values on the instance: use local variables"
    model, population = subject.model, subject.population
    people = subject.evidence[:8]
    expected = [model.infer(population, each) for each in people]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: model.infer(population, each), people * 4))
    for n, posterior in enumerate(found):
        subject.require_same_logits(
            posterior, expected[n % 8], f"logits of user {n % 8} among threads", remedy=remedy
        )


def arguments_stay_unchanged(subject: RewardModelSubject) -> None:
    """Change no argument of any method."""
    model, population = subject.model, subject.population
    planted = subject.replant()  # what other checks have passed may be changed already
    data, evidence = planted.data, planted.support[0]
    (a, b), posterior = subject.probes, subject.posterior
    rng = np.random.default_rng(0)
    with _unchanged("fit", data):
        model.fit(data, rng=rng)
    with _unchanged("infer", population, evidence):
        model.infer(population, evidence)
    with _unchanged("infer_many", population, *planted.support[1:3]):
        model.infer_many(population, planted.support[1:3])
    with _unchanged("update", population, posterior, planted.support[3]):
        model.update(population, posterior, planted.support[3])
    with _unchanged("score", population, posterior, a):
        model.score(population, [posterior], a)
    with _unchanged("logit", population, posterior, a, b):
        model.logit(population, posterior, a, b)
    with _unchanged("embed", population, posterior):
        model.embed(population, posterior)


def fit_is_deterministic(subject: RewardModelSubject) -> None:
    """Learn the same from equal data and an equal generator, and leave numpy's global one alone."""
    remedy = "draw from the rng that fit is given, and from nothing else"
    with _global_generator_left_alone(remedy):
        again = subject.factory().fit(subject.opposed.data, rng=np.random.default_rng(SEED))
    first = subject.population
    require(
        sorted(again.arrays) == sorted(first.arrays), "two fits have other arrays", remedy=remedy
    )
    for name, value in first.arrays.items():
        require_close(again.arrays[name], value, f"array {name!r} of two fits", remedy=remedy)
    require(sorted(again.meta) == sorted(first.meta), "two fits have other settings", remedy=remedy)


def small_data_is_survived(subject: RewardModelSubject) -> None:
    """Fit on no, one and three comparisons of one user, or refuse by an error of the engine."""
    rows = np.flatnonzero(subject.opposed.data.user == 0)
    for count in (0, 1, 3):
        try:
            population = subject.fit(subject.opposed.data.take(rows[:count]))
        except PersonaError:
            continue
        broken = [
            name
            for name, value in (*population.arrays.items(), *_everything(subject, population))
            if not np.isfinite(value).all()
        ]
        require(
            not broken,
            f"a population of {count} comparisons gives NaN or infinity: {', '.join(broken)}",
            remedy="fall back to the pooled solution, or raise InvalidInputError",
        )


def _everything(
    subject: RewardModelSubject, population: Population
) -> Iterator[tuple[str, FloatArray]]:
    """Yield what a population says, each with what it is called."""
    model, (a, b) = subject.model, subject.probes
    people = model.infer_many(population, [subject.nothing, subject.evidence[0]])
    people.append(model.update(population, people[0], subject.evidence[1]))
    scores = model.score(population, people, a)
    yield from (("rewards", scores.mean), ("their spread", scores.std))
    for who, posterior in zip(("nobody", "somebody", "updated"), people, strict=True):
        logits = model.logit(population, posterior, a, b)
        yield from ((f"logits of {who}", logits.mean), (f"spread of {who}", logits.std))
        yield f"embedding of {who}", model.embed(population, posterior)


@contextmanager
def _global_generator_left_alone(remedy: str) -> Iterator[None]:
    host = np.random.get_state()
    np.random.random(7)  # a generator that was only just seeded would hide another seeding
    expected = np.random.get_state(legacy=False)
    yield
    found = np.random.get_state(legacy=False)
    np.random.set_state(host)
    same = all(
        np.array_equal(found["state"][key], expected["state"][key]) for key in ("key", "pos")
    )
    require(same, "fit moved np.random's global state", remedy=remedy)


def _through_safetensors(arrays: Arrays) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load, save

    return load(save({name: np.ascontiguousarray(value) for name, value in arrays.items()}))


@contextmanager
def _unchanged(method: str, *arguments: object) -> Iterator[None]:
    before = [_contents(each) for each in arguments]
    yield
    for argument, contents in zip(arguments, before, strict=True):
        require(
            _contents(argument) == contents,
            f"{method} changed its argument of type {type(argument).__name__}",
            remedy="copy an array before you write to it",
        )


def _contents(value: object) -> object:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if is_dataclass(value):
        return [_contents(getattr(value, each.name)) for each in fields(value)]
    if hasattr(value, "items"):
        return {name: _contents(each) for name, each in value.items()}
    return repr(value)
