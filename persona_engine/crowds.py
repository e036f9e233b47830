"""Everybody's posterior at once, from the events, page by page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np

from persona_engine.errors import NoPopulationError
from persona_engine.features import Text
from persona_engine.interfaces import Progress
from persona_engine.learning import Learner
from persona_engine.learning.change import FEWEST
from persona_engine.types import Comparison, CrowdEvidence, Population, Posterior

_PAGE = 16_000  # comparisons that are held at once

History = tuple[str, list[Comparison]]


@dataclass(frozen=True, slots=True)
class InferReport:
    """What a bulk inference did.

    Args:
        population: What the posteriors stand on.
        users: How many users have comparisons.
        inferred: Whose posterior was missing or had not seen all of them.
        comparisons: How many those have made.
        seconds: How long it took.
    """

    population: str
    users: int
    inferred: int
    comparisons: int
    seconds: float


def infer_all(learner: Learner, tenant: str, *, progress: Progress) -> InferReport:
    """Build and store every posterior that is missing or late; see `PersonaEngine.infer_all`."""
    population = learner.population(tenant)
    if population is None:
        raise NoPopulationError(
            f"tenant {tenant!r} has no population for this reward model and feature space",
            remedy="run `persona fit`, or `persona fit --default`",
        )
    begun = time.monotonic()
    rows = learner.store.tenant(tenant)
    total = sum(1 for _ in rows.iter_counts())
    users = inferred = comparisons = 0
    progress("inferring", 0, total)
    for page in pages(learner, tenant):
        names = [user for user, _ in page]
        seen = rows.posterior_counts(learner.model.name, population.version, names)
        late = [(user, events) for user, events in page if seen.get(user) != len(events)]
        if late:
            found = infer_page(learner, tenant, population, late)
            rows.save_posteriors(list(zip((user for user, _ in late), found, strict=True)))
        users += len(page)
        inferred += len(late)
        comparisons += sum(len(events) for _, events in late)
        progress("inferring", users, max(total, users))
    seconds = time.monotonic() - begun
    return InferReport(population.version, users, inferred, comparisons, seconds)


def pages(learner: Learner, tenant: str) -> Iterator[list[History]]:
    """Yield some users with all their comparisons, oldest first, as many as are held at once."""
    page: list[History] = []
    held = 0
    everything = learner.store.tenant(tenant).iter_comparisons()
    for user, rows in groupby(everything, key=itemgetter(0)):
        events = [event for _, event in rows]
        page.append((user, events))
        held += len(events)
        if held >= _PAGE:
            yield page
            page, held = [], 0
    if page:
        yield page


def infer_page(
    learner: Learner, tenant: str, population: Population, page: Sequence[History]
) -> list[Posterior]:
    """Return the posterior of each user, as `Learner.posterior` builds it.

    Users of few comparisons, in whom no change of taste is looked for, are inferred together.
    """
    found: dict[str, Posterior] = {}
    plain = [] if learner.model.reads else [each for each in page if len(each[1]) < FEWEST]
    if plain:
        crowd = crowd_of(learner, tenant, plain)
        names = (user for user, _ in plain)
        found.update(zip(names, learner.model.infer_crowd(population, crowd), strict=True))
    for user, events in page:
        if user not in found:
            found[user] = learner.refit(population, learner.evidence(tenant, events))
    return [found[user] for user, _ in page]


def crowd_of(learner: Learner, tenant: str, page: Sequence[History]) -> CrowdEvidence:
    """Return users' comparisons, each distinct response once."""
    items: dict[tuple[str, str], int] = {}
    chosen, rejected = [], []
    for _, events in page:
        for each in events:
            chosen.append(items.setdefault((each.prompt, each.chosen), len(items)))
            rejected.append(items.setdefault((each.prompt, each.rejected), len(items)))
    texts = [Text(response, prompt) for prompt, response in items]
    weight, target = learner.policy.strengths([events for _, events in page])
    return CrowdEvidence(
        learner.features.get(tenant, texts),
        np.array(chosen, np.int64),
        np.array(rejected, np.int64),
        np.array([len(events) for _, events in page], np.int64),
        weight,
        target,
    )
