"""Bulk inference: everybody's posterior is what `infer` says of them alone."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.modelling import CrowdPosteriors
from persona_engine.modelling.newton import posteriors_of_many
from persona_engine.modelling.span import covariances, posteriors_in_span
from persona_engine.types import CrowdEvidence, Population
from persona_hierarchical import Hierarchical

ITEMS, WIDTH, RANK = 60, 7, 5


def population(rank=RANK, **arrays):
    rng = np.random.default_rng(1)
    filled = {
        "projection": rng.normal(size=(WIDTH, 1 + rank)),
        "shared_factor": np.zeros((WIDTH, 1)),
        "centre": np.zeros(WIDTH),
        "embedding": np.eye(1 + rank),
        "width": np.ones(1),
    } | arrays
    return Population("hierarchical", "f", {k: np.float32(v) for k, v in filled.items()}, {})


def crowd(counts, seed=0):
    rng = np.random.default_rng(seed)
    total = int(np.sum(counts))
    return CrowdEvidence(
        rng.normal(size=(ITEMS, WIDTH)).astype(np.float32),
        rng.integers(0, ITEMS, total),
        rng.integers(0, ITEMS, total),
        np.array(counts),
        rng.uniform(0.0, 3.0, total).astype(np.float32),
        rng.choice([0.5, 1.0, 1.2], total).astype(np.float32),
    )


@pytest.mark.parametrize("rank", [0, 1, RANK])
def test_each_posterior_is_that_of_the_user_alone(rank):
    people = crowd([0, 1, 8, 3, 600, 17, 8, 40, 0])
    recall = {"recall": [0.5], "key": np.ones((WIDTH, 4))} if rank else {}
    model, learned = Hierarchical(), population(rank, **recall)
    together = model.infer_crowd(learned, people)
    assert isinstance(together, CrowdPosteriors)
    embedded = model.embed_many(learned, together)
    for user, (found, evidence) in enumerate(zip(together, people, strict=True)):
        alone = model.infer(learned, evidence)
        assert found.count == alone.count
        assert set(found.state) == set(alone.state)
        np.testing.assert_allclose(found.mean, alone.mean, atol=2e-4)
        np.testing.assert_allclose(found.covariance, alone.covariance, atol=2e-4)
        np.testing.assert_allclose(embedded[user], model.embed(learned, alone), atol=2e-4)
        for name, values in alone.state.items():
            np.testing.assert_allclose(found.state[name], values, atol=1e-5)
        one_by_one = together[user]
        np.testing.assert_allclose(one_by_one.mean, found.mean)
        np.testing.assert_allclose(one_by_one.covariance, found.covariance, atol=1e-5)
    further = people.of(1)
    np.testing.assert_allclose(
        model.update(learned, together[2], further).mean,
        model.update(learned, model.infer(learned, people.of(2)), further).mean,
        atol=2e-4,
    )


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_the_span_gives_what_the_whole_space_gives(scale):
    rng = np.random.default_rng(2)
    rows = (scale * rng.normal(size=(300, 8, 12))).astype(np.float32)
    offset, weight = scale * rng.normal(size=(2, 300, 8)).astype(np.float32)
    weight, target = np.abs(weight), rng.choice(np.float32([0.0, 0.5, 1.0]), (300, 8))
    mean, curvature = posteriors_in_span(rows, offset, weight, target)
    wanted, spread = posteriors_of_many(
        rows.transpose(1, 2, 0).copy(), offset.T.copy(), weight.T.copy(), target.T.copy()
    )
    np.testing.assert_allclose(mean, wanted, atol=3e-3 * max(1.0, float(np.abs(wanted).max())))
    np.testing.assert_allclose(covariances(rows, curvature), spread, atol=5e-3)


def test_a_crowd_of_nobody_and_wrong_crowds():
    model, learned = Hierarchical(), population()
    assert list(model.infer_crowd(learned, crowd([]))) == []
    for wrong, message in (
        ({"counts": np.array([1])}, "add up to 1, expected 3"),
        ({"chosen": np.array([0, 1, 99])}, "beyond the 60 items"),
        ({"weight": np.float32([1, -1, 1])}, "not negative"),
        ({"target": np.float32([1, 3, 1])}, "from 0 to 2"),
        ({"rejected": np.array([1])}, "expected \\(3,\\)"),
    ):
        right = {"chosen": np.arange(3), "rejected": np.arange(3), "counts": np.array([3])}
        with pytest.raises(InvalidInputError, match=message):
            CrowdEvidence(np.zeros((ITEMS, WIDTH), np.float32), **(right | wrong))
    narrow = CrowdEvidence(np.zeros((1, 3), np.float32), *[np.zeros(0, int)] * 3)
    with pytest.raises(InvalidInputError, match="the population expects"):
        model.infer_crowd(learned, narrow)
