import time
from collections import Counter

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.onboarding import (
    DefaultPopulation,
    content_key,
    information_gain,
    next_question,
    question_bank,
    replies,
    tastes,
)
from persona_engine.onboarding.shipped import load_shipped, shipped_root
from persona_engine.types import Evidence, Posterior, Question, Score
from persona_hierarchical import Hierarchical

MODEL = Hierarchical()


def _shipped() -> DefaultPopulation:
    import json

    (manifest,) = shipped_root().glob("hierarchical-*/manifest.json")
    default = load_shipped("hierarchical", json.loads(manifest.read_text())["fingerprint"])
    assert default is not None
    return default


DEFAULT = _shipped()


def _evidence(answers: list[tuple[Question, bool]]) -> Evidence:
    """Features of the answers; True for the high pole."""
    keys = [
        [content_key(question.prompt, reply) for reply in replies(question)[:: -1 if high else 1]]
        for question, high in answers
    ]
    vectors = np.array([[DEFAULT.features[key] for key in pair] for pair in keys], np.float32)
    vectors = vectors.reshape(len(answers), 2, DEFAULT.bank.low.shape[1])
    return Evidence(vectors[:, 0], vectors[:, 1])


def _posterior(answers: list[tuple[Question, bool]]) -> Posterior:
    return MODEL.infer(DEFAULT.population, _evidence(answers))


def _next(
    posterior: Posterior, asked: list[str], *, seed: int = 0, pool: tuple[Question, ...] = ()
) -> Question | None:
    return next_question(
        MODEL,
        DEFAULT.population,
        posterior,
        pool or question_bank(),
        DEFAULT.features,
        asked=asked,
        rng=np.random.default_rng(seed),
    )


def _interview(likes: dict[str, bool], count: int, *, seed: int = 0) -> list[tuple[Question, bool]]:
    """Ask someone who likes these poles and tosses a coin about other styles."""
    rng = np.random.default_rng(seed)
    answers: list[tuple[Question, bool]] = []
    for _ in range(count):
        asked = [question.id for question, _ in answers]
        question = _next(_posterior(answers), asked, seed=seed)
        assert question is not None
        assert question.style is not None
        answers.append((question, likes.get(question.style, bool(rng.random() < 0.5))))
    return answers


def test_gain_is_that_of_a_monte_carlo_sum() -> None:
    mean, std = np.float32([0.0, 1.5, -2.0]), np.float32([2.0, 1.0, 3.0])
    draws = np.random.default_rng(0).normal(size=(400_000, 1)) * std + mean
    p = 1.0 / (1.0 + np.exp(-draws))

    def entropy(q: np.ndarray) -> np.ndarray:
        return -q * np.log(q) - (1 - q) * np.log(1 - q)

    expected = entropy(p.mean(0)) - np.nanmean(entropy(np.clip(p, 1e-9, 1 - 1e-9)), 0)
    assert information_gain(Score(mean, std)) == pytest.approx(expected, abs=2e-3)


def test_gain_is_finite_and_not_negative_for_extreme_logits() -> None:
    mean = np.float32([0.0, 80.0, -1e4, 0.0, 1e6])
    std = np.float32([0.0, 0.0, 1e4, 1e6, 1.0])
    gain = information_gain(Score(mean, std))
    assert np.isfinite(gain).all()
    assert (gain >= 0.0).all()
    assert gain.max() <= np.log(2.0) + 1e-9


def test_nothing_is_asked_twice_and_styles_vary() -> None:
    answers = _interview({}, 8)
    assert len({question.id for question, _ in answers}) == 8
    assert max(Counter(question.style for question, _ in answers).values()) <= 2


def test_the_next_question_depends_on_the_answers() -> None:
    first = _next(_posterior([]), [])
    assert first is not None
    paths = set()
    for seed in range(6):
        answers = _interview({}, 4, seed=seed)
        paths.add(tuple(question.id for question, _ in answers))
    assert len(paths) > 1


def test_equal_draws_ask_equal_questions() -> None:
    assert _interview({"length": True}, 4) == _interview({"length": True}, 4)


