import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.onboarding import check_criterion, d_optimality, information_gain, pref_score
from persona_engine.onboarding.criteria import entropy, joint_gain
from persona_engine.types import JointScore, Score

RNG = np.random.default_rng(0)


def _joint(count: int = 5, rank: int = 3, own: float = 0.0) -> JointScore:
    mean = RNG.normal(size=count).astype(np.float32)
    factor = RNG.normal(size=(count, rank)).astype(np.float32)
    return JointScore(mean, 2.0 * factor, np.full(count, own, np.float32))


def test_joint_gain_is_the_mean_mutual_information_of_answers() -> None:
    joint = _joint()
    people = np.random.default_rng(1).normal(size=(200_000, 3)) @ joint.factor.T + joint.mean
    p = 1.0 / (1.0 + np.exp(-people))
    mean = p.mean(0)
    expected = np.zeros((5, 5))
    both = p.T @ p / len(p)
    for i in range(5):
        for j in range(5):
            cells = np.array(
                [
                    [both[i, j], mean[i] - both[i, j]],
                    [mean[j] - both[i, j], 1 - mean[i] - mean[j] + both[i, j]],
                ]
            )
            alone = np.outer([mean[i], 1 - mean[i]], [mean[j], 1 - mean[j]])
            expected[i, j] = (cells * np.log(cells / alone)).sum()
    assert joint_gain(joint) == pytest.approx(expected.mean(1), abs=0.02)


def test_an_answer_that_foretells_others_is_worth_more_than_a_surer_one_that_does_not() -> None:
    factor = np.float32([[2, 0], [2, 0], [2, 0], [2, 0], [0, 3]])
    joint = JointScore(np.zeros(5, np.float32), factor, np.zeros(5, np.float32))
    alone = information_gain(Score(joint.mean, np.linalg.norm(factor, axis=1)))
    assert alone.argmax() == 4
    assert joint_gain(joint).argmax() < 4


def test_what_no_answer_of_the_person_tells_is_no_gain() -> None:
    shared = JointScore(np.zeros(2), np.zeros((2, 1)), np.full(2, 5.0))
    assert joint_gain(shared) == pytest.approx([0.0, 0.0], abs=1e-9)


def test_joint_gain_of_a_model_without_persons_is_nothing() -> None:
    nobody = JointScore(np.zeros(3), np.zeros((3, 0)), np.ones(3))
    assert joint_gain(nobody) == pytest.approx([0.0] * 3, abs=1e-9)


def test_d_optimality_is_half_the_log_of_the_determinants_growth() -> None:
    covariance = np.cov(RNG.normal(size=(3, 40)))
    v = RNG.normal(size=3)
    mean, variance = 0.3, float(v @ covariance @ v)
    logit = Score(np.float32([mean]), np.float32([np.sqrt(variance)]))
    p = float(logit.probability()[0])
    before = np.linalg.slogdet(np.linalg.inv(covariance))[1]
    after = np.linalg.slogdet(np.linalg.inv(covariance) + p * (1 - p) * np.outer(v, v))[1]
    assert d_optimality(logit)[0] == pytest.approx(0.5 * (after - before), rel=1e-4)


def test_pref_asks_what_the_official_code_asks() -> None:
    """argmax of σ'(u·v)² vᵀS⁻¹v, as PReF's max_norm_vector picks it: see methods.md."""
    precision = np.eye(4) + 0.1 * np.ones((4, 4))
    u, rows = RNG.normal(size=4), RNG.normal(size=(50, 4))
    inverse = np.linalg.inv(precision)
    slope = (s := 1 / (1 + np.exp(-rows @ u))) * (1 - s)
    official = slope**2 * np.einsum("ni,ij,nj->n", rows, inverse, rows)
    std = np.sqrt(np.einsum("ni,ij,nj->n", rows, inverse, rows))
    ours = pref_score(Score((rows @ u).astype(np.float32), std.astype(np.float32)))
    assert ours == pytest.approx(official, rel=1e-4)


def test_entropy_of_certainty_is_nothing() -> None:
    assert entropy(np.array([0.0, 0.5, 1.0])) == pytest.approx([0.0, np.log(2.0), 0.0], abs=1e-9)


def test_an_unknown_criterion_is_named() -> None:
    with pytest.raises(InvalidInputError, match="'best'"):
        check_criterion("best")
