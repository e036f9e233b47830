"""The conformance kit catches every wrong reward model, and passes the right one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from persona_nearest_direction import NearestDirection

from persona_engine.errors import ConformanceError, InvalidInputError
from persona_engine.interfaces import RewardModel
from persona_engine.testing import CHECKS, check_reward_model, plant, reward_model_checks
from persona_engine.testing.mutants import MUTANTS, Unchanged, mutate


@pytest.mark.parametrize("check", reward_model_checks(NearestDirection))
def test_the_right_model_passes(check) -> None:
    check()


@pytest.mark.parametrize("check", reward_model_checks(mutate(Unchanged, NearestDirection)))
def test_the_wrapper_alone_passes(check) -> None:
    check()


@pytest.mark.parametrize(
    ("mutant", "check"), [pytest.param(m, c, id=m.__name__) for m, c in MUTANTS.items()]
)
def test_the_mutant_is_caught(mutant: type[Unchanged], check: str) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'") as caught:
        check_reward_model(mutate(mutant, NearestDirection), checks=[check])
    assert mutant.__name__ in str(caught.value)
    assert caught.value.remedy


def test_every_check_catches_a_mutant() -> None:
    by_a_module = {"import_is_light"}
    assert set(MUTANTS.values()) | by_a_module == set(CHECKS["reward_model"])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import sqlalchemy", "importing it loads sqlalchemy"),
        ("import no_such_module_here", "No module named 'no_such_module_here'"),
    ],
)
def test_a_heavy_or_broken_import_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, found: str
) -> None:
    module = f"heavy_{line.rpartition(' ')[2]}"
    (tmp_path / f"{module}.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    heavy = type("Heavy", (NearestDirection,), {"__module__": module})
    with pytest.raises(ConformanceError, match=found):
        check_reward_model(heavy, checks=["import_is_light"])


def test_a_class_of_a_notebook_is_told_to_move() -> None:
    local = type("Local", (NearestDirection,), {"__module__": "__main__"})
    with pytest.raises(ConformanceError, match="move it to a module"):
        check_reward_model(local, checks=["import_is_light"])


@pytest.mark.parametrize(
    ("text", "lacks"),
    [("r(x) = w·x", "no reference"), ("Bradley & Terry 1952", "no formula"), (None, "no formula")],
)
def test_a_docstring_needs_formula_and_reference(text: str | None, lacks: str) -> None:
    terse = type("Terse", (NearestDirection,), {"__doc__": text})
    with pytest.raises(ConformanceError, match=lacks):
        check_reward_model(terse, checks=["docstring_teaches"])


class Pooled(NearestDirection):
    """Everybody alike."""

    personal = False

    def infer(self, population, evidence):
        return self.update(population, super().infer(population, evidence.take([])), evidence)

    def update(self, population, posterior, evidence):
        after = super().update(population, posterior, evidence)
        mean, covariance = posterior.mean, posterior.covariance
        return type(after)(
            *(after.reward_model, after.population, after.fingerprint, mean, covariance),
            count=after.count,
        )


def test_what_only_a_personal_method_can_pass_is_left_out_for_others() -> None:
    names = ["personal_preference_is_found", "evidence_narrows_the_spread", "neighbours_want_alike"]
    check_reward_model(Pooled, checks=names)
    claimed = type("Claimed", (Pooled,), {"personal": True})
    for name in names:
        with pytest.raises(ConformanceError, match=name):
            check_reward_model(claimed, checks=[name])


def test_an_approximate_update_must_be_declared() -> None:
    class Approximate(NearestDirection):
        def update(self, population, posterior, evidence):
            once = super().update(population, posterior, evidence)
            return type(once)(
                *(once.reward_model, once.population, once.fingerprint, once.mean),
                covariance=once.covariance * np.float32(1.1),
                count=once.count,
            )

    with pytest.raises(ConformanceError, match="exact_update = False"):
        check_reward_model(Approximate, checks=["update_agrees_with_infer"])
    Approximate.exact_update = False
    check_reward_model(Approximate, checks=["update_agrees_with_infer"])


def test_an_unknown_check_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"no check 'is_pretty'.*shapes_and_types"):
        check_reward_model(NearestDirection, checks=["is_pretty"])


def test_a_factory_that_fails_is_a_conformance_error() -> None:
    def broken() -> RewardModel:
        raise RuntimeError("no such setting")

    with pytest.raises(
        ConformanceError, match=r"'broken' does not pass 'shapes_and_types'.*no such"
    ):
        check_reward_model(broken)


def test_planted_users_answer_as_they_like() -> None:
    planted = plant(seed=3, shared=0.5, personal=1.5)
    right = [
        np.mean((each.chosen - each.rejected) @ taste > 0)
        for each, taste in zip(planted.query, planted.tastes, strict=True)
    ]
    assert 0.7 < np.mean(right) < 0.95
    assert len(planted.data.users) == 40
    again = plant(seed=3, shared=0.5, personal=1.5)
    assert np.array_equal(again.data.chosen, planted.data.chosen)
