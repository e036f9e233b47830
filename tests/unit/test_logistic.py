"""L-BFGS finds the minimum, and is not misled by values that are not numbers."""

from __future__ import annotations

import numpy as np

from persona_engine.modelling.logistic import minimise


def test_a_step_to_where_the_value_is_not_a_number_is_shortened():
    """x - sqrt(x), lowest at 1/4; the first whole step from 1.5 would lead to below 0."""

    def objective(point):
        root = np.sqrt(point)
        return float((4 * point - 4 * root).sum()), 4 - 2 / root

    found = minimise(objective, np.array([1.5]), tolerance=1e-12)
    np.testing.assert_allclose(found, 0.25, atol=1e-5)


def test_a_flag_without_a_cause_is_no_warning():
    """OpenBLAS raises it now and then in products whose results are right."""

    def objective(point):
        np.subtract(np.inf, np.inf)
        return float(((point - 2) ** 2).sum()), 2 * (point - 2)

    np.testing.assert_allclose(minimise(objective, np.zeros(5)), 2.0, atol=1e-6)
