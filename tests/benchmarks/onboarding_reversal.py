"""A taste that turns: how soon predictions are a fresh learner's, and what a steady user pays.

Unseen people of the published sets answer as they did; the one that turns gave ``BEFORE`` answers
the other way round first. After ten answers of the new taste the accuracy on later questions is
compared with that of somebody of whom only those ten are known. A steady user's answers are all as
they were; the plain posterior of all of them is what watching for changes must not harm. Everything
runs through `persona_engine.learning.OnlinePolicy` as `User.prefer` does: answer by answer.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from onboarding_crowds import Crowd, crowd, population_of, right
from report import Figure, say

from persona_engine.learning import OnlinePolicy
from persona_engine.types import Evidence, Population, Posterior
from persona_hierarchical.reward_model import Hierarchical

BEFORE, AFTER = (8, 16, 22), 10
SETS = ("vtaiwan", "ukp")
_MOST_PEOPLE = 120


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return accuracies of turned, fresh, averaging and steady learners."""
    figures: dict[str, Figure] = {}
    for name in SETS[:1] if quick else SETS:
        people = crowd(folder, name, seed=seed, support=32, quick=quick, fewest=40)
        if people is not None:
            figures.update(_of_set(people, population_of(people, seed, quick=quick)))
    return figures


def _of_set(people: Crowd, population: Population) -> dict[str, Figure]:
    figures = {}
    for before in BEFORE:
        found: dict[str, list[float]] = defaultdict(list)
        for case in people.cases[:_MOST_PEOPLE]:
            told = people.evidence(case.support[: before + AFTER])
            if len(told) == before + AFTER:
                for name, value in _of_person(
                    population, told, people.evidence(case.query), before
                ).items():
                    found[name].append(value)
        mean = {name: float(np.mean(values)) for name, values in found.items()}
        people_in = len(found["fresh"])
        say(f"{people.name}, {before} before, {people_in} people: {mean}")
        begin = f"reversal_{people.name}_{before}"
        figures[f"{begin}_behind_fresh"] = Figure(
            mean["fresh"] - mean["turned"],
            "accuracy",
            0.03,
            f"fresh {mean['fresh']:.3f}, averaging {mean['averaged']:.3f}; {people_in} people",
        )
        figures[f"{begin}_steady_pays"] = Figure(
            mean["plain"] - mean["steady"], "accuracy", 0.01, f"plain {mean['plain']:.3f}"
        )
    return figures


def _of_person(
    population: Population, told: Evidence, asked: Evidence, before: int
) -> dict[str, float]:
    model = Hierarchical()
    old, new = told.take(range(before)), told.take(range(before, len(told)))
    turned = Evidence.joined([replace(old, chosen=old.rejected, rejected=old.chosen), new])
    beliefs = {
        "fresh": model.infer(population, new),
        "averaged": model.infer(population, turned),
        "turned": online(model, population, turned)[-1],
        "plain": model.infer(population, told),
        "steady": online(model, population, told)[-1],
    }
    return {name: right(model, population, each, asked) for name, each in beliefs.items()}


def online(
    model: Hierarchical, population: Population, told: Evidence, policy: OnlinePolicy | None = None
) -> list[Posterior]:
    """Return the posterior after each answer, as `persona_engine.learning.Learner` keeps it."""
    policy = policy or OnlinePolicy()
    posterior = model.infer(population, told.take([0]))
    found = [posterior]
    for count in range(1, len(told)):
        new = told.take([count])
        if policy.refits(model, population, posterior, new):
            posterior = policy.infer(model, population, told.take(range(count + 1)))
        else:
            posterior = model.update(population, posterior, new)
        found.append(posterior)
    return found
