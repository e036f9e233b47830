import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.onboarding import STYLES, BankFeatures, question_bank
from persona_engine.onboarding.abridged import Abridged, first_sentence
from persona_engine.onboarding.synthetic_users import (
    ARCHETYPES,
    AXES,
    comparisons,
    draw_tastes,
    probability_of_high,
)

STYLE_NAMES = list(STYLES)


def _features(width: int = 3) -> BankFeatures:
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=(2, len(question_bank()), width)).astype(np.float32)
    return BankFeatures(low=low, high=high)


def test_people_are_balanced_by_their_mirror_images() -> None:
    tastes = draw_tastes(10, rng=np.random.default_rng(0))
    assert tastes[0::2] == pytest.approx(-tastes[1::2])


def test_tastes_correlate_as_the_axes_say_and_no_two_people_are_alike() -> None:
    tastes = draw_tastes(4000, rng=np.random.default_rng(0))
    r = np.corrcoef(tastes.T)

    def between(one: str, other: str) -> float:
        return float(r[STYLE_NAMES.index(one), STYLE_NAMES.index(other)])

    assert between("length", "bottom_line") < -0.4
    assert between("directness", "bottom_line") > 0.2
    assert between("humour", "emoji") > 0.5
    assert between("humour", "formality") < -0.5
    assert len(np.unique(tastes[0::2].round(6), axis=0)) == 2000
    assert (tastes.std(0) > 1.0).all()


def test_axes_and_archetypes_name_what_exists() -> None:
    assert all(set(loadings) <= set(STYLES) for loadings in AXES.values())
    assert all(set(place) <= set(AXES) for place in ARCHETYPES.values())
    assert set().union(*AXES.values()) == set(STYLES)


@pytest.mark.parametrize("count", [0, -2, 3])
def test_people_come_in_pairs(count: int) -> None:
    with pytest.raises(InvalidInputError, match="even"):
        draw_tastes(count, rng=np.random.default_rng(0))


def test_even_the_surest_person_lapses_now_and_then() -> None:
    tastes = np.full((1, len(STYLES)), 50.0)
    p = probability_of_high(tastes, ["length", "humour"])
    assert p == pytest.approx(np.full((1, 2), 0.985))
    assert probability_of_high(-tastes, ["length"]) == pytest.approx(np.full((1, 1), 0.015))


def test_answers_follow_the_tastes_and_nobody_is_asked_twice() -> None:
    rng = np.random.default_rng(0)
    tastes = np.zeros((200, len(STYLES)))
    tastes[:, STYLE_NAMES.index("length")] = 4.0
    features = _features()
    asked = np.arange(0, 128, 2)
    data = comparisons(tastes, features, asked=asked, answers=20, fingerprint="space", rng=rng)
    assert len(data) == 4000
    assert data.fingerprint == "space"
    place = {features.high[i].tobytes(): (i, True) for i in range(128)}
    place |= {features.low[i].tobytes(): (i, False) for i in range(128)}
    answers = [place[row.tobytes()] for row in data.chosen]
    assert {i for i, _ in answers} == set(asked.tolist())
    for user in range(3):
        mine = [i for (i, _), u in zip(answers, data.user, strict=True) if u == user]
        assert len(set(mine)) == 20
    high = {style: [] for style in STYLES}
    for i, likes_high in answers:
        high[str(question_bank()[i].style)].append(likes_high)
    assert np.mean(high["length"]) > 0.93
    assert 0.4 < np.mean(high["humour"]) < 0.6


def test_equal_draws_give_equal_answers() -> None:
    def make(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        tastes = draw_tastes(4, rng=rng)
        data = comparisons(
            tastes, _features(), asked=np.arange(128), answers=5, fingerprint="x", rng=rng
        )
        return data.chosen

    assert np.array_equal(make(1), make(1))
    assert not np.array_equal(make(1), make(2))


@pytest.mark.parametrize("answers", [0, 9])
def test_more_answers_than_questions_are_refused(answers: int) -> None:
    with pytest.raises(InvalidInputError, match="1 to 8"):
        comparisons(
            draw_tastes(2, rng=np.random.default_rng(0)),
            _features(),
            asked=np.arange(8),
            answers=answers,
            fingerprint="x",
            rng=np.random.default_rng(0),
        )


def _abridged(width: int = 3) -> Abridged:
    rng = np.random.default_rng(1)
    whole, first = rng.normal(size=(2, 60, width)).astype(np.float32)
    return Abridged(np.arange(60) * 2, whole, first)


def test_first_sentences_are_compared_by_the_taste_for_length_alone() -> None:
    tastes = np.full((40, len(STYLES)), 9.0)
    tastes[:, STYLE_NAMES.index("length")] = -9.0
    abridged = _abridged()
    data = comparisons(
        tastes,
        _features(),
        asked=np.arange(0, 64),
        answers=5,
        fingerprint="space",
        rng=np.random.default_rng(0),
        abridged=abridged,
        cuts=7,
    )
    assert len(data) == 40 * (5 + 7)
    first = {
        row.tobytes(): place for row, place in zip(abridged.first, abridged.place, strict=True)
    }
    places = [first[row.tobytes()] for row in data.chosen if row.tobytes() in first]
    assert 0.93 * 280 < len(places) <= 280  # all but the lapses
    assert max(places) < 64  # only of questions that may be asked
    user = data.user[200:]
    assert np.bincount(user).tolist() == [7] * 40


def test_cuts_leave_the_other_answers_as_they_are() -> None:
    def answers(**settings) -> np.ndarray:
        data = comparisons(
            draw_tastes(10, rng=np.random.default_rng(0)),
            _features(),
            asked=np.arange(128),
            answers=4,
            fingerprint="space",
            rng=np.random.default_rng(0),
            **settings,
        )
        return data.chosen[:40]

    np.testing.assert_array_equal(answers(), answers(abridged=_abridged(), cuts=3))


@pytest.mark.parametrize("text", ["", "One sentence only.", "Yes. And then more of it.", "No end"])
def test_a_reply_without_a_sentence_to_cut_stays_whole(text: str) -> None:
    assert first_sentence(text) is None
