"""The likelihood that reward models share: strengths, ties, noisy labels."""

import numpy as np
import pytest

from persona_bradley_terry import BradleyTerry
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import RewardModel
from persona_engine.modelling import Schedule, pair_loss, residual, sigmoid, train, with_label_noise
from persona_engine.types import Evidence, PreferenceData
from persona_hierarchical import Hierarchical

WIDTH = 6


def comparisons(seed: int, *, users: int = 60, pairs: int = 14) -> PreferenceData:
    """Users who like or dislike the first feature; everybody likes the second a little."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), pairs)
    a, b = rng.normal(size=(2, len(user), WIDTH)).astype(np.float32)
    taste = np.where(user % 2 == 0, 1.5, -1.5)
    logit = taste * (a - b)[:, 0] + 0.5 * (a - b)[:, 1]
    first = (rng.random(len(user)) < sigmoid(logit))[:, None]
    return PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "planted")


def mirrored(evidence: Evidence) -> Evidence:
    """The same people saying the opposite, at half strength each way."""
    return Evidence(
        np.concatenate([evidence.chosen, evidence.rejected]),
        np.concatenate([evidence.rejected, evidence.chosen]),
        np.tile(evidence.weight / 2, 2),
    )


@pytest.fixture(scope="module", params=[BradleyTerry, Hierarchical])
def fitted(request: pytest.FixtureRequest):
    model: RewardModel = request.param()
    return model, model.fit(comparisons(0), rng=np.random.default_rng(0))


def test_residual_is_minus_the_slope_of_the_loss() -> None:
    logits = np.linspace(-30.0, 30.0, 61)
    for target in (0.0, 0.5, 1.0, 1.3):
        wanted = np.full_like(logits, target)
        slope = (pair_loss(logits + 1e-5, wanted) - pair_loss(logits - 1e-5, wanted)) / 2e-5
        np.testing.assert_allclose(residual(logits, wanted), -slope, atol=1e-6)


def test_corrected_loss_is_unbiased_for_the_true_label() -> None:
    logits, noise = np.linspace(-3.0, 3.0, 7), 0.2
    right, wrong = (1 - noise) / (1 - 2 * noise), (0 - noise) / (1 - 2 * noise)
    expected = (1 - noise) * pair_loss(logits, np.full(7, right))
    expected = expected + noise * pair_loss(logits, np.full(7, wrong))
    np.testing.assert_allclose(expected, pair_loss(logits, np.ones(7)), atol=1e-12)


def test_a_tie_is_half_a_preference_each_way(fitted) -> None:
    model, population = fitted
    evidence = comparisons(1).evidence(0)
    ties = Evidence(evidence.chosen, evidence.rejected, target=np.full(len(evidence), 0.5, "f4"))
    posterior = model.infer(population, ties)
    other = model.infer(population, mirrored(evidence))
    np.testing.assert_allclose(posterior.mean, other.mean, atol=1e-4)
    np.testing.assert_allclose(posterior.covariance, other.covariance, atol=1e-4)


def test_ties_bring_rewards_of_one_person_together() -> None:
    model = Hierarchical()
    population = model.fit(comparisons(0), rng=np.random.default_rng(0))
    evidence = comparisons(1).evidence(0)
    tie = Evidence(evidence.chosen, evidence.rejected, target=np.full(len(evidence), 0.5, "f4"))
    said = model.logit(
        population, model.infer(population, evidence), evidence.chosen, evidence.rejected
    ).mean
    tied = model.logit(
        population, model.infer(population, tie), evidence.chosen, evidence.rejected
    ).mean
    assert np.abs(tied).mean() < 0.5 * np.abs(said).mean()


def test_fits_on_ties_and_on_mirrored_halves_agree() -> None:
    data = comparisons(2)
    rng = np.random.default_rng(3)
    target = np.where(rng.random(len(data)) < 0.3, 0.5, 1.0).astype(np.float32)
    tied = PreferenceData(data.chosen, data.rejected, data.user, "planted", target=target)
    tie = target < 1.0
    halves = PreferenceData(
        np.concatenate([data.chosen, data.rejected[tie]]),
        np.concatenate([data.rejected, data.chosen[tie]]),
        np.concatenate([data.user, data.user[tie]]),
        "planted",
        np.concatenate([np.where(tie, 0.5, 1.0), np.full(int(tie.sum()), 0.5)]).astype(np.float32),
    )
    model = BradleyTerry(keep=1.0)
    one = model.fit(tied, rng=np.random.default_rng(0))
    other = model.fit(halves, rng=np.random.default_rng(0))
    np.testing.assert_allclose(one.arrays["weights"], other.arrays["weights"], atol=0.01)


def test_bulk_inference_and_updates_keep_targets() -> None:
    model = Hierarchical()
    population = model.fit(comparisons(0), rng=np.random.default_rng(0))
    data = comparisons(4, users=5)
    target = np.resize([1.0, 0.5, 1.1], len(data)).astype(np.float32)
    tied = PreferenceData(data.chosen, data.rejected, data.user, "planted", target=target)
    people = [tied.evidence(user) for user in range(5)]
    for one, each in zip(model.infer_many(population, people), people, strict=True):
        alone = model.infer(population, each)
        steps = model.infer(population, each.take(range(6)))
        steps = model.update(population, steps, each.take(range(6, len(each))))
        np.testing.assert_allclose(one.mean, alone.mean, atol=1e-4)
        np.testing.assert_allclose(steps.mean, alone.mean, atol=1e-4)


def test_noise_correction_makes_up_for_flipped_labels() -> None:
    data = comparisons(5, users=400, pairs=10)
    flipped = (np.random.default_rng(6).random(len(data)) < 0.2)[:, None]
    noisy = PreferenceData(
        np.where(flipped, data.rejected, data.chosen),
        np.where(flipped, data.chosen, data.rejected),
        data.user,
        "planted",
    )
    model = BradleyTerry()
    clean, plain, corrected = (
        model.fit(each, rng=np.random.default_rng(0)).arrays["weights"][1]
        for each in (data, noisy, with_label_noise(noisy, 0.2))
    )
    assert abs(corrected - clean) < 0.5 * abs(plain - clean)


@pytest.mark.parametrize("noise", [-0.1, 0.34, float("nan")])
def test_impossible_noise_is_refused(noise: float) -> None:
    with pytest.raises(InvalidInputError, match="label noise"):
        with_label_noise(comparisons(0), noise)


@pytest.mark.parametrize("target", [-0.1, 2.1, float("nan")])
def test_impossible_targets_are_refused(target: float) -> None:
    one = np.ones((1, 2), np.float32)
    with pytest.raises(InvalidInputError, match="targets"):
        Evidence(one, one, target=np.float32([target]))


def test_training_keeps_what_does_best_on_held_out_data() -> None:
    trained = train(
        {"x": np.zeros(1, np.float32)},
        lambda at, rows: ((at["x"] - 2.0) ** 2).sum(),
        items=4,
        schedule=Schedule(400, 0.05, batch=2, every=5, patience=3),
        rng=np.random.default_rng(0),
        held_out_loss=lambda at: float((at["x"] - 1.0).square().sum()),
    )
    assert trained.parameters["x"][0] == pytest.approx(1.0, abs=0.2)
    assert 0 < trained.steps < 400


def test_batches_cover_all_items_before_one_comes_again() -> None:
    seen: list[int] = []

    def loss(at, rows):
        seen.extend(rows.tolist())
        return at["x"].sum()

    train(
        {"x": np.zeros(1, np.float32)},
        loss,
        items=7,
        schedule=Schedule(7, 0.1, batch=3),
        rng=np.random.default_rng(0),
    )
    assert sorted(seen) == sorted(list(range(7)) * 3)


def test_training_on_nothing_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="nothing to train on"):
        train(
            {},
            lambda at, rows: None,
            items=0,
            schedule=Schedule(1, 0.1),
            rng=np.random.default_rng(0),
        )
