"""The conformance suite of clusterers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.testing.clusterer_subject import (
    NOISE,
    ClustererFactory,
    ClustererSubject,
    agreement,
    repeated,
    taken,
    unknown,
)
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require, require_close
from persona_engine.testing.source_checks import require_light_import, require_teaching_docstring
from persona_engine.types import Beliefs, Clustering

_ROUTED = 0.8  # membership from which an adapter serves a user


def memberships_are_probabilities(subject: ClustererSubject) -> None:
    """Return finite float32 values of shape ``(U, K)`` from 0 to 1, each row adding to 1."""
    found = subject.membership
    shape = (len(subject.planted.beliefs), len(subject.clustering.names))
    remedy = "normalise each row, and return float32"
    require(found.shape == shape, f"the shape is {found.shape}, expected {shape}", remedy=remedy)
    require(found.dtype == np.float32, f"the type is {found.dtype}", remedy=remedy)
    require(
        bool((np.isfinite(found) & (found >= 0.0) & (found <= 1.0 + 1e-6)).all()),
        f"values reach from {found.min()} to {found.max()}",
        remedy=remedy,
    )
    require_close(found.sum(1), np.ones(len(found)), "sums of rows", remedy=remedy)


def nobody_gives_no_rows(subject: ClustererSubject) -> None:
    """Return ``(0, K)`` for no users."""
    nobody = taken(subject.planted.beliefs, np.zeros(0, np.int64))
    found = subject.clusterer.membership(subject.clustering, nobody).shape
    shape = (0, len(subject.clustering.names))
    require(found == shape, f"the shape is {found}, expected {shape}", remedy="allow no rows")


def planted_groups_are_recovered(subject: ClustererSubject) -> None:
    """Find the planted groups: an adjusted Rand index of 0.9 over their users."""
    group = subject.planted.group
    mine = group != NOISE
    found = agreement(group[mine], subject.membership.argmax(1)[mine].astype(np.int64))
    require(
        found >= 0.9,
        f"the adjusted Rand index is {found:.2f} with {len(subject.clustering.names)} groups",
        remedy="divide posteriors by the prior, try several starts, and choose how many groups on "
        "held-out users",
    )


def random_answers_stay_unsure(subject: ClustererSubject) -> None:
    """Leave users who answered at random unsure: at most 2 in 10 with a membership of 0.8."""
    surest = subject.membership.max(1)[subject.planted.group == NOISE]
    share = float((surest >= _ROUTED).mean())
    require(
        share <= 0.2,
        f"{share:.2f} of the users who answered at random are surely of a group",
        remedy="give people of no group a component around `Beliefs.indifferent`, and spread it",
    )


def members_are_sure(subject: ClustererSubject) -> None:
    """Be sure of most users of planted groups: 7 in 10 with a membership of 0.8."""
    surest = subject.membership.max(1)[subject.planted.group != NOISE]
    share = float((surest >= _ROUTED).mean())
    require(
        share >= 0.7,
        f"only {share:.2f} of the groups' users are surely of one",
        remedy="do not spread memberships more than what is not known of users",
    )


def who_is_unknown_gets_the_shares(subject: ClustererSubject) -> None:
    """Give a user of whom nothing is known the groups' shares."""
    shown = unknown(subject.planted.beliefs)
    found = subject.clusterer.membership(subject.clustering, shown)[0]
    likeliest = subject.membership[subject.membership.max(1) >= _ROUTED].argmax(1)
    shares = np.bincount(likeliest, minlength=len(found)) / max(len(likeliest), 1)
    require_close(
        found,
        shares,
        "membership of an unknown user, beside the groups' shares",
        remedy="divide the posterior by the prior: nothing said must change nothing",
        tolerance=0.1,
    )


def evidence_makes_surer(subject: ClustererSubject) -> None:
    """Be surer of members, on the mean, the more they have said."""
    beliefs = taken(subject.planted.beliefs, np.flatnonzero(subject.planted.group != NOISE))
    sure = [
        float(subject.clusterer.membership(subject.clustering, each).max(1).mean())
        for each in (repeated(beliefs, 0.02), repeated(beliefs, 0.1), beliefs)
    ]
    require(
        sure[0] < sure[1] < sure[2],
        f"2%, 10% and all of the evidence give a mean sureness of {sure}",
        remedy="let each user's covariance decide how far membership is spread",
    )


def order_is_irrelevant(subject: ClustererSubject) -> None:
    """Find the same groups, and the same membership of each user, in another order of users."""
    beliefs = subject.planted.beliefs
    order = np.random.default_rng(1).permutation(len(beliefs)).astype(np.int64)
    shuffled = taken(beliefs, order)
    found = subject.clusterer.membership(subject.fit(shuffled), shuffled)
    remedy = "sort users by name before folds and starts are drawn"
    require(
        found.shape == subject.membership.shape,
        f"there are {found.shape[1]} groups, and {subject.membership.shape[1]} in another order",
        remedy=remedy,
    )
    require_close(found, subject.membership[order], "memberships", remedy=remedy, tolerance=1e-3)


