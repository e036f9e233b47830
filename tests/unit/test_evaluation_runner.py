"""Running methods: figures are right, what is done is kept, what fails is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError, PluginError
from persona_engine.evaluation import Aids, Features, Item, Protocol, evaluate
from persona_engine.evaluation.dataset import ComparisonDataset, Comparisons
from persona_engine.interfaces import RewardModel
from persona_engine.types import AttributePairs, Population, Posterior, Score

USERS, EACH = 20, 12


class Oracle(RewardModel):
    """Believes the first feature of every response as soon as it has seen ``needs`` comparisons."""

    name = "oracle"
    needs = 2

    def __init__(self, log=None):
        self.log = [] if log is None else log

    def fit(self, data, *, rng, progress=None):
        self.log.append(("fit", len(data), len(data.users)))
        return Population(self.name, data.fingerprint, {})

    def infer(self, population, evidence):
        zeros = np.zeros(1, np.float32)
        return Posterior(
            self.name, population.version, population.fingerprint, zeros, zeros[None], len(evidence)
        )

    def update(self, population, posterior, evidence):
        raise AssertionError("not asked for")

    def score(self, population, posteriors, responses, *, context=None):
        raise AssertionError("not asked for")

    def logit(self, population, posterior, a, b, *, context=None):
        sure = float(posterior.count >= self.needs)
        mean = sure * (a[:, 0] - b[:, 0])
        return Score(mean.astype(np.float32), np.zeros(len(a), np.float32))

    def embed(self, population, posterior):
        return posterior.mean


class FirstIsBest(Oracle):
    """Believes that whatever stands first is preferred."""

    def logit(self, population, posterior, a, b, *, context=None):
        return Score(np.ones(len(a), np.float32), np.zeros(len(a), np.float32))


class Broken(Oracle):
    """Gives no number."""

    def logit(self, population, posterior, a, b, *, context=None):
        return Score(np.full(len(a), np.nan, np.float32), np.zeros(len(a), np.float32))


@pytest.fixture
def dataset():
    user = np.repeat(np.arange(USERS), EACH)
    good, bad = np.arange(len(user)) * 2, np.arange(len(user)) * 2 + 1
    ones = np.ones(len(user))
    rows = Comparisons(user, good, bad, ones, ones, user % 2, np.full(len(user), np.inf))
    items = tuple(Item(str(n), str(n)) for n in range(2 * len(user)))
    return ComparisonDataset(
        "planted", "digest", items, tuple(map(str, range(USERS))), ("a", "b"), rows=rows
    )


@pytest.fixture
def features(dataset):
    values = np.tile([[3.0], [0.0]], (len(dataset.items) // 2, 1)).astype(np.float32)
    return Features(dataset.items, values, None, "planted/v1")


THREE = Protocol(shots=(0, 2, 8))


def run(dataset, features, folder, protocol=THREE, **methods):
    return evaluate(dataset, features, methods, protocol, folder=folder)


def test_figures(dataset, features, tmp_path):
    outcome = run(dataset, features, tmp_path, oracle=Oracle)
    unsure, sure, _ = outcome.rows
    assert [row["shots"] for row in outcome.rows] == [0, 2, 8]
    assert (unsure["accuracy"], unsure["accuracy_se"], unsure["ece"]) == (0.5, 0.0, 0.0)
    assert unsure["nll"] == pytest.approx(np.log(2))
    assert (sure["accuracy"], sure["worst_decile"], sure["worst_group"]) == (1.0, 1.0, None)
    assert sure["nll"] == pytest.approx(np.log1p(np.exp(-3)), rel=1e-4)
    assert sure["ece"] == pytest.approx(1 / (1 + np.exp(3)), rel=1e-4)
    assert (sure["users"], sure["queries"], sure["seeds"]) == (6, 6 * 4, 3)
    assert sure["adapt_ms"] > 0
    assert {row["status"] for row in outcome.rows} == {"ok"}


def test_what_stands_first_tells_nothing(dataset, features, tmp_path):
    rows = run(dataset, features, tmp_path, first=FirstIsBest).rows
    assert [row["accuracy"] for row in rows] == [0.5, 0.5, 0.5]


def test_groups(dataset, features, tmp_path):
    protocol = Protocol("leave-group-out", seeds=1)
    log = []
    outcome = run(dataset, features, tmp_path, protocol, oracle=lambda: Oracle(log))
    everything, experienced = outcome.rows
    assert log == [("fit", 120, 10)] * 2
    assert (everything["subset"], everything["queries"]) == ("all", 240)
    assert everything["accuracy"] == 0.5  # each person has comparisons of one group only
    assert experienced["status"] == "no data"


def test_what_is_done_is_not_done_again(dataset, features, tmp_path):
    log = []
    first = run(dataset, features, tmp_path, oracle=lambda: Oracle(log))
    again = run(dataset, features, tmp_path, oracle=lambda: Oracle(log))
    assert len(log) == 3
    assert again.rows == first.rows
    run(dataset, features, tmp_path, Protocol(shots=(0, 2, 8), seeds=5), oracle=lambda: Oracle(log))
    assert len(log) == 5
    run(dataset, features, tmp_path, Protocol(shots=(0, 4), seeds=1), oracle=lambda: Oracle(log))
    assert len(log) == 6


def test_a_damaged_cell_is_done_again(dataset, features, tmp_path):
    log = []
    first = run(dataset, features, tmp_path, oracle=lambda: Oracle(log))
    for cell in tmp_path.iterdir():
        cell.write_text(cell.read_text()[:-40])
    assert (
        run(dataset, features, tmp_path, oracle=lambda: Oracle(log)).rows[0]["accuracy"]
        == (first.rows[0]["accuracy"])
    )
    assert len(log) == 6


def test_an_interruption_keeps_what_is_done(dataset, features, tmp_path):
    log = []

    class Stopped(Oracle):
        def fit(self, data, *, rng, progress=None):
            if self.log is log and len(log) == 2:
                raise KeyboardInterrupt
            return super().fit(data, rng=rng)

    with pytest.raises(KeyboardInterrupt):
        run(dataset, features, tmp_path, oracle=lambda: Stopped(log))
    rest = []
    run(dataset, features, tmp_path, oracle=lambda: Stopped(rest))
    assert (len(log), len(rest)) == (2, 1)


def test_a_method_that_fails_is_told_and_the_others_go_on(dataset, features, tmp_path):
    def unavailable():
        raise PluginError("no such thing", remedy="install it")

    outcome = run(
        dataset, features, tmp_path, broken=Broken, unavailable=unavailable, oracle=Oracle
    )
    assert [row["status"] for row in outcome.rows] == ["failed"] * 6 + ["ok"] * 3
    assert outcome.rows[0]["accuracy"] is None
    assert "not finite" in outcome.failures["broken"]
    assert outcome.failures["unavailable"] == "no such thing. To mend it: install it"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"fewest": 0}, "fewest is 0"),
        ({"folds": 0}, "folds is 0"),
        ({"shots": ()}, "shots is"),
        ({"shots": (-1, 2)}, "shots is"),
        ({"name": "leave-group-out", "disjoint": "items"}, "disjoint is 'items'"),
    ],
)
def test_a_protocol_that_cannot_be(settings, says):
    with pytest.raises(InvalidInputError, match=says):
        Protocol(**settings)


def test_data_on_which_nobody_can_be_judged(dataset, features, tmp_path):
    with pytest.raises(InvalidInputError, match=r"nobody can be judged .* at most 12 comparisons"):
        run(dataset, features, tmp_path, Protocol(fewest=13), oracle=Oracle)
    with pytest.raises(InvalidInputError, match="nobody can be judged"):
        run(dataset, features, tmp_path, Protocol(shots=(12,)), oracle=Oracle)


def test_shots_that_nobody_has_are_told(dataset, features, tmp_path):
    rows = run(dataset, features, tmp_path, Protocol(shots=(2, 40)), oracle=Oracle).rows
    assert [row["status"] for row in rows] == ["ok", "no data"]
    assert rows[1]["accuracy"] is None


class Needy(Oracle):
    """Wants everything there is."""

    reads = frozenset({"prompt", "texts", "attributes"})

    def __init__(self, ask=None):
        super().__init__()
        self.ask = ask

    def asking(self, log_likelihood):
        return Needy(log_likelihood)

    def fit(self, data, *, rng, progress=None):
        assert [each.name for each in data.attributes] == ["length"]
        assert data.texts[0].chosen == str(2 * int(data.texts[0].rejected) // 2 - 1)
        assert self.ask([], ["x"]).tolist() == [-1.0]
        return super().fit(data, rng=rng)

    def logit(self, population, posterior, a, b, *, context=None):
        assert context.log_likelihood is not None
        turned = [int(pair.chosen) % 2 == 1 for pair in context.texts]
        assert turned == (a[:, 0] < b[:, 0]).tolist()
        return super().logit(population, posterior, a, b)


def test_a_method_is_given_what_it_reads(dataset, features, tmp_path):
    pairs = (AttributePairs("length", np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)),)
    aids = Aids(lambda: pairs, lambda prompts, texts: np.full(len(texts), -1.0, np.float32))
    outcome = evaluate(
        dataset, features, {"needy": Needy, "oracle": Oracle}, THREE, folder=tmp_path, aids=aids
    )
    assert outcome.failures == {}
    needy, plain = (
        [row["accuracy"] for row in outcome.rows if row["method"] == name]
        for name in ("needy", "oracle")
    )
    assert needy == plain


@pytest.mark.parametrize(
    ("protocol", "learned"),
    [
        (Protocol(shots=(2,), seeds=1), 70),
        (Protocol(shots=(2,), seeds=1, ties="half"), 168),
        (Protocol("leave-group-out", seeds=1), 120),
        (Protocol("leave-group-out", seeds=1, ties="drop"), 50),
    ],
)
def test_ties_are_learned_from_or_left_out(dataset, features, tmp_path, protocol, learned):
    target = np.where(np.arange(len(dataset.rows)) % EACH < 7, 0.5, 1.0)
    tied = replace(dataset, rows=replace(dataset.rows, target=target))
    log = []
    rows = run(tied, features, tmp_path, protocol, oracle=lambda: Oracle(log)).rows
    assert log[0][1] == learned
    assert rows[0]["queries"] <= len(dataset.rows) * 5 / EACH
