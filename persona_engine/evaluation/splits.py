"""Who is fitted on, and of whom what is evidence and what is predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from persona_engine.evaluation.dataset import NO_GROUP, Comparisons, Item
from persona_engine.evaluation.votes import MOST_QUERIES
from persona_engine.types import IntArray

Disjoint = Literal["items", "prompts"]

HELD_OUT = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One person's part: rows to infer from and rows to predict.

    Args:
        user: The person.
        support: Rows of their evidence, in order.
        query: Rows to predict, none of them a tie.
    """

    user: int
    support: IntArray
    query: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """All cases at one number of shots.

    Args:
        shots: Comparisons of each person that are evidence; None for all that they gave.
        cases: The people.
    """

    shots: int | None
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What a population is fitted on, and what is predicted then.

    Args:
        fit: Rows of the population's data.
        trials: What is predicted.
    """

    fit: IntArray
    trials: tuple[Trial, ...]


def few_shot_split(
    rows: Comparisons,
    items: Sequence[Item],
    *,
    users: int,
    shots: Sequence[int],
    rng: np.random.Generator,
    disjoint: Disjoint | None = None,
    fewest: int = 1,
) -> Split:
    """Divide by people: 30% are unseen, the population is fitted on the others.

    Of each unseen person the first S comparisons are support, and queries are up to 40 later ones.
    The queries are those after the largest S that leaves any, and stay the same at every smaller S,
    so that a curve shows what evidence adds and not which questions were asked. A person with too
    few comparisons for some S does not count there.

    Args:
        rows: Comparisons, each person's in order.
        items: What they are about.
        users: Number of people, ``U``.
        shots: Values of S.
        rng: Decides who is unseen, and which prompts.
        disjoint: ``items`` for queries about texts that are not in the person's support;
            ``prompts`` keeps 30% of the prompts from the population and from all support, and
            queries are about these only.
        fewest: Unseen people with fewer comparisons are left out.
    """
    unseen = np.zeros(users, bool)
    unseen[rng.permutation(users)[: max(1, round(HELD_OUT * users))]] = True
    texts = np.unique([item.id for item in items], return_inverse=True)[1]
    rules = _Rules(
        rows,
        tuple(sorted(set(shots))),
        texts if disjoint == "items" else None,
        _kept_out_prompts(rows, items, rng) if disjoint == "prompts" else None,
    )
    cases: dict[int, list[Case]] = {each: [] for each in rules.shots}
    for user, own in _people(rows, unseen):
        if len(own) >= fewest:
            support, query = rules.divide(own)
            for each in rules.shots:
                if each <= len(support) and len(query):
                    cases[each].append(Case(user, support[:each], query))
    seen = ~unseen[rows.user]
    fit = np.flatnonzero(seen if rules.kept_out is None else seen & ~rules.kept_out)
    return Split(fit, tuple(Trial(each, tuple(some)) for each, some in cases.items()))


def group_splits(
    rows: Comparisons, *, rng: np.random.Generator, folds: int | None = None
) -> Iterator[tuple[int, Split]]:
    """Leave each group of comparisons out in turn: predict it from everything else.

    The population is fitted on the comparisons of all other groups, and so is each person who
    judged in the left-out one (Simpson and Gurevych 2020, "Scalable Bayesian preference learning
    for crowds", Machine Learning 109).

    Args:
        rows: Comparisons with groups.
        rng: Decides the order of the groups.
        folds: Leave out only so many groups, or None for all.

    Yields:
        The group and its split, whose only trial has no number of shots.
    """
    groups = np.unique(rows.group[rows.group != NO_GROUP])
    for group in rng.permutation(groups)[:folds]:
        inside = rows.group == group
        fit, asked = np.flatnonzero(~inside), np.flatnonzero(inside & ~rows.tied)
        cases = tuple(
            Case(int(user), fit[rows.user[fit] == user], asked[rows.user[asked] == user])
            for user in np.unique(rows.user[asked])
        )
        yield int(group), Split(fit, (Trial(None, cases),))


def _people(rows: Comparisons, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, IntArray]]:
    """Yield each chosen person with their rows, in order."""
    order = np.argsort(rows.user, kind="stable")
    bounds = np.searchsorted(rows.user[order], np.arange(len(chosen) + 1))
    for user in np.flatnonzero(chosen):
        own = order[bounds[user] : bounds[user + 1]]
        if len(own):
            yield int(user), own


@dataclass(frozen=True, slots=True, eq=False)
class _Rules:
    """How one person's comparisons are divided.

    Args:
        rows: Everybody's comparisons.
        shots: Numbers of comparisons that are support, ascending.
        texts: Text of each item, where queries must be about other texts than the support.
        kept_out: Which rows are about prompts that are for queries only, where there are such.
    """

    rows: Comparisons
    shots: tuple[int, ...]
    texts: IntArray | None
    kept_out: NDArray[np.bool_] | None

    def divide(self, own: IntArray) -> tuple[IntArray, IntArray]:
        """Return a person's support for the largest S that leaves queries, and those queries."""
        usable = own if self.kept_out is None else own[~self.kept_out[own]]
        for each in reversed(self.shots):
            if each <= len(usable):
                support = usable[:each]
                later = self._queries(own, support)
                if len(later):
                    return support, later[:MOST_QUERIES]
        return own[:0], own[:0]

    def _queries(self, own: IntArray, support: IntArray) -> IntArray:
        later = own[len(support) :]
        if self.kept_out is not None:
            later = own[self.kept_out[own]]
            if len(support) and self.rows.timed:
                later = later[self.rows.time[later] >= self.rows.time[support[-1]]]
        later = later[~self.rows.tied[later]]
        if self.texts is None:
            return later
        sides = [self.texts[self.rows.chosen], self.texts[self.rows.rejected]]
        used = np.concatenate([side[support] for side in sides])
        return later[~np.logical_or(*(np.isin(side[later], used) for side in sides))]


def _kept_out_prompts(
    rows: Comparisons, items: Sequence[Item], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which rows are about one of the 30% of prompts that the population never sees."""
    names, prompt = np.unique([item.prompt for item in items], return_inverse=True)
    chosen = rng.permutation(len(names))[: max(1, round(HELD_OUT * len(names)))]
    kept: NDArray[np.bool_] = np.isin(prompt[rows.chosen], chosen)
    return kept
