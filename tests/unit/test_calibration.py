"""Probabilities are stretched to what held-out people did; promised errors hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from persona_engine.trust import (
    CALIBRATION,
    Calibration,
    Predictions,
    fit_calibration,
    predicted,
)
from persona_engine.types import Score


def drawn(count, *, stretch, seed, shots=(0, 4, 16)):
    """Return predictions whose log-odds are ``stretch`` times what they should be."""
    rng = np.random.default_rng(seed)
    true = rng.normal(scale=2.0, size=count)
    right = rng.random(count) < 1 / (1 + np.exp(-true))
    return Predictions(
        np.where(right, true, -true) * stretch,
        rng.choice(shots, count).astype(np.int64),
        rng.integers(0, 50, count),
    )


def answered(calibration, test, error):
    """Return promised and observed error of what is answered, and the share that is."""
    wrong = promised = given = 0.0
    for count in np.unique(test.count):
        margin = test.margin[test.count == count]
        for each in margin:
            found = predicted(
                Score(np.float32([each]), np.float32([0.0])),
                int(count),
                {CALIBRATION: calibration.document()},
                error=error,
            )
            if found.answer is not None:
                given += 1
                wrong += found.answer == "b"  # a is what was preferred
                promised += found.promised
    return promised / max(given, 1), wrong / max(given, 1), given / len(test.margin)


@pytest.mark.parametrize("stretch", [0.5, 1.0, 3.0])
def test_probabilities_are_stretched_back(stretch) -> None:
    calibration = fit_calibration(drawn(30_000, stretch=stretch, seed=1))
    assert [each.least for each in calibration.bands] == [0, 3, 13]
    for each in calibration.bands:
        assert each.factor == pytest.approx(1 / stretch, rel=0.08)
    score = Score(np.float32([2.0 * stretch, -2.0 * stretch]), np.zeros(2, np.float32))
    high, low = calibration.probability(score, 5)
    assert high == pytest.approx(0.88, abs=0.01)
    assert high + low == pytest.approx(1.0)


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_the_observed_error_is_the_promised_one(error) -> None:
    calibration = fit_calibration(drawn(12_000, stretch=2.0, seed=2))
    promised, observed, share = answered(calibration, drawn(6_000, stretch=2.0, seed=3), error)
    assert promised <= error
    assert promised == pytest.approx(observed, abs=0.02)
    assert share > 0.2


def test_everything_is_answered_where_that_is_good_enough() -> None:
    calibration = fit_calibration(drawn(9_000, stretch=1.0, seed=4))
    found = predicted(
        Score(np.float32([0.01]), np.float32([0.0])),
        4,
        {CALIBRATION: calibration.document()},
        error=0.45,
    )
    assert found.answer == "a"
    assert found.promised < 0.4  # the error of answering everything, not what was asked for


def test_bands_of_few_predictions_join_the_next() -> None:
    few = drawn(500, stretch=1.0, seed=5, shots=(0, 1, 16))
    rows = np.flatnonzero(few.count == 1)[:20]
    keep = np.ones(500, bool)
    keep[np.setdiff1d(np.flatnonzero(few.count == 1), rows)] = False
    kept = Predictions(
        *(np.concatenate([each[keep]] * 2) for each in (few.margin, few.count, few.user))
    )
    calibration = fit_calibration(kept)
    assert [each.least for each in calibration.bands] == [0, 13]
    assert fit_calibration(drawn(100, stretch=1.0, seed=6)) is None


def test_it_is_json_and_comes_back() -> None:
    calibration = fit_calibration(drawn(3_000, stretch=1.0, seed=7))
    meta = json.loads(json.dumps({CALIBRATION: calibration.document()}))
    assert Calibration.of(meta) == calibration
    assert Calibration.of({}) is None


def test_without_calibration_the_models_own_probability_decides() -> None:
    sure, unsure = np.float32([3.0]), np.float32([1.0])
    nothing = np.float32([0.0])
    found = predicted(Score(sure, nothing), 4, {}, error=0.1)
    assert (found.answer, found.calibrated, found.promised) == ("a", False, 0.1)
    assert predicted(Score(-sure, nothing), 4, {}, error=0.1).answer == "b"
    abstained = predicted(Score(unsure, nothing), 4, {}, error=0.1)
    assert (abstained.answer, abstained.promised) == (None, None)
    assert "not sure enough" in abstained.reason
    assert predicted(Score(nothing, nothing), 4, {}, error=0.49).answer is None
