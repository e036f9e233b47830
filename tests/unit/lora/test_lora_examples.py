"""Comparisons become examples: each text once, whatever was said of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_engine.types import RatedReply, TrainingPair, TrainingTask
from persona_lora.batches import plan
from persona_lora.examples import lists, merged_pairs, rated, singles

ASK = ({"role": "user", "content": "Well?"},)
OTHER = ({"role": "user", "content": "And you?"},)


def pair(chosen, rejected, weight=1.0, **more):
    return TrainingPair(more.pop("prompt", ASK), chosen, rejected, "u", weight, **more)


def of(*pairs, **more):
    return TrainingTask(None, None, pairs, **more)


def told(examples):
    return [
        (each.replies, round(each.weight, 6), round(each.opposed, 6), round(each.probability, 6))
        for each in examples
    ]


def test_equal_comparisons_add_up() -> None:
    merged = merged_pairs(of(pair("a", "b"), pair("a", "b", 2.0), pair("c", "d")))
    assert told(merged) == [(("a", "b"), 1.5, 0.0, 1.0), (("c", "d"), 0.5, 0.0, 1.0)]


def test_opposed_comparisons_are_one_example_as_the_greater_part_has_it() -> None:
    merged = merged_pairs(of(pair("b", "a"), pair("a", "b", 3.0)))
    assert told(merged) == [(("a", "b"), 0.75, 0.25, 0.75)]


def test_probabilities_are_averaged_by_weight_and_turned() -> None:
    pairs = pair("a", "b", 3.0, probability=0.8), pair("b", "a", 1.0, probability=0.6)
    assert told(merged_pairs(of(*pairs))) == [(("a", "b"), 0.75, 0.25, 0.7)]


def test_prompts_stay_apart_and_groups_and_contrasts_where_asked() -> None:
    pairs = (
        pair("a", "b", group="one"),
        pair("a", "b", group="two"),
        pair("a", "b", prompt=OTHER, group="one"),
    )
    contrasts = (ASK, OTHER, OTHER)
    assert len(merged_pairs(of(*pairs, contrasts=contrasts))) == 2
    assert len(merged_pairs(of(*pairs, contrasts=contrasts), by_group=True)) == 3
    assert len(merged_pairs(of(*pairs, contrasts=contrasts), by_contrast=True)) == 3
    assert [e.contrast for e in merged_pairs(of(*pairs, contrasts=contrasts))] == [None, None]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("def"), st.booleans(), st.floats(0.1, 9)),
        min_size=1,
    )
)
def test_merging_keeps_each_side_s_share(drawn) -> None:
    pairs = [pair(*((x, y) if swap else (y, x)), w) for x, y, swap, w in drawn]
    merged = merged_pairs(of(*pairs))
    total = sum(each.weight for each in pairs)
    scale = len(merged) / total
    for each in merged:
        for texts, found in (
            (each.replies, each.weight),
            (each.replies[::-1], each.opposed),
        ):
            given_weight = sum(p.weight for p in pairs if (p.chosen, p.rejected) == texts)
            assert found == pytest.approx(given_weight * scale)
    assert sum(e.weight + e.opposed for e in merged) == pytest.approx(len(merged))


def test_a_list_has_each_reply_once_best_first_with_what_it_won() -> None:
    found = lists(of(pair("a", "b"), pair("b", "c"), pair("a", "c"), pair("b", "a")), longest=8)
    assert [e.replies for e in found] == [("a", "b", "c")]
    assert found[0].gains == pytest.approx((2 / 3, 2 / 3, 0.0))


def test_a_long_list_keeps_what_was_compared_most() -> None:
    pairs = [pair("a", "b", 5.0), pair("a", "c", 4.0), pair("c", "d", 1.0)]
    assert lists(of(*pairs), longest=3)[0].replies == ("a", "c", "b")


def test_single_replies_are_the_preferred_ones_of_either_opinion() -> None:
    found = singles(merged_pairs(of(pair("a", "b", 3.0), pair("b", "a"))))
    assert [(e.replies, e.weight) for e in found] == [(("a",), 1.5), (("b",), 0.5)]


def test_good_and_bad_ratings_count_alike_in_all() -> None:
    ratings = [RatedReply(ASK, f"good {n}", True, "u") for n in range(3)]
    ratings.append(RatedReply(OTHER, "bad", False, "u"))
    found = rated(of(rated=tuple(ratings)))
    good = [e.weight for e in found if e.gains[0] == 1.0]
    bad = [e.weight for e in found if e.gains[0] == 0.0]
    assert (sum(good), sum(bad)) == pytest.approx((2.0, 2.0))
    assert [e.replies[1] for e in found] == ["bad", "bad", "bad", "good 0"]


def test_pairs_stand_in_for_ratings() -> None:
    found = rated(of(pair("a", "b"), replace(pair("c", "d"), prompt=OTHER)))
    assert [(e.replies, e.gains[0]) for e in found] == [
        (("a", "c"), 1.0),
        (("b", "c"), 0.0),
        (("c", "a"), 1.0),
        (("d", "a"), 0.0),
    ]


ROWS = [{"prompt": [0] * n, "replies": [[0]]} for n in (1, 9, 2, 8, 3, 7)]


def test_every_round_has_every_row_and_parts_are_of_like_length() -> None:
    planned = plan(ROWS, steps=3, batch=4, part=2, seed=1)
    assert sorted(planned[:4] + planned[4:8] + planned[8:]) == sorted([*range(6)] * 2)
    longest = [max(len(ROWS[n]["prompt"]) for n in planned[i : i + 2]) for i in range(0, 12, 2)]
    shortest = [min(len(ROWS[n]["prompt"]) for n in planned[i : i + 2]) for i in range(0, 12, 2)]
    for step in range(3):
        low, high = sorted((2 * step, 2 * step + 1), key=lambda i: longest[i])
        assert longest[low] <= shortest[high]


def test_the_order_is_the_seed_s() -> None:
    first = plan(ROWS, steps=3, batch=4, part=2, seed=1)
    assert plan(ROWS, steps=3, batch=4, part=2, seed=1) == first
    assert plan(ROWS, steps=3, batch=4, part=2, seed=2) != first
