"""Posteriors of users whose logits are any smooth function of latent variables."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.modelling.gauss_newton import (
    Answers,
    LatentPrior,
    fit_prior,
    fold,
    laplace_posteriors,
    rows_of_users,
)
from persona_engine.modelling.latent_users import few_shot_losses
from persona_engine.modelling.newton import Prior, Votes, posterior_of_one
from persona_engine.modelling.table import table_of
from persona_engine.types import PreferenceData

RNG = np.random.default_rng(0)
STANDARD = LatentPrior(np.zeros(2), np.eye(2))


def linear(rows, weight=None, target=None):
    users, n, _ = rows.shape
    weight = np.ones((users, n)) if weight is None else weight
    target = np.ones((users, n)) if target is None else target
    return Answers(lambda v: ((rows @ v[..., None])[..., 0], rows), weight, target)


def curved(rows):
    """Logits that saturate: tanh of linear ones."""

    def logits_of(v):
        bent = np.tanh((rows @ v[..., None])[..., 0])
        return 3.0 * bent, 3.0 * (1.0 - np.square(bent))[..., None] * rows

    return Answers(logits_of, np.ones(rows.shape[:2]), np.ones(rows.shape[:2]))


def loss(answers, z):
    logits, _ = answers.logits_of(z)
    return np.logaddexp(0.0, -logits).sum(1) + 0.5 * np.square(z).sum(1)


def test_linear_logits_have_the_modes_of_newton():
    rows = RNG.normal(size=(3, 6, 2))
    mean, _ = laplace_posteriors(linear(rows), STANDARD)
    for user, found in enumerate(mean):
        votes = Votes(
            rows[user], np.zeros(6), np.ones(6), np.ones(6), Prior(np.eye(2), np.zeros(2))
        )
        mode, _ = posterior_of_one(votes, np.zeros(2))
        steps = np.linspace(-1.0, 1.0, 5)
        around = [found + np.array([x, y]) for x in steps for y in steps]
        assert min(votes.loss(each) for each in around) == pytest.approx(votes.loss(found))
        assert np.abs(mode - found).max() < 0.5  # that one goes on from the mode to a mean


def test_curved_logits_end_in_a_minimum():
    answers = curved(RNG.normal(size=(20, 5, 2)))
    mean, covariance = laplace_posteriors(answers, STANDARD)
    here = loss(answers, mean)
    for step in 1e-2 * RNG.normal(size=(20, 2)):
        assert (loss(answers, mean + step) >= here - 1e-9).all()
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert (np.linalg.eigvalsh(covariance) <= 1.0 + 1e-9).all()


def test_without_answers_it_is_the_prior():
    mean, covariance = laplace_posteriors(linear(np.zeros((2, 0, 2))), STANDARD)
    assert np.array_equal(mean, np.zeros((2, 2)))
    assert np.allclose(covariance, np.eye(2))


def test_folded_answers_stand_for_themselves():
    rows = RNG.normal(size=(4, 9, 2))
    everything = linear(rows)
    mean, covariance = laplace_posteriors(everything, STANDARD)
    precision, pull = fold(linear(rows[:, :5]), STANDARD, mean)
    late = linear(rows[:, 5:])
    part = Answers(late.logits_of, late.weight, late.target, precision, pull)
    again, spread = laplace_posteriors(part, STANDARD)
    assert np.allclose(again, mean, atol=1e-6)
    assert np.allclose(spread, covariance, atol=1e-6)


def test_the_prior_of_many_users_is_recovered():
    rng = np.random.default_rng(3)
    truth = np.array([0.8, -0.4]) + rng.normal(size=(600, 2)) * [1.0, 0.3]
    rows = rng.normal(size=(600, 30, 2))
    logits = (rows @ truth[..., None])[..., 0]
    sign = np.where(rng.random(logits.shape) < 1.0 / (1.0 + np.exp(-logits)), 1.0, -1.0)
    prior, mean = fit_prior(linear(rows * sign[..., None]), STANDARD, rounds=15)
    assert np.allclose(prior.mean, [0.8, -0.4], atol=0.15)
    assert np.allclose(prior.factor @ prior.factor.T, np.diag([1.0, 0.09]), atol=0.3)
    assert mean.shape == (600, 2)


def test_answers_help_to_predict_later_ones():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(200, 2)) * 3.0
    rows = rng.normal(size=(200, 40, 2))
    rows *= np.sign((rows @ z[..., None])[..., 0])[..., None]

    def answers(begin, end):
        return linear(rows[:, begin:end])

    wide, narrow = (few_shot_losses(answers, STANDARD.widened(w)).mean() for w in (3.0, 1e-3))
    assert narrow == pytest.approx(np.log(2.0), abs=1e-2)
    assert wide < 0.5


def test_padding_and_tables():
    rows, present = rows_of_users(np.array([5, 2, 5]), most=9)
    assert rows[1].tolist() == [0, 2]
    assert present.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    items = RNG.normal(size=(4, 3)).astype(np.float32)
    data = PreferenceData(items[[0, 1, 2]], items[[1, 3, 0]], np.array([3, 9, 9]), "x")
    table, inputs = table_of(data, keep=1.0, prompts=True)
    assert len(table.responses) == 4
    assert table.users == 2
    assert table.prompt is None
    moved = (items[[0, 1, 2]] - inputs.centre) @ inputs.axes
    assert np.allclose(table.responses[table.chosen], moved, atol=1e-5)
    most, apart = table.split(0.5, np.random.default_rng(0))
    assert len(most.user) + len(apart.user) == 3
    assert most.users == apart.users == 1
