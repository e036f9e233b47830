"""Who trains an adapter and who judges it: a tenant's users, divided by a seed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import ConflictError, InvalidInputError
from persona_engine.interfaces import Clusterer, Progress, given, no_progress
from persona_engine.learning import Learner
from persona_engine.types import (
    Beliefs,
    Clustering,
    Comparison,
    Context,
    Evidence,
    FloatArray,
    Population,
    Posterior,
    Scope,
)

Flags = NDArray[np.bool_]
_READ_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Division:
    """How users and prompts are divided into those that train and those that judge.

    Args:
        users: Share of each cluster's users that is held out.
        prompts: Share of the prompts that held-out users were asked which is held out: these train
            nothing, whoever else was asked them. By the others it is known where they belong.
        most_users: Most users of a tenant that are read, drawn by the seed.

    Raises:
        InvalidInputError: A share is not between 0 and 1, or ``most_users`` below 2.
    """

    users: float = 0.3
    prompts: float = 0.3
    most_users: int = 2_000

    def __post_init__(self) -> None:
        for name, share in (("users", self.users), ("prompts", self.prompts)):
            if not 0.0 < share < 1.0:
                raise InvalidInputError(
                    f"the held-out share of {name} is {share!r}, expected above 0 and below 1"
                )
        if self.most_users < 2:
            raise InvalidInputError(f"most_users is {self.most_users!r}, expected at least 2")


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One user, as far as adapters are concerned.

    Args:
        name: The user.
        events: Their comparisons that are no ties, ``n`` of them.
        weight: How much each counts, ``(n,)``.
        held_out: Which of them are about held-out prompts, ``(n,)``.
        probability: P(chosen preferred) of each under the user's reward, ``(n,)``.
        posterior: What is believed about them; of a held-out user, without the held-out prompts.
        membership: P(user belongs to cluster), ``(K,)``, by that posterior.
        judges: Whether the user is held out.
    """

    name: str
    events: tuple[Comparison, ...]
    weight: FloatArray
    held_out: Flags
    probability: FloatArray
    posterior: Posterior
    membership: FloatArray
    judges: bool


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The users of a tenant, divided.

    Args:
        tenant: Whose users they are.
        population: What their posteriors stand on.
        clustering: What their memberships are of.
        people: The users, sorted by name.
        held_out: The questions that train nothing, as `question_of` names them.
    """

    tenant: str
    population: Population
    clustering: Clustering
    people: tuple[Member, ...]
    held_out: frozenset[str]

    def column(self, cluster: str) -> int:
        """Return a cluster's place in memberships."""
        return self.clustering.names.index(cluster)

    def training(self, cluster: str, *, least: float) -> list[Member]:
        """Return who trains a cluster's adapter: who belongs to it with at least that chance."""
        column = self.column(cluster)
        return [
            each for each in self.people if not each.judges and each.membership[column] >= least
        ]

    def judging(self, cluster: str, *, least: float) -> list[Member]:
        """Return the held-out users whose likeliest cluster this is, and likely enough."""
        column = self.column(cluster)
        return [
            each
            for each in self.people
            if each.judges
            and each.membership.argmax() == column
            and each.membership[column] >= least
        ]


def question_of(event: Comparison) -> str:
    """Return what is asked: the prompt, or without one the two texts."""
    if event.prompt.strip():
        return event.prompt
    return "\0".join(("", *sorted((event.chosen, event.rejected))))


