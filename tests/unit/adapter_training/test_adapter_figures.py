"""What is enough to be published, and how errors are reckoned."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from persona_engine.adapters.figures import AdapterFigures, Limits, Measured, clustered
from persona_engine.adapters.plan import AdapterPlan
from persona_engine.adapters.training_report import AdapterReport
from persona_engine.errors import InvalidInputError

GOOD = AdapterFigures(
    comparisons=100,
    users=10,
    accuracy=0.7,
    base_accuracy=0.5,
    gain=Measured(0.2, 0.05),
    wins=Measured(0.7, 0.05),
    independent_wins=Measured(0.65, 0.05),
    judge_accuracy=0.66,
    kl=0.1,
    length=0.8,
    neutral=1.01,
    worst_part="part-2",
    worst_part_gain=0.15,
)


def test_what_is_good_has_no_fault():
    assert Limits().faults(GOOD) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gain": Measured(0.05, 0.05)}, "accuracy is +0.050"),
        ({"gain": Measured(0.2, math.inf)}, "accuracy is +0.200"),
        ({"wins": Measured(0.52, 0.05)}, "the users' reward's win rate is +0.020"),
        ({"independent_wins": Measured(0.4, 0.05)}, "the independent judge's win rate is -0.100"),
        ({"neutral": 1.06}, "perplexity on neutral text over base's is 1.060, above 1.05"),
        ({"kl": 1.5}, "KL to base in nats a token is 1.500, above 1"),
        ({"length": 6.0}, "length over base's is 6.000, above 5"),
        ({"length": 0.1}, "brevity"),
        ({"length": 0.0}, "brevity"),
        ({"comparisons": 19}, "19 held-out comparisons by 10 users are too few"),
        ({"users": 2}, "100 held-out comparisons by 2 users are too few"),
    ],
)
def test_each_fault_is_said(change, said):
    (fault,) = Limits().faults(replace(GOOD, **change))
    assert said in fault


def test_errors_where_values_go_together():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=50), 20)  # each user says the same twenty times
    users = [str(number // 20) for number in range(1000)]
    alone = [str(number) for number in range(1000)]
    together = clustered(values, np.ones(1000), users)
    apart = clustered(values, np.ones(1000), alone)
    assert together.value == apart.value
    assert together.error / apart.error == pytest.approx(math.sqrt(20), rel=0.05)
    assert clustered(values, np.ones(1000), alone, users).error == together.error
    assert together.error == pytest.approx(values[::20].std(ddof=1) / math.sqrt(50))


def test_one_user_or_none_tells_no_error():
    assert clustered(np.ones(5), np.ones(5), ["ann"] * 5) == Measured(1.0, math.inf)
    assert clustered(np.ones(0), np.ones(0), []).error == math.inf


def test_reports_survive_json():
    unsure = replace(GOOD, gain=Measured(0.2, math.inf), judge_accuracy=None)
    for figures in (None, GOOD, unsure):
        report = AdapterReport("home", "dpo", "1" * 16, True, "why", 3, 4, figures, {"loss": 0.1})
        assert AdapterReport.from_json(json.loads(json.dumps(report.as_json()))) == report


def test_plans_are_set_field_by_field():
    plan = AdapterPlan().changed({"trial.tokens": 16, "limits.kl": 2, "judge": "attributes"})
    assert (plan.trial.tokens, plan.limits.kl, plan.judge) == (16, 2, "attributes")
    assert plan.selection == AdapterPlan().selection


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"trial.toes": 1}, "'trial.toes' is no setting of the plan, expected one of judge, div"),
        ({"trial": 1}, "'trial' is no setting"),
        ({"beta": 1}, "'beta' is no setting"),
        ({"trial.tokens": 0}, "tokens is 0"),
        ({"trial.tokens": "many"}, "many"),
        ({"limits.kl": -1}, "limit kl is -1"),
        ({"selection.by_part": True, "selection.parts": 0}, "parts is 0"),
    ],
)
def test_plans_refuse_what_is_unknown_or_out_of_range(settings, said):
    with pytest.raises(InvalidInputError, match=said):
        AdapterPlan().changed(settings)
