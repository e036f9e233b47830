"""Who is asked in onboarding_active: synthetic people over the bank, and people of a Polis vote.

A world is called with a way to choose and a seed, and returns how well people are predicted.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from report import say

from persona_engine.config import EngineConfig
from persona_engine.evaluation.encoders import features_by_name
from persona_engine.evaluation.features import Features
from persona_engine.evaluation.readers import read_votes
from persona_engine.evaluation.votes import VoteDataset
from persona_engine.interfaces import RewardModel
from persona_engine.onboarding import (
    Criterion,
    DefaultPopulation,
    all_questions,
    choose,
    content_key,
    draw_tastes,
    load_blend_features,
    load_shipped,
    probability_of_a,
    question_bank,
)
from persona_engine.onboarding.bank_features import sides
from persona_engine.onboarding.shipped import shipped_root
from persona_engine.onboarding.synthetic_users import comparisons
from persona_engine.plugins import discover
from persona_engine.types import Evidence, FloatArray, Population, Posterior, Question

ASKED = 4
MOST = 16
RANDOM = "random"
_POOL, _QUERIES = 500, 40  # most pairs of votes that a person may be asked, and is predicted on
_FEWEST = 16  # pairs that a person must have to be asked
_HELD_OUT = 0.3

T = TypeVar("T")
_HELD: dict[str, object] = {}


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody who is asked, and what is predicted of them.

    Args:
        pool: What they may be asked.
        a: Features of the sides a of the pool, ``(Q, D)``.
        b: Features of the sides b.
        says_a: ``(Q,)`` what they answer.
        first: Features of one side of what is predicted, ``(T, D)``.
        second: Features of the other.
        likely: ``(T,)`` P(first is preferred); 0 or 1 where it is known.
    """

    pool: Sequence[Question]
    a: FloatArray
    b: FloatArray
    says_a: NDArray[np.bool_]
    first: FloatArray
    second: FloatArray
    likely: NDArray[np.float64]


