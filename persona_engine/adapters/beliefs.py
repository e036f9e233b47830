"""What is believed about all users of a tenant, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from persona_engine.errors import ArtefactError, InvalidInputError, NoPopulationError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.learning import Learner
from persona_engine.types import Beliefs, Evidence, FloatArray, Population, Posterior, Scope

MEMORY = 512 * 2**20
"""Bytes that the users' Gaussians may take; of more users some are drawn."""

_TIES = 256  # of the tenant's comparisons, called ties to find where the indifferent stand
_TIES_EACH = 8
_FIRMLY = 20.0  # weight of such a tie
_TOLD_EVERY = 100
_MOST_COMPARED = 2_000  # users who are placed on two populations


def read_beliefs(
    learner: Learner,
    tenant: str,
    *,
    seed: int = 0,
    memory: int = MEMORY,
    progress: Progress = no_progress,
) -> Beliefs:
    """Return what is believed about every user who has compared anything, sorted by name.

    Posteriors are those of the population in use; what is missing or has not seen every comparison
    is built, with what has to be encoded for it.

    Args:
        learner: Whose model and population.
        tenant: Whose users.
        seed: Draws users where all would take more than ``memory``.
        memory: Bytes that the Gaussians may take.
        progress: Told of users.

    Raises:
        NoPopulationError: None is in use.
    """
    population = learner.population(tenant)
    if population is None:
        raise NoPopulationError(
            "no population is published for this reward model and feature space",
            remedy="run `persona fit` or `persona fit --default`",
        )
    nobody = learner.model.infer(population, Evidence.empty(learner.features.width))
    width = len(nobody.mean)
    most = memory // (4 * max(width, 1) * (width + 1))
    users, _ = draw_users(learner, tenant, most, seed)
    read = read_posteriors(learner, tenant, population, users, progress)
    found = [(user, replace(posterior, state={})) for user, posterior in read]
    mean = np.zeros((len(found), width), np.float32)
    covariance = np.zeros((len(found), width, width), np.float32)
    for row, (_, posterior) in enumerate(found):
        mean[row], covariance[row] = posterior.mean, posterior.covariance
    return Beliefs(
        tuple(user for user, _ in found),
        mean,
        covariance,
        np.array([posterior.count for _, posterior in found], np.int64),
        nobody.mean,
        nobody.covariance,
        _indifferent(learner, tenant, population, users, nobody),
    )


def beliefs_on(learner: Learner, tenant: str, version: str, beliefs: Beliefs) -> Beliefs | None:
    """Return what is believed about the same users on another population, or the first 2,000.

    None where the population is of another reward model or feature space.

    Args:
        learner: Whose model.
        tenant: Whose users.
        version: Of the population.
        beliefs: On the population in use.

    Raises:
        NotFoundError: There is no such population any more.
    """
    current = learner.population(tenant)
    if current is not None and current.version == version:
        return beliefs
    rows = learner.store.tenant(tenant)
    population = rows.population(version)
    space = (learner.model.name, learner.features.encoder.fingerprint)
    if (population.reward_model, population.fingerprint) != space:
        return None
    users = beliefs.users[:_MOST_COMPARED]
    events = [learner.store.user(Scope(tenant, user)).comparisons() for user in users]
    found = learner.model.infer_many(population, [learner.evidence(tenant, e) for e in events])
    return Beliefs(
        users,
        np.stack([each.mean for each in found]),
        np.stack([each.covariance for each in found]),
        np.array([each.count for each in found], np.int64),
    )


def draw_users(learner: Learner, tenant: str, most: int, seed: int) -> tuple[tuple[str, ...], int]:
    """Return the tenant's users, sorted, or those whom the seed draws of too many; and how many."""
    users = learner.store.tenant(tenant).users()
    count = len(users)
    if count > most:

        def drawn(user: str) -> bytes:
            return hashlib.sha256(f"{seed}\0{user}".encode()).digest()

        users = tuple(sorted(users, key=drawn)[:most])
    return tuple(sorted(users)), count


def read_posteriors(
    learner: Learner,
    tenant: str,
    population: Population,
    users: Sequence[str],
    progress: Progress,
) -> Iterator[tuple[str, Posterior]]:
    """Yield the posterior of each user who has compared anything; it is built where need be."""
    what = "reading what is believed of users"
    for place, user in enumerate(users):
        if place % _TOLD_EVERY == 0:
            progress(what, place, len(users))
        scope = Scope(tenant, user)
        if learner.store.user(scope).comparison_count():
            yield user, learner.posterior(scope, population)
    progress(what, len(users), len(users))


def _indifferent(
    learner: Learner,
    tenant: str,
    population: Population,
    users: Sequence[str],
    nobody: Posterior,
) -> FloatArray:
    """Return where somebody stands who calls the tenant's comparisons ties, ``(k,)``."""
    events = [
        event
        for user in users[:_TIES]
        for event in islice(learner.store.user(Scope(tenant, user)).comparisons(), _TIES_EACH)
    ][:_TIES]
    if not events:
        return nobody.mean
    evidence = learner.evidence(tenant, events)
    ties = replace(
        evidence,
        weight=np.full(len(events), _FIRMLY, np.float32),
        target=np.full(len(events), 0.5, np.float32),
    )
    try:
        found = learner.model.infer(population, ties).mean
    except (ArtefactError, InvalidInputError):  # a model that cannot hear ties
        return nobody.mean
    return found if np.isfinite(found).all() else nobody.mean
