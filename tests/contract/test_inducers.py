"""The suite of principle inducers passes a right one and catches wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from persona_engine.errors import ConformanceError
from persona_engine.testing.inducers import (
    INDUCER_CHECKS,
    check_principle_inducer,
    principle_inducer_checks,
)
from persona_engine.types import Principle
from persona_principles import Principles


class ByLength:
    """Counts in how many comparisons the shorter, or the longer, reply was preferred."""

    name = "by_length"
    level = 1e-3

    def induce(self, texts, evidence, *, attributes, rng, tools):
        self.see(texts, evidence, rng)
        shorter, longer = [], []
        for row in self.decided(evidence):
            pair = texts[row]
            chosen_is_shorter = len(pair.chosen) < len(pair.rejected)
            first = evidence.target[row] > 0.5
            (shorter if chosen_is_shorter == first else longer).append(row)
        both = (
            self.principle("Keep replies short.", shorter, longer),
            self.principle("Give long replies.", longer, shorter),
        )
        return tuple(each for each in both if each.adjusted_p_value <= self.level)

    def see(self, texts, evidence, rng):
        pass

    def decided(self, evidence):
        told = (evidence.weight > 0) & (evidence.target != 0.5)
        return [int(row) for row in np.flatnonzero(told)]

    def principle(self, text, supports, opposes):
        count, right = len(supports) + len(opposes), len(supports)
        p = float(np.exp2(-count) * sum(_choose(count, k) for k in range(right, count + 1)))
        return Principle(text, "length", tuple(supports), tuple(opposes), p, min(1.0, 2 * p))


def _choose(n: int, k: int) -> float:
    return float(np.prod([(n - j) / (j + 1) for j in range(k)]))


@pytest.mark.parametrize("factory", [ByLength, Principles])
@pytest.mark.parametrize("check", INDUCER_CHECKS)
def test_the_right_inducer_passes(factory: type, check: str) -> None:
    for bound in principle_inducer_checks(factory, checks=[check]):
        bound()


class ForgetsTheNumberTried(ByLength):
    def principle(self, text, supports, opposes):
        right = super().principle(text, supports, opposes)
        return replace(right, adjusted_p_value=right.p_value / 2)


class CountsFromOne(ByLength):
    def principle(self, text, supports, opposes):
        right = super().principle(text, supports, opposes)
        return replace(right, supports=tuple(row + 1 for row in right.supports))


class SupportsByAll(ByLength):
    def principle(self, text, supports, opposes):
        right = super().principle(text, supports, opposes)
        return replace(right, supports=tuple(sorted(right.supports + right.opposes)), opposes=())


class AsksTooMuch(ByLength):
    level = 1e-20


class OneWay(ByLength):
    """Finds that length matters, not which way."""

    def principle(self, text, supports, opposes):
        return replace(super().principle(text, supports, opposes), text="Mind the length.")


class IgnoresTargets(ByLength):
    def induce(self, texts, evidence, *, attributes, rng, tools):
        ones = np.where(evidence.target == 0.5, 0.5, 1.0).astype(np.float32)
        plain = replace(evidence, target=ones)
        return super().induce(texts, plain, attributes=attributes, rng=rng, tools=tools)


class TestsNothing(ByLength):
    level = 1.0


class AlwaysKnows(ByLength):
    def induce(self, texts, evidence, *, attributes, rng, tools):
        right = super().induce(texts, evidence, attributes=attributes, rng=rng, tools=tools)
        return right or (Principle("Be helpful.", None, (0,), (), 1.0, 1.0),)


class CountsTies(ByLength):
    def decided(self, evidence):
        return list(range(len(evidence)))


class TestsOnTheLastHalf(ByLength):
    level = 0.05

    def decided(self, evidence):
        return super().decided(evidence)[len(evidence) // 2 :]


class DrawsByItself(ByLength):
    def decided(self, evidence):
        right = super().decided(evidence)
        return sorted(np.random.default_rng().permutation(right)[: len(right) - 4].tolist())


class Remembers(ByLength):
    def __init__(self) -> None:
        self.calls = 0

    def principle(self, text, supports, opposes):
        self.calls += 1
        right = super().principle(text, supports, opposes)
        return replace(right, supports=right.supports[self.calls % 3 :])


class Scales(ByLength):
    def see(self, texts, evidence, rng):
        evidence.weight[:] /= max(float(evidence.weight.sum()), 1.0)


WRONG_INDUCERS = (
    (ForgetsTheNumberTried, "principles_are_well_formed"),
    (CountsFromOne, "evidence_is_rows"),
    (SupportsByAll, "the_planted_preference_is_found"),
    (AsksTooMuch, "the_planted_preference_is_found"),
    (OneWay, "the_opposite_is_told_apart"),
    (IgnoresTargets, "a_target_of_zero_is_the_reverse"),
    (TestsNothing, "random_choices_give_nothing"),
    (AlwaysKnows, "few_comparisons_give_nothing"),
    (CountsTies, "ties_are_no_evidence"),
    (TestsOnTheLastHalf, "order_is_irrelevant"),
    (DrawsByItself, "induction_is_deterministic"),
    (Remembers, "induction_is_deterministic"),
    (Scales, "arguments_stay_unchanged"),
)


@pytest.mark.parametrize(("plugin", "check"), WRONG_INDUCERS)
def test_the_wrong_inducer_is_caught(plugin: Callable[[], object], check: str) -> None:
    with pytest.raises(ConformanceError, match=f"does not pass '{check}'"):
        check_principle_inducer(plugin, checks=[check])


def test_every_check_catches_something() -> None:
    assert {check for _, check in WRONG_INDUCERS} == set(INDUCER_CHECKS)