@dataclass(frozen=True)
class Bank:
    """Synthetic people whom nothing was fitted to; a quarter of each style's questions is asked of
    nobody and predicted.

    Args:
        people: How many, for each seed.
        blends: Whether questions of several styles may be asked, too.
        unseen: Whether what is predicted was kept from the population as well.
    """

    people: int
    blends: bool = True
    unseen: bool = False

    def __call__(self, way: str, seed: int) -> NDArray[np.float64]:
        """Return the accuracy after each answer, mean over people."""
        default = _shipped()
        place = np.arange(len(question_bank()))
        held_out = (place // 2) % 4 == seed % 4  # eight in a row are of one style
        queries = [question_bank()[each] for each in np.flatnonzero(held_out)]
        hidden = {question.id for question in queries}
        everything = all_questions() if self.blends else question_bank()
        pool = [question for question in everything if question.id not in hidden]
        features = {**default.features, **load_blend_features(default.population.fingerprint)}
        population = default.population
        if self.unseen:
            population = _fitted(default, tuple(np.flatnonzero(~held_out)), seed)
        rng = np.random.default_rng([seed, 7_001])
        tastes = draw_tastes(self.people, rng=rng)
        likely = probability_of_a(tastes, queries)
        says_a = rng.random((self.people, len(pool))) < probability_of_a(tastes, pool)
        (a, b), (first, second) = sides(pool, features), sides(queries, features)
        model = _model()
        return np.mean(
            [
                _follow(
                    *(model, population),
                    Person(pool, a, b, says_a[user], first, second, likely[user]),
                    way,
                    seed=user,
                )
                for user in range(self.people)
            ],
            axis=0,
        )


@dataclass(frozen=True)
class Polis:
    """People of polis_ssis whom nothing was fitted to; their votes are their answers.

    A statement voted for is preferred to one voted against. Each person's statements are divided in
    two halves: pairs of one may be asked, pairs of the other are predicted.

    Args:
        folder: Of the data.
        most: Most people to ask, or None for all.
        disjoint: False where what is predicted may share statements with what is asked.
    """

    folder: Path
    most: int | None = None
    disjoint: bool = True

    def __call__(self, way: str, seed: int) -> NDArray[np.float64]:
        """Return the accuracy after each answer, mean over people."""
        dataset, features = _polis(self.folder)
        population, unseen = _polis_population(self.folder, seed)
        people = []
        for user in unseen[: self.most]:
            found = self._person(dataset, features, int(user), seed)
            people += [] if found is None else [(int(user), found)]
        model = _model()
        return np.mean(
            [_follow(model, population, person, way, seed=user) for user, person in people], axis=0
        )

    def _person(
        self, dataset: VoteDataset, features: Features, user: int, seed: int
    ) -> Person | None:
        rng = np.random.default_rng([seed, user])
        liked, disliked = (
            rng.permutation(each[user]) for each in (dataset.liked, dataset.disliked)
        )
        if self.disjoint:
            halves = (len(liked) + 1) // 2, (len(disliked) + 1) // 2
            pool = _pairs(liked[: halves[0]], disliked[: halves[1]], rng)
            queries = _pairs(liked[halves[0] :], disliked[halves[1] :], rng)[:_QUERIES]
        else:
            both = _pairs(liked, disliked, rng)
            queries, pool = both[:_QUERIES], both[_QUERIES:]
        if len(pool) < _FEWEST or not len(queries):
            return None
        pool = pool[:_POOL]
        says_a = rng.random(len(pool)) < 0.5
        shown = np.where(says_a[:, None], pool, pool[:, ::-1])
        rows = features.responses
        return Person(
            [Question(f"{a}/{b}", "", str(a), str(b)) for a, b in shown.tolist()],
            *(rows[shown[:, 0]], rows[shown[:, 1]], says_a),
            *(rows[queries[:, 0]], rows[queries[:, 1]], np.ones(len(queries))),
        )


def _pairs(
    liked: NDArray[np.int64], disliked: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return all pairs of a liked and a disliked statement, shuffled, ``(n, 2)``."""
    first, second = np.meshgrid(liked, disliked, indexing="ij")
    return rng.permutation(np.stack([first.ravel(), second.ravel()], 1))


def _model() -> RewardModel:
    return _once("model", lambda: discover().create("reward_model", "hierarchical"))


def _shipped() -> DefaultPopulation:
    (manifest,) = shipped_root().glob("hierarchical-*/manifest.json")
    fingerprint = json.loads(manifest.read_text())["fingerprint"]
    found = _once("shipped", lambda: load_shipped("hierarchical", fingerprint))
    assert found is not None
    return found


def _fitted(default: DefaultPopulation, asked: tuple[int, ...], seed: int) -> Population:
    def fit() -> Population:
        say(f"bank: fitting without what is predicted, seed {seed} …")
        rng = np.random.default_rng([seed, 7_002])
        data = comparisons(
            *(draw_tastes(400, rng=rng), default.bank),
            asked=np.array(asked),
            answers=48,
            fingerprint=default.population.fingerprint,
            rng=rng,
        )
        return _model().fit(data, rng=rng)

    return _once(f"fitted/{seed}", fit)


def _polis(folder: Path) -> tuple[VoteDataset, Features]:
    def load() -> tuple[VoteDataset, Features]:
        dataset = read_votes(
            folder / "polis_ssis.votes.jsonl.gz", folder / "polis_ssis.items.jsonl.gz"
        )
        assert isinstance(dataset, VoteDataset)
        with tempfile.TemporaryDirectory() as kept:
            features = features_by_name(
                *("sentence+item", dataset),
                plugins=discover(),
                config=EngineConfig(),
                folder=Path(kept),
            )
        return dataset, features

    return _once("polis", load)


def _polis_population(folder: Path, seed: int) -> tuple[Population, NDArray[np.int64]]:
    """Return the population of one seed, and the people whom it did not see."""
    dataset, features = _polis(folder)
    rng = np.random.default_rng([seed, 1])
    rows = dataset.draw(rng, support=16, disjoint_items=True)
    users = len(dataset.users)
    unseen = np.sort(rng.permutation(users)[: round(_HELD_OUT * users)])

    def fit() -> Population:
        say(f"polis_ssis: fitting, seed {seed} …")
        seen = rows.take(~np.isin(rows.user, unseen))
        return _model().fit(features.preferences(seen), rng=np.random.default_rng(seed))

    return _once(f"polis/{seed}", fit), unseen


def _once(name: str, make: Callable[[], T]) -> T:
    if name not in _HELD:
        _HELD[name] = make()
    return cast(T, _HELD[name])


def _follow(
    model: RewardModel, population: Population, person: Person, way: str, *, seed: int
) -> list[float]:
    """Ask one person, and return the accuracy after 0, 1, … answers."""
    rng = np.random.default_rng(seed)
    place = {question.id: number for number, question in enumerate(person.pool)}
    features = {
        content_key(question.prompt, side): row
        for number, question in enumerate(person.pool)
        for side, row in ((question.a, person.a[number]), (question.b, person.b[number]))
    }
    order: list[int] = []
    accuracy = []
    for _ in range((MOST if way == RANDOM else ASKED) + 1):
        said = person.says_a[order][:, None]
        a, b = person.a[order], person.b[order]
        evidence = Evidence(np.where(said, a, b), np.where(said, b, a))
        posterior = model.infer(population, evidence)
        accuracy.append(_accuracy(model, population, posterior, person))
        if len(order) == len(person.pool):
            continue
        if way == RANDOM:
            order.append(int(rng.choice([p for p in place.values() if p not in set(order)])))
            continue
        asked = [person.pool[each].id for each in order]
        chosen = choose(
            *(model, population, posterior, person.pool, features),
            asked=asked,
            rng=rng,
            criterion=cast(Criterion, way),
            least_gain=0.0,
        )
        if chosen is not None:
            order.append(place[chosen.question.id])
    return accuracy


def _accuracy(
    model: RewardModel, population: Population, posterior: Posterior, person: Person
) -> float:
    logit = model.logit(population, posterior, person.first, person.second).mean
    says = 0.5 + 0.5 * np.sign(logit)  # a tie is half right
    return float((says * person.likely + (1.0 - says) * (1.0 - person.likely)).mean())