def read_members(
    learner: Learner,
    tenant: str,
    clusterer: Clusterer,
    clustering: Clustering,
    *,
    division: Division,
    seed: int,
    progress: Progress = no_progress,
) -> Members:
    """Read a tenant's users and divide them; the same seed holds out the same users and prompts.

    Raises:
        ConflictError: The clusters stand on a population that is not in use any more.
    """
    population = learner.population(tenant)
    if population is None or population.version != clustering.population:
        used = "none" if population is None else population.version
        raise ConflictError(
            f"the clusters stand on population {clustering.population}, in use is {used}",
            remedy="find the clusters again (`persona cluster`)",
        )
    users = drawn(learner.store.tenant(tenant).iter_users(), seed, "users")[: division.most_users]
    told = _read(learner, tenant, sorted(users), progress)
    evidence = {name: each for name, (_, each) in told.items()}
    _, whole = _placed(learner, population, clusterer, clustering, evidence)
    judges = _held_out_users(list(told), whole, division.users, seed)
    asked = _held_out_questions(told, judges, division.prompts, seed)
    about = {
        name: np.array([question_of(event) in asked for event in events], bool)
        for name, (events, _) in told.items()
    }
    kept = {
        name: each.take(~about[name]) if name in judges else each for name, each in evidence.items()
    }
    posteriors, membership = _placed(learner, population, clusterer, clustering, kept)
    people = []
    for row, (name, (events, each)) in enumerate(told.items()):
        sides = np.array([not event.tie for event in events], bool)
        people.append(
            Member(
                name,
                tuple(event for event in events if not event.tie),
                each.weight[sides],
                about[name][sides],
                _probability(learner, population, posteriors[row], each)[sides],
                posteriors[row],
                membership[row],
                name in judges,
            )
        )
    return Members(tenant, population, clustering, tuple(people), asked)


def drawn(names: Iterable[str], seed: int, what: str) -> list[str]:
    """Return names in an order that only the seed and each name decide.

    Whoever comes later changes nobody's place before another.

    Examples:
        >>> drawn(["a", "b", "c"], 0, "users") == drawn(["c", "b", "a"], 0, "users")
        True
    """
    return sorted(
        names, key=lambda name: hashlib.sha256(f"{seed}\0{what}\0{name}".encode()).hexdigest()
    )


Told = Mapping[str, tuple[tuple[Comparison, ...], Evidence]]


def _read(learner: Learner, tenant: str, users: Sequence[str], progress: Progress) -> Told:
    """Return comparisons and evidence of who has compared anything, by name."""
    told: dict[str, tuple[tuple[Comparison, ...], Evidence]] = {}
    for number, name in enumerate(users):
        if number % _READ_AT_ONCE == 0:
            progress("reading users", number, len(users))
        events = learner.store.user(Scope(tenant, name)).comparisons()
        if events:
            told[name] = (events, learner.evidence(tenant, events))
    progress("reading users", len(users), len(users))
    return told


def _placed(
    learner: Learner,
    population: Population,
    clusterer: Clusterer,
    clustering: Clustering,
    evidence: Mapping[str, Evidence],
) -> tuple[list[Posterior], FloatArray]:
    """Return users' posteriors, and their memberships ``(U, K)``."""
    if not evidence:
        return [], np.zeros((0, len(clustering.names)), np.float32)
    posteriors = learner.model.infer_many(population, list(evidence.values()))
    beliefs = Beliefs(
        tuple(evidence),
        np.stack([each.mean for each in posteriors]),
        np.stack([each.covariance for each in posteriors]),
        np.array([each.count for each in posteriors], np.int64),
    )
    return posteriors, clusterer.membership(clustering, beliefs)


def _held_out_users(
    names: Sequence[str], membership: FloatArray, share: float, seed: int
) -> frozenset[str]:
    """Hold out the same share of each cluster, by everybody's likeliest one."""
    clusters: dict[int, list[str]] = defaultdict(list)
    for name, row in zip(names, membership, strict=True):
        clusters[int(row.argmax())].append(name)
    return frozenset(
        name
        for own in clusters.values()
        for name in drawn(own, seed, "judges")[: round(share * len(own))]
    )


def _held_out_questions(
    told: Told, judges: frozenset[str], share: float, seed: int
) -> frozenset[str]:
    """Return the questions that are held out.

    They are drawn from what held-out users were asked, alone or with others: what only others were
    asked could judge nothing.
    """
    asked = {question_of(event) for name in told if name in judges for event in told[name][0]}
    order = drawn(asked, seed, "prompts")
    return frozenset(order[: round(share * len(order))])


def _probability(
    learner: Learner, population: Population, posterior: Posterior, evidence: Evidence
) -> FloatArray:
    """Return P(chosen preferred) of each comparison ``(n,)``."""
    model = learner.model
    context = Context(evidence.prompt, evidence.texts) if model.reads else None
    logit = model.logit(population, posterior, evidence.chosen, evidence.rejected, **given(context))
    return logit.probability()
