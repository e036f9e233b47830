"""A reliable change of taste gives up what was said before; a steady person loses nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from persona_engine.learning import Changes, OnlinePolicy
from persona_engine.modelling import LinearLatentModel
from persona_engine.modelling.histories import log_likelihoods_since
from persona_engine.types import Evidence, Population

WIDTH, RANK = 12, 3


class Known(LinearLatentModel):
    """A linear model whose population is given."""

    name = "known"

    def fit(self, data, *, rng, progress=None):
        raise AssertionError("the population is given")


MODEL = Known()


@pytest.fixture(scope="module")
def population():
    basis = 1.5 * np.random.default_rng(3).normal(size=(WIDTH, RANK)).astype(np.float32)
    return Population(
        "known",
        "planted",
        {
            "projection": np.column_stack([np.zeros(WIDTH, np.float32), basis]),
            "shared_factor": np.zeros((WIDTH, 1), np.float32),
            "centre": np.zeros(WIDTH, np.float32),
            "embedding": np.eye(1 + RANK, dtype=np.float32),
        },
    )


def answers(population, taste, count, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, count, WIDTH)).astype(np.float32)
    logit = (a - b) @ population.arrays["projection"][:, 1:] @ taste
    first = (rng.random(count) < 1 / (1 + np.exp(-logit)))[:, None]
    return Evidence(np.where(first, a, b), np.where(first, b, a))


def opposite(evidence):
    return replace(evidence, chosen=evidence.rejected, rejected=evidence.chosen)


@pytest.fixture(scope="module")
def told(population):
    """Return what somebody of a clear taste said: twenty answers, then ten."""
    taste = np.array([1.0, -1.0, 1.0])
    return answers(population, taste, 20, 1), answers(population, taste, 10, 2)


def test_a_steady_person_keeps_everything(population, told) -> None:
    valid = Changes().validity(MODEL, population, Evidence.joined(told))
    assert valid.shape == (30,)
    assert valid[0] > 0.9
    assert (np.diff(valid) >= 0).all()
    assert valid[-1] == 1.0


def test_what_was_said_before_a_reversal_is_given_up(population, told) -> None:
    before, after = told[0], opposite(told[1])
    turned = Evidence.joined([before, after])
    weighed = Changes().reweighed(MODEL, population, turned)
    assert not weighed.weight[:18].any()
    assert (weighed.weight[22:] > 0.5).all()
    fresh = MODEL.infer(population, after)
    ours = OnlinePolicy().infer(MODEL, population, turned)
    averaged = MODEL.infer(population, turned)
    assert ours.count == 30
    assert np.linalg.norm(ours.mean - fresh.mean) < 0.5 * np.linalg.norm(averaged.mean - fresh.mean)
    assert np.trace(ours.covariance) > 1.5 * np.trace(averaged.covariance)


def test_the_latest_of_several_changes_counts(population, told) -> None:
    first, last = told
    thrice = Evidence.joined([first, opposite(first), last])
    weighed = Changes().reweighed(MODEL, population, thrice)
    assert not weighed.weight[:38].any()
    assert (weighed.weight[-8:] > 0.5).all()


def test_few_answers_and_a_hazard_of_zero_change_nothing(population, told) -> None:
    turned = Evidence.joined([told[0], opposite(told[1])])
    assert Changes(0.0).reweighed(MODEL, population, turned) is turned
    few = turned.take(range(16, 24))
    assert Changes().reweighed(MODEL, population, few) is few


def test_long_histories_are_thinned_but_the_change_is_found(population) -> None:
    taste = np.array([1.0, -1.0, 1.0])
    old, new = answers(population, taste, 400, 5), answers(population, -taste, 40, 6)
    valid = Changes().validity(MODEL, population, Evidence.joined([old, new]))
    assert valid.shape == (440,)
    assert valid[395] < 0.01
    assert (valid[420:] > 0.75).all()


def test_a_model_that_cannot_compare_histories_keeps_everything(population, told) -> None:
    class Plain(Known):
        log_likelihoods_since = None  # type: ignore[assignment]

    turned = Evidence.joined([told[0], opposite(told[1])])
    assert not Changes().watches(Plain())
    assert Changes().reweighed(Plain(), population, turned) is turned


def test_who_a_stranger_knows_better_than_we_do_surprises(population, told) -> None:
    known = MODEL.infer(population, told[0].take(range(16)))
    stranger = MODEL.infer(population, Evidence.empty(told[0].width))
    policy = OnlinePolicy(refit_every=1_000)
    for count, answers_ in product((1, 2, 4), (told[1], opposite(told[1]))):
        for target in (0.5, 1.0, 1.1):  # ties, plain answers, and such as are known to be noisy
            new = replace(answers_.take(range(count)), target=np.full(count, target, np.float32))
            ours, theirs = (log_likelihood(population, each, new) for each in (known, stranger))
            expected = theirs - ours > policy.startling
            assert policy.refits(MODEL, population, known, new) == expected


def log_likelihood(population, posterior, new: Evidence) -> float:
    score = MODEL.logit(population, posterior, new.chosen, new.rejected)
    logit = score.mean / np.sqrt(1.0 + np.pi / 8.0 * score.std**2)
    return float(new.weight @ (new.target * logit - np.log1p(np.exp(logit))))


def test_all_answers_are_looked_at_on_schedule_or_when_one_surprises(population, told) -> None:
    policy = OnlinePolicy(refit_every=15)
    expected, one = told[1].take([0]), told[1].take(range(5))
    at_ten = MODEL.infer(population, told[0].take(range(10)))
    assert not policy.refits(MODEL, population, at_ten, expected)
    assert policy.refits(MODEL, population, at_ten, one)  # the fifteenth is among them
    at_sixteen = MODEL.infer(population, told[0].take(range(16)))
    assert policy.refits(MODEL, population, at_sixteen, opposite(told[1].take(range(4))))
    off = OnlinePolicy(refit_every=15, changes=Changes(0.0))
    assert not off.refits(MODEL, population, at_sixteen, opposite(told[1].take(range(4))))


def test_one_pass_gives_what_each_start_would(population, told) -> None:
    projected = (told[0].chosen - told[0].rejected) @ population.arrays["projection"]
    latent = projected[:, 1:].astype(np.float64)
    gram = latent @ latent.T
    starts = np.array([0, 7, 19])
    together = log_likelihoods_since(gram, projected[:, 0], told[0], starts)
    for row, start in enumerate(starts):
        rest = told[0].take(range(start, 20))
        alone = log_likelihoods_since(
            gram[start:, start:], projected[start:, 0], rest, np.array([0])
        )
        np.testing.assert_allclose(together[row, start:], alone[0], atol=1e-5)
        assert not together[row, :start].any()


def test_predictions_follow_those_of_the_batch(population, told) -> None:
    evidence = told[0]
    found = MODEL.log_likelihoods_since(population, evidence, np.array([0]))[0]
    batch = []
    for row in range(len(evidence)):
        known = MODEL.infer(population, evidence.take(range(row)))
        asked = evidence.take([row])
        score = MODEL.logit(population, known, asked.chosen, asked.rejected)
        batch.append(float(np.log(score.probability()[0])))
    assert abs(found.sum() - sum(batch)) < 1.0
    assert np.corrcoef(found, batch)[0, 1] > 0.8
