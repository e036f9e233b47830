"""MiCRo routes by the prompt, weighs heads by Hedge, and does without prompts."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.types import Context, Evidence, PreferenceData
from persona_micro import Micro
from persona_micro.routing import Comparisons, few_shot_gain, log_softmax

WIDTH = 5


def compare(seed, *, users, pairs, by_prompt):
    """Users who like or dislike the first feature: by person, or by what the prompt is about."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), pairs)
    a, b = rng.normal(size=(2, len(user), WIDTH)).astype(np.float32)
    kind = rng.integers(2, size=len(user))
    prompt = rng.normal(size=(len(user), 6)).astype(np.float32) * 0.5
    prompt[:, 0] += np.where(kind == 0, 2.0, -2.0)
    side = kind if by_prompt else user % 2
    logit = np.where(side == 0, 3.0, -3.0) * (a - b)[:, 0]
    first = (rng.random(len(user)) < 0.5 + 0.5 * np.tanh(0.5 * logit))[:, None]
    return PreferenceData(
        np.where(first, a, b), np.where(first, b, a), user, "planted", prompt=prompt
    )


def right(model, population, data, shots, *, prompts):
    found = []
    for user in data.users:
        mine = data.evidence(int(user))
        known = model.infer(population, mine.take(np.arange(shots)))
        rest = mine.take(np.arange(shots, len(mine)))
        context = Context(prompt=rest.prompt) if prompts else None
        logit = model.logit(population, known, rest.chosen, rest.rejected, context=context)
        found.append((logit.mean > 0).mean())
    return float(np.mean(found))


@pytest.fixture(scope="module")
def model():
    return Micro(heads=4)


@pytest.fixture(scope="module")
def by_prompt(model):
    data = compare(0, users=48, pairs=12, by_prompt=True)
    return model.fit(data, rng=np.random.default_rng(0))


def test_the_prompt_chooses_the_head(model, by_prompt):
    test = compare(1, users=20, pairs=20, by_prompt=True)
    assert right(model, by_prompt, test, 0, prompts=True) > 0.75
    assert right(model, by_prompt, test, 0, prompts=False) < 0.65


def test_the_user_s_answers_choose_the_head(model):
    data = compare(2, users=48, pairs=12, by_prompt=False)
    test = compare(3, users=20, pairs=20, by_prompt=False)
    population = model.fit(data, rng=np.random.default_rng(0))
    assert population.meta["rate"] > 0
    assert right(model, population, test, 0, prompts=True) < 0.65
    assert right(model, population, test, 6, prompts=True) > 0.75
    assert right(model, population, test, 6, prompts=False) > 0.75


def test_without_prompts_the_router_is_a_prior(model):
    data = compare(4, users=32, pairs=10, by_prompt=False)
    bare = PreferenceData(data.chosen, data.rejected, data.user, "planted")
    population = model.fit(bare, rng=np.random.default_rng(0))
    stranger = model.infer(population, Evidence.empty(WIDTH))
    np.testing.assert_allclose(stranger.mean, population.arrays["prior"], atol=1e-6)
    asked = Context(prompt=data.prompt[:3])
    np.testing.assert_array_equal(
        model.logit(population, stranger, data.chosen[:3], data.rejected[:3], context=asked).mean,
        model.logit(population, stranger, data.chosen[:3], data.rejected[:3]).mean,
    )


def test_the_posterior_is_hedge(model, by_prompt):
    mine = compare(5, users=1, pairs=7, by_prompt=True).evidence(0)
    logits = (mine.chosen - mine.rejected).astype(float) @ by_prompt.arrays["heads"]
    gain = by_prompt.meta["rate"] * -np.logaddexp(0, -logits).sum(0)
    weights = by_prompt.arrays["prior"] * np.exp(gain - gain.max())
    posterior = model.infer(by_prompt, mine)
    np.testing.assert_allclose(posterior.mean, weights / weights.sum(), atol=1e-5)
    step = model.infer(by_prompt, mine.take([0, 1]))
    step = model.update(by_prompt, step, mine.take([2, 3, 4, 5, 6]))
    np.testing.assert_allclose(step.mean, posterior.mean, atol=1e-6)


def test_one_prompt_for_all_rows_or_one_a_row(model, by_prompt):
    data = compare(6, users=2, pairs=5, by_prompt=True)
    people = [model.infer(by_prompt, data.evidence(user)) for user in range(2)]
    one = Context(prompt=data.prompt[0])
    many = Context(prompt=np.repeat(data.prompt[:1], len(data), 0))
    for left, right_ in (
        (
            model.score(by_prompt, people, data.chosen, context=one),
            model.score(by_prompt, people, data.chosen, context=many),
        ),
    ):
        assert left.mean.shape == (2, len(data))
        np.testing.assert_allclose(left.mean, right_.mean, atol=1e-5)
        np.testing.assert_allclose(left.std, right_.std, atol=1e-5)
    with pytest.raises(InvalidInputError, match="expects"):
        model.score(by_prompt, people, data.chosen, context=Context(prompt=np.zeros(3, np.float32)))


def test_few_shot_gain_predicts_each_answer_from_those_before():
    rng = np.random.default_rng(0)
    owner = np.array([0, 0, 0, 1, 1])
    heads = rng.normal(size=(WIDTH, 2)).astype(np.float32)
    rows = rng.normal(size=(5, WIDTH)).astype(np.float32)
    given = Comparisons(
        rows, np.ones(5, np.float32), np.ones(5, np.float32), owner, np.zeros((5, 0), np.float32)
    )
    each = given.log_likelihood(heads)
    router = log_softmax(np.tile([0.3, -0.3], (5, 1)))
    gain = few_shot_gain(given, each, router, np.zeros(5), 1.0)
    # with the Bayesian rate the chain rule makes it the log-evidence of all of a user's answers
    for user in (0, 1):
        joint = router[0] + each[owner == user].sum(0)
        evidence = np.log(np.exp(joint).sum()) / (owner == user).sum()
        assert gain[user] == pytest.approx(evidence, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"heads": 0}, "heads"), ({"balance": -1.0}, "balance"), ({"keep": 2.0}, "keep")],
)
def test_bad_settings_are_named(settings, word):
    with pytest.raises(InvalidInputError, match=word):
        Micro(**settings)