def users_are_judged_apart(subject: ClustererSubject) -> None:
    """Give a user the same membership alone and among others."""
    beliefs = subject.planted.beliefs
    for row in (0, len(beliefs) // 2, len(beliefs) - 1):
        alone = taken(beliefs, np.array([row]))
        require_close(
            subject.clusterer.membership(subject.clustering, alone)[0],
            subject.membership[row],
            "membership of a user alone",
            remedy="let membership depend on the clustering and the user's belief alone",
        )


def the_clustering_is_enough(subject: ClustererSubject) -> None:
    """Tell memberships from the clustering's arrays and meta alone, without the prior again."""
    kept = subject.clustering
    read = Clustering(
        kept.clusterer,
        kept.population,
        kept.names,
        {name: np.array(value) for name, value in kept.arrays.items()},
        json.loads(json.dumps(dict(kept.meta))),
    )
    known = subject.planted.beliefs
    bare = Beliefs(known.users, known.mean, known.covariance, known.count)
    require_close(
        subject.factory().membership(read, bare),
        subject.membership,
        "memberships by another instance",
        remedy="keep what membership needs, the prior too, in `Clustering.arrays`",
    )


def groups_are_numbered_by_size(subject: ClustererSubject) -> None:
    """Name groups ``group-1``, ``group-2`` …, largest first, and say population and clusterer."""
    found = subject.clustering
    expected = tuple(f"group-{place + 1}" for place in range(len(found.names)))
    remedy = "order groups by share before you return them"
    require(found.names == expected, f"the names are {found.names}", remedy=remedy)
    said = (found.clusterer, found.population)
    require(
        said == (subject.clusterer.name, "planted"),
        f"clusterer and population are {said}",
        remedy="give `Clustering` the plugin's name and the population that was given",
    )
    sizes = np.bincount(subject.membership.argmax(1), minlength=len(found.names))
    sure = [
        int(((subject.membership.argmax(1) == place) & (subject.membership.max(1) > 0.9)).sum())
        for place in range(len(found.names))
    ]
    require(sure == sorted(sure, reverse=True), f"the sizes are {sizes.tolist()}", remedy=remedy)


def fitting_is_deterministic(subject: ClustererSubject) -> None:
    """Give the same clustering for equal seeds, also in another instance."""
    again = subject.fit(clusterer=subject.factory())
    require(
        again.version == subject.clustering.version,
        f"versions are {again.version} and {subject.clustering.version}",
        remedy="draw from `rng` alone",
    )


def arguments_stay_unchanged(subject: ClustererSubject) -> None:
    """Change neither beliefs nor clustering."""
    beliefs = subject.planted.beliefs
    names = ("mean", "covariance", "count", "prior_mean", "prior_covariance", "indifferent")
    before = {name: getattr(beliefs, name).copy() for name in names}
    state = {name: np.array(value) for name, value in subject.clustering.arrays.items()}
    subject.fit()
    subject.clusterer.membership(subject.clustering, beliefs)
    same = [np.array_equal(getattr(beliefs, name), before[name]) for name in names]
    same += [np.array_equal(subject.clustering.arrays[name], state[name]) for name in state]
    require(all(same), "an array changed", remedy="copy an array before you change it")


def too_few_are_refused(subject: ClustererSubject) -> None:
    """Raise `InvalidInputError` for no users, and for two with one comparison each."""
    two = taken(subject.planted.beliefs, np.arange(2))
    few = Beliefs(two.users, two.mean, two.covariance, np.ones(2, np.int64))
    for beliefs in (taken(few, np.zeros(0, np.int64)), few):
        try:
            subject.fit(beliefs)
        except InvalidInputError:
            continue
        require(False, f"{len(beliefs)} users were clustered", remedy="ask for a minimum of both")


def import_is_light(subject: ClustererSubject) -> None:
    """Import nothing heavy with the module: neither torch nor FAISS."""
    require_light_import(type(subject.clusterer))


def docstring_teaches(subject: ClustererSubject) -> None:
    """Have a docstring with a formula and a reference."""
    require_teaching_docstring(type(subject.clusterer))


CLUSTERER_CHECKS: Mapping[str, Check[ClustererSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            memberships_are_probabilities,
            nobody_gives_no_rows,
            planted_groups_are_recovered,
            random_answers_stay_unsure,
            members_are_sure,
            who_is_unknown_gets_the_shares,
            evidence_makes_surer,
            order_is_irrelevant,
            users_are_judged_apart,
            the_clustering_is_enough,
            groups_are_numbered_by_size,
            fitting_is_deterministic,
            arguments_stay_unchanged,
            too_few_are_refused,
            import_is_light,
            docstring_teaches,
        )
    }
)


def clusterer_checks(
    factory: ClustererFactory, *, checks: Iterable[str] | None = None
) -> tuple[BoundCheck[ClustererSubject], ...]:
    """Return the checks of a clusterer, each to be called; they share fits to planted users.

    Args:
        factory: Makes an instance; called without arguments.
        checks: Names of `CLUSTERER_CHECKS`; all of them if omitted.
    """
    return bind(CLUSTERER_CHECKS, ClustererSubject(factory), name_of(factory), checks)


def check_clusterer(factory: ClustererFactory, *, checks: Iterable[str] | None = None) -> None:
    """Run the checks of a clusterer, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in clusterer_checks(factory, checks=checks):
        check()