def test_a_style_asked_already_comes_second_unless_it_teaches_clearly_more() -> None:
    pool = tuple(each for each in question_bank() if each.style in {"length", "emoji"})
    length = next(each for each in pool if each.style == "length")
    chosen = _next(_posterior([]), [length.id], pool=pool)
    assert chosen is not None
    logit = MODEL.logit(
        DEFAULT.population,
        _posterior([]),
        *(
            np.stack([DEFAULT.features[content_key(q.prompt, getattr(q, side))] for q in pool])
            for side in ("a", "b")
        ),
    )
    gains = information_gain(logit)
    best = {
        style: max(g for g, q in zip(gains, pool, strict=True) if q.style == style and q != length)
        for style in ("length", "emoji")
    }
    assert (chosen.style == "length") == (best["length"] > 1.5 * best["emoji"])


def test_an_exhausted_pool_ends_the_interview() -> None:
    assert _next(_posterior([]), [question.id for question in question_bank()]) is None


def test_answers_that_teach_nothing_are_not_asked_for() -> None:
    question = question_bank()[0]
    same = Question(id="same", prompt=question.prompt, a=question.a, b=question.a)
    assert _next(_posterior([]), [], pool=(same,)) is None


def test_missing_features_name_the_question() -> None:
    foreign = Question(id="mine", prompt="Hi", a="Hello!", b="Good day.")
    with pytest.raises(InvalidInputError, match="'mine'"):
        _next(_posterior([]), [], pool=(foreign,))


def test_choosing_takes_milliseconds() -> None:
    posterior = _posterior([])
    _next(posterior, [])
    took = []
    for _ in range(10):
        start = time.perf_counter()
        _next(posterior, [])
        took.append(time.perf_counter() - start)
    assert min(took) < 5e-3


def test_four_answers_tell_opposite_people_apart() -> None:
    brief = {"length": False, "bottom_line": True, "directness": True, "perspective": False}
    thorough = {style: not high for style, high in brief.items()}
    for seed in range(3):
        lengths = []
        for likes in (brief, thorough):
            found = tastes(
                MODEL,
                DEFAULT.population,
                _posterior(_interview(likes, 4, seed=seed)),
                DEFAULT.features,
            )
            lengths.append(next(taste.mean for taste in found if taste.style == "length"))
        assert lengths[0] < 0.0 < lengths[1]


def test_tastes_name_every_style_strongest_first_and_become_surer() -> None:
    before = tastes(MODEL, DEFAULT.population, _posterior([]), DEFAULT.features)
    after = tastes(
        MODEL, DEFAULT.population, _posterior(_interview({"humour": True}, 8)), DEFAULT.features
    )
    assert {taste.style for taste in after} == {question.style for question in question_bank()}
    strength = [abs(t.mean) / np.sqrt(1 + np.pi / 8 * t.std**2) for t in after]
    assert strength == sorted(strength, reverse=True)
    assert np.mean([t.std for t in after]) < 0.9 * np.mean([t.std for t in before])


def test_who_has_not_answered_is_presumed_to_like_nothing() -> None:
    for taste in tastes(MODEL, DEFAULT.population, _posterior([]), DEFAULT.features):
        assert abs(taste.mean) < 0.25 * taste.std


def test_a_taste_is_the_mean_over_the_questions_of_its_style() -> None:
    posterior = _posterior(_interview({"warmth": True}, 4))
    questions = [each for each in question_bank() if each.style == "warmth"]
    pairs = [[DEFAULT.features[content_key(q.prompt, r)] for r in replies(q)] for q in questions]
    low, high = np.array(pairs, np.float32).transpose(1, 0, 2)
    expected = MODEL.logit(DEFAULT.population, posterior, high, low).mean.mean()
    found = tastes(MODEL, DEFAULT.population, posterior, DEFAULT.features)
    warmth = next(taste for taste in found if taste.style == "warmth")
    assert warmth.mean == pytest.approx(float(expected), rel=1e-4)
    assert (warmth.low, warmth.high) == ("matter-of-fact", "warm")
