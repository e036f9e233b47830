"""What is told of clusters: size, how sure members are, what they like in the attributes' words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from persona_engine.store import ClusteringRow, ClusterRow
from persona_engine.types import Beliefs, Clustering, FloatArray, Taste

MOST_ASKED = 32
"""Members of a cluster whose tastes are averaged: those who belong to it most."""

TastesOf = Callable[[str], Sequence[Taste]]


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """One cluster.

    Args:
        name: What it is called; lasting across refits.
        size: Users for whom it is the likeliest.
        share: Of all memberships.
        comparisons: That its users made, counted by membership.
        sureness: Mean membership of the users for whom it is the likeliest; None without any.
        unsure: Share of these whose membership is below what routes them to its adapter.
        tastes: Its mean taste in each attribute, strongest first; the spread holds what its members
            differ in and what is not known of them.
        new: Whether it continues no cluster of the clustering before.
    """

    name: str
    size: int
    share: float
    comparisons: int
    sureness: float | None
    unsure: float | None
    tastes: tuple[Taste, ...]
    new: bool = True

    @classmethod
    def stored(cls, row: ClusterRow) -> Self:
        """Read what `told` wrote."""
        fields = dict(row.meta)
        tastes = tuple(Taste(**each) for each in fields.pop("tastes"))
        return cls(name=row.name, size=row.size, tastes=tastes, **fields)

    def told(self) -> dict[str, Any]:
        """Return it as JSON for its row, without name and size."""
        fields = asdict(self)
        return {key: value for key, value in fields.items() if key not in ("name", "size")}


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What a clusterer found.

    Args:
        version: Of the clustering.
        clusterer: Plugin that fitted it.
        population: Version of the population in whose latent space it stands.
        users: Users that it learned from.
        comparisons: Comparisons that these made.
        clusters: In the order of memberships' columns.
        published: Whether it is in use.
        stale: Whether somebody that it learned from was forgotten, so that it wants a refit.
        details: What the clusterer tells, such as likelihoods of held-out users.
    """

    version: str
    clusterer: str
    population: str
    users: int
    comparisons: int
    clusters: tuple[ClusterSummary, ...]
    published: bool
    stale: bool
    details: Mapping[str, Any]

    @classmethod
    def stored(cls, row: ClusteringRow) -> Self:
        """Return the report of a clustering that is stored."""
        clusters = tuple(ClusterSummary.stored(each) for each in row.clusters)
        return cls(
            version=row.version,
            clusterer=row.clusterer,
            population=row.population,
            users=row.trained_users,
            comparisons=sum(each.comparisons for each in clusters),
            clusters=clusters,
            published=row.published,
            stale=row.stale,
            details=dict(row.meta),
        )


def summaries(
    clustering: Clustering,
    beliefs: Beliefs,
    membership: FloatArray,
    tastes: Sequence[Sequence[Taste]],
    *,
    kept: Sequence[bool],
    confidence: float,
) -> tuple[ClusterSummary, ...]:
    """Return what is told of each cluster.

    Args:
        clustering: The clusters.
        beliefs: About the users.
        membership: ``(U, K)``.
        tastes: Of each cluster.
        kept: Whether each continues an earlier one.
        confidence: Membership from which a user is routed to a cluster's adapter.
    """
    likeliest, surest = membership.argmax(1), membership.max(1)
    found = []
    for place, name in enumerate(clustering.names):
        own = surest[likeliest == place]
        found.append(
            ClusterSummary(
                name=name,
                size=len(own),
                share=float(membership[:, place].mean()),
                comparisons=round(float(beliefs.count @ membership[:, place])),
                sureness=float(own.mean()) if len(own) else None,
                unsure=float((own < confidence).mean()) if len(own) else None,
                tastes=tuple(tastes[place]),
                new=not kept[place],
            )
        )
    return tuple(found)


def tastes_of_clusters(
    beliefs: Beliefs, membership: FloatArray, tastes_of: TastesOf
) -> tuple[tuple[Taste, ...], ...]:
    """Return each cluster's tastes: the membership-weighted mean of its members', strongest first.

    The variance is that of a member drawn by membership: what the members' own tastes are unsure
    of, and what they differ in. Of a large cluster those are asked who belong to it most.
    """
    found = []
    for weight in membership.T:
        asked = np.argsort(-weight, kind="stable")[:MOST_ASKED].tolist()
        members = [(tastes_of(beliefs.users[place]), float(weight[place])) for place in asked]
        found.append(_mean([each for each in members if each[0] and each[1] > 0.0]))
    return tuple(found)


def _mean(members: Sequence[tuple[Sequence[Taste], float]]) -> tuple[Taste, ...]:
    if not members:
        return ()
    weight = np.array([each for _, each in members])
    weight /= weight.sum()
    by_style = [{taste.style: taste for taste in told} for told, _ in members]
    styles = [style for style in by_style[0] if all(style in told for told in by_style)]
    found = []
    for style in styles:
        mean = np.array([told[style].mean for told in by_style])
        std = np.array([told[style].std for told in by_style])
        centre = float(weight @ mean)
        spread = float(np.sqrt(weight @ (np.square(std) + np.square(mean - centre))))
        named = by_style[0][style]
        found.append(Taste(style, named.low, named.high, centre, spread))
    return tuple(sorted(found, key=_strength, reverse=True))


def _strength(taste: Taste) -> float:
    """Return the integrated probability's distance from one half, as single users' tastes have."""
    return abs(taste.mean) / float(np.sqrt(1.0 + np.pi / 8.0 * taste.std**2))
