"""Users on a plane, by what they are believed to like, with the areas of their clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.adapters.beliefs import draw_users, read_posteriors
from persona_engine.adapters.cluster_picture import Doubles, ellipse, leading_plane
from persona_engine.errors import InvalidInputError, NoPopulationError
from persona_engine.interfaces import Clusterer, Progress, no_progress
from persona_engine.learning import Learner
from persona_engine.types import Beliefs, Clustering, FloatArray, Posterior

MOST_PLACED = 1_000
"""Users on a map unless told otherwise; of more some are drawn."""


@dataclass(frozen=True, slots=True)
class PlacedUser:
    """One user on the map.

    Args:
        user: Who.
        x: Place along the direction in which users differ most.
        y: Place along the next one.
        comparisons: That the place rests on.
        cluster: The likeliest one; None where there are no clusters.
        membership: P(the user belongs to it); None likewise.
    """

    user: str
    x: float
    y: float
    comparisons: int
    cluster: str | None = None
    membership: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterArea:
    """The ellipse that holds two standard deviations of a cluster's members on the map.

    Args:
        name: The cluster's.
        x: Of its centre.
        y: Likewise.
        width: Its whole length along ``angle``.
        height: Its whole length across.
        angle: Degrees from the first direction towards the second.
    """

    name: str
    x: float
    y: float
    width: float
    height: float
    angle: float


@dataclass(frozen=True, slots=True)
class UserMap:
    """Users whose preference embeddings are near stand near.

    Args:
        population: Version of the population in whose space they stand.
        users: All of the tenant's users, also those who have compared nothing.
        placed: Those on the map, by name.
        areas: Of the clusters in use.
        shown: Share of the differences between embeddings that the plane shows.
    """

    population: str
    users: int
    placed: tuple[PlacedUser, ...]
    areas: tuple[ClusterArea, ...]
    shown: float


def map_of_users(
    learner: Learner,
    clusterer: Callable[[str], Clusterer],
    tenant: str,
    *,
    most: int = MOST_PLACED,
    seed: int = 0,
    progress: Progress = no_progress,
) -> UserMap:
    """Place a tenant's users by their preference embeddings' two leading principal components.

    Posteriors that are missing, or have not seen every comparison, are built first.

    Args:
        learner: Knows what users prefer.
        clusterer: Makes a clusterer by its plugin's name.
        tenant: Whose users.
        most: Most to place; of more the seed draws some.
        seed: Draws them.
        progress: Told of users.

    Raises:
        NoPopulationError: There is no population to place users in.
        InvalidInputError: ``most`` is below 1.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InvalidInputError(f"most is {most!r}, expected a whole number of at least 1")
    population = learner.population(tenant)
    if population is None:
        raise NoPopulationError(
            "no population is published for this reward model and feature space",
            remedy="run `persona fit` or `persona fit --default`",
        )
    names, users = draw_users(learner, tenant, most, seed)
    found = list(read_posteriors(learner, tenant, population, names, progress))
    if not found:
        return UserMap(population.version, users, (), (), 0.0)
    embedded = learner.model.embed_many(population, [posterior for _, posterior in found])
    plane = leading_plane(embedded)
    clustering = learner.store.tenant(tenant).published_clustering(population.version)
    shown = _shown(embedded, plane)
    if clustering is None:
        return UserMap(population.version, users, _alone(found, plane), (), shown)
    member = clusterer(clustering.clusterer).membership(clustering, _beliefs(found))
    placed = _among(found, plane, clustering, member)
    return UserMap(population.version, users, placed, _areas(clustering, plane, member), shown)


Found = Sequence[tuple[str, Posterior]]


def _beliefs(found: Found) -> Beliefs:
    return Beliefs(
        tuple(user for user, _ in found),
        np.stack([each.mean for _, each in found]),
        np.stack([each.covariance for _, each in found]),
        np.array([each.count for _, each in found], np.int64),
    )


def _alone(found: Found, plane: Doubles) -> tuple[PlacedUser, ...]:
    rows = zip(found, plane.tolist(), strict=True)
    return tuple(PlacedUser(user, x, y, held.count) for (user, held), (x, y) in rows)


def _among(
    found: Found, plane: Doubles, clustering: Clustering, member: FloatArray
) -> tuple[PlacedUser, ...]:
    likeliest = member.argmax(1).tolist()
    rows = zip(found, plane.tolist(), likeliest, member.max(1).tolist(), strict=True)
    return tuple(
        PlacedUser(user, x, y, held.count, clustering.names[place], share)
        for (user, held), (x, y), place, share in rows
    )


def _areas(clustering: Clustering, plane: Doubles, member: FloatArray) -> tuple[ClusterArea, ...]:
    areas = []
    for place, name in enumerate(clustering.names):
        centre, width, height, angle = ellipse(plane, member[:, place])
        areas.append(ClusterArea(name, float(centre[0]), float(centre[1]), width, height, angle))
    return tuple(areas)


def _shown(embedded: FloatArray, plane: Doubles) -> float:
    """Return the share of the embeddings' variance that lies in the plane."""
    total = float(np.square(embedded - embedded.mean(0), dtype=np.float64).sum())
    return float(np.square(plane).sum()) / total if total > 0.0 else 0.0
