"""Figures of merit against what they are on paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from persona_engine.evaluation.metrics import (
    calibration_bins,
    expected_calibration_error,
    negative_log_likelihood,
    predicted,
    worst_decile,
    worst_group,
)
from persona_engine.types import Score

probabilities = arrays(float, st.integers(1, 40), elements=st.floats(0.0, 1.0))


def test_an_exact_tie_is_half_right():
    score = Score(np.float32([0.1, -0.1, 0.0]), np.float32([1, 1, 1]))
    assert predicted(score).tolist() == [1.0, 0.0, 0.5]


def test_likelihood_is_clipped():
    assert negative_log_likelihood(np.array([0.0])) == pytest.approx(-np.log(1e-6))
    assert negative_log_likelihood(np.array([0.25, 1.0])) == pytest.approx(-np.log(0.25) / 2)


def test_calibrated_predictions_have_no_error():
    preferred = np.array([0.8] * 80 + [0.2] * 20)  # four in five of what is given 0.8 happen
    assert expected_calibration_error(calibration_bins(preferred)) == pytest.approx(0.0, abs=1e-12)


def test_overconfidence_is_its_error():
    preferred = np.array([0.95] * 70 + [0.05] * 30)
    assert expected_calibration_error(calibration_bins(preferred)) == pytest.approx(0.25)


@given(probabilities)
def test_bins_are_symmetric_and_complete(probability):
    bins = calibration_bins(probability)
    assert bins[:, 0].sum() == pytest.approx(len(probability))
    assert bins[:, 1].sum() == pytest.approx(len(probability) / 2)
    assert bins[:, 2].sum() == pytest.approx(len(probability) / 2)
    assert 0.0 <= expected_calibration_error(bins) <= 1.0


@given(probabilities, st.floats(0.1, 5.0))
def test_equal_weights_make_no_difference(probability, weight):
    plain = expected_calibration_error(calibration_bins(probability))
    weighted = calibration_bins(probability, np.full(len(probability), weight))
    assert expected_calibration_error(weighted) == pytest.approx(plain)


def test_nothing_has_no_calibration():
    assert np.isnan(expected_calibration_error(calibration_bins(np.zeros(0))))


def test_the_worst():
    assert worst_decile(np.array([0.9, 0.2, 0.8])) == 0.2
    assert worst_decile(np.linspace(1, 0, 21)) == pytest.approx(0.05)
    assert worst_group({"a": [0.9] * 5, "b": [0.7] * 5, "c": [0.1] * 4}) == pytest.approx(0.7)
    assert worst_group({}) is None
