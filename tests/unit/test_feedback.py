"""What people say about replies, as comparisons with the right weights."""

from __future__ import annotations

import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.feedback import (
    RATING_WEIGHT,
    Preference,
    check_rating,
    from_choice,
    from_edit,
    from_ranking,
    from_rating,
)


def test_a_good_rating_prefers_the_reply_to_every_other_candidate():
    found = from_rating("a", ["b", "a", "c"], 0.5)
    weight = RATING_WEIGHT * 0.5 / 2
    assert found == (
        Preference("a", "b", weight, "rating"),
        Preference("a", "c", weight, "rating"),
    )


def test_a_bad_rating_prefers_every_other_candidate():
    found = from_rating("a", ["a", "b", "c", "d"], -1.0)
    assert [(each.chosen, each.rejected) for each in found] == [("b", "a"), ("c", "a"), ("d", "a")]
    assert sum(each.weight for each in found) == pytest.approx(RATING_WEIGHT)


@pytest.mark.parametrize(
    ("text", "candidates", "value"),
    [("a", ["a"], 1.0), ("a", [], 1.0), ("a", ["a", "b"], 0), ("a", ["a", " "], 1), (" ", "ab", 1)],
)
def test_a_rating_that_compares_nothing_teaches_nothing(text, candidates, value):
    assert from_rating(text, candidates, value) == ()


def test_equal_candidates_count_once():
    assert len(from_rating("a", ["a", "b", "b", "a"], 1)) == 1
    assert [each.weight for each in from_choice(["a", "b", "b"], "a")] == [1.0]


def test_a_better_text_is_preferred_to_the_reply():
    assert from_edit("a", "b") == (Preference("b", "a", 1.0, "edit"),)
    assert from_edit(" ", "b") == ()


@pytest.mark.parametrize("better", ["", " \n", "a", " a ", None, 3])
def test_a_better_text_must_be_another_text(better):
    with pytest.raises(InvalidInputError, match="better is"):
        from_edit("a", better)


@pytest.mark.parametrize("chosen", [1, "b"])
def test_the_picked_candidate_is_preferred_to_each_other_and_weights_sum_to_one(chosen):
    found = from_choice(["a", "b", "c", "d"], chosen)
    assert [(each.chosen, each.rejected) for each in found] == [("b", "a"), ("b", "c"), ("b", "d")]
    assert sum(each.weight for each in found) == pytest.approx(1.0)
    assert {each.source for each in found} == {"choice"}


@pytest.mark.parametrize("chosen", [-1, 2, True, 1.0, None, "c", float("nan")])
def test_a_choice_must_be_one_of_the_candidates(chosen):
    with pytest.raises(InvalidInputError, match=f"chosen is {chosen!r}"):
        from_choice(["a", "b"], chosen)


@pytest.mark.parametrize("candidates", [["a"], ["a", "a"], ["a", " "]])
def test_a_choice_needs_something_to_be_chosen_over(candidates):
    with pytest.raises(InvalidInputError, match="no other candidate"):
        from_choice(candidates, 0)


@pytest.mark.parametrize("value", [-1, 1, 0, 0.5, -1.0])
def test_ratings_from_minus_one_to_one_pass(value):
    check_rating(value)


@pytest.mark.parametrize("value", [1.01, -2, float("nan"), float("inf"), True, "1", None, [1]])
def test_other_ratings_are_named(value):
    with pytest.raises(InvalidInputError) as caught:
        check_rating(value)
    assert repr(value) in caught.value.message
    with pytest.raises(InvalidInputError, match="rating is"):
        from_rating("a", ["a", "b"], value)


def test_a_ranking_of_all_is_all_its_pairs():
    pairs = from_ranking(["a", "b", "c", "d"], [3, 1, 0, 2])
    assert [(each.chosen, each.rejected) for each in pairs] == [
        ("d", "b"),
        ("d", "a"),
        ("d", "c"),
        ("b", "a"),
        ("b", "c"),
        ("a", "c"),
    ]
    assert sum(each.weight for each in pairs) == pytest.approx(3.0)
    assert {each.source for each in pairs} == {"ranking"}


def test_a_ranking_may_leave_candidates_out():
    (pair,) = from_ranking(["a", "b", "c"], [2, 0])
    assert (pair.chosen, pair.rejected, pair.weight) == ("c", "a", 1.0)


@pytest.mark.parametrize(
    "ranking", [[], [0], [0, 0], [0, 3], [-1, 0], [True, False], [0.0, 1.0], ["a", "b"]]
)
def test_a_ranking_that_orders_nothing_is_refused(ranking):
    with pytest.raises(InvalidInputError, match="ranking"):
        from_ranking(["a", "b", "c"], ranking)
