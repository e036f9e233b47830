"""Who is fitted on and what is predicted: nothing that is predicted was ever learned from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_engine.evaluation import Comparisons, Item
from persona_engine.evaluation.splits import few_shot_split, group_splits
from persona_engine.evaluation.votes import VoteDataset

SHOTS = (0, 1, 2, 4, 8)
few = settings(max_examples=40)


@st.composite
def crowds(draw):
    """Comparisons of some people over some texts and prompts, in each person's order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    users, texts, prompts = draw(st.integers(2, 12)), draw(st.integers(4, 40)), 5
    items = [
        Item(f"t{n % texts}", f"t{n % texts}", f"p{n // texts}") for n in range(texts * prompts)
    ]
    count = rng.integers(0, 30, users)
    user = np.repeat(np.arange(users), count)
    prompt = rng.integers(0, prompts, len(user))
    first = rng.integers(0, texts, len(user))
    second = (first + 1 + rng.integers(0, texts - 1, len(user))) % texts
    rows = Comparisons(
        user,
        prompt * texts + first,
        prompt * texts + second,
        np.where(rng.random(len(user)) < 0.2, 0.5, 1.0),
        np.ones(len(user)),
        rng.integers(-1, 3, len(user)),
        rng.random(len(user)) if draw(st.booleans()) else np.full(len(user), np.inf),
    )
    return rows.in_order(rng), items, users


def split(crowd, disjoint=None, fewest=1, seed=0):
    rows, items, users = crowd
    return few_shot_split(
        rows,
        items,
        users=users,
        shots=SHOTS,
        rng=np.random.default_rng(seed),
        disjoint=disjoint,
        fewest=fewest,
    )


def cases(divided):
    return [(trial.shots, case) for trial in divided.trials for case in trial.cases]


@few
@given(crowds(), st.sampled_from([None, "items", "prompts"]))
def test_nobody_is_both_learned_from_and_predicted(crowd, disjoint):
    rows = crowd[0]
    divided = split(crowd, disjoint)
    judged = {case.user for _, case in cases(divided)}
    assert judged.isdisjoint(rows.user[divided.fit].tolist())
    for shots, case in cases(divided):
        assert len(case.support) == shots
        assert set(rows.user[[*case.support, *case.query]]) == {case.user}
        assert set(case.support.tolist()).isdisjoint(case.query.tolist())


@few
@given(crowds(), st.sampled_from([None, "items", "prompts"]))
def test_ties_are_never_predicted_and_queries_are_few(crowd, disjoint):
    rows = crowd[0]
    for _, case in cases(split(crowd, disjoint)):
        assert not rows.tied[case.query].any()
        assert 1 <= len(case.query) <= 40


@few
@given(crowds())
def test_queries_come_later_and_stay_the_same_at_every_shot(crowd):
    rows = crowd[0]
    queries = {}
    for _, case in cases(split(crowd)):
        assert queries.setdefault(case.user, case.query.tolist()) == case.query.tolist()
        own = np.flatnonzero(rows.user == case.user)
        assert case.support.tolist() == own[: len(case.support)].tolist()
        assert len(case.support) == 0 or case.support.max() < case.query.min()
        if rows.timed and len(case.support):
            assert rows.time[case.support].max() <= rows.time[case.query].min()


@few
@given(crowds())
def test_item_disjoint_queries_use_no_text_of_the_support(crowd):
    rows, items, _ = crowd

    def texts(of):
        return {items[each].id for side in (rows.chosen, rows.rejected) for each in side[of]}

    for _, case in cases(split(crowd, "items")):
        assert texts(case.support).isdisjoint(texts(case.query))


@few
@given(crowds())
def test_prompt_disjoint_queries_are_of_prompts_that_nobody_learned_from(crowd):
    rows, items, _ = crowd
    divided = split(crowd, "prompts")
    learned = {items[each].prompt for each in rows.chosen[divided.fit]}
    for _, case in cases(divided):
        asked = {items[each].prompt for each in rows.chosen[case.query]}
        shown = {items[each].prompt for each in rows.chosen[case.support]}
        assert asked.isdisjoint(learned | shown)
        if rows.timed and len(case.support):
            assert rows.time[case.support].max() <= rows.time[case.query].min()


@few
@given(crowds(), st.integers(1, 30))
def test_people_with_few_comparisons_are_left_out(crowd, fewest):
    rows = crowd[0]
    for _, case in cases(split(crowd, fewest=fewest)):
        assert np.count_nonzero(rows.user == case.user) >= fewest


@few
@given(crowds())
def test_equal_seeds_give_equal_splits(crowd):
    one, two = split(crowd), split(crowd)
    assert one.fit.tolist() == two.fit.tolist()
    assert [(s, c.user) for s, c in cases(one)] == [(s, c.user) for s, c in cases(two)]


def test_three_in_ten_are_unseen():
    user = np.repeat(np.arange(100), 12)
    ones = np.ones(len(user))
    zeros = np.zeros(len(user), np.int64)
    rows = Comparisons(user, zeros, zeros + 1, ones, ones, zeros, ones)
    crowd = rows, [Item("a", "a"), Item("b", "b")], 100
    divided = split(crowd)
    assert len(np.unique(user[divided.fit])) == 70
    assert [len(trial.cases) for trial in divided.trials] == [30] * len(SHOTS)
    assert split(crowd, seed=1).fit.tolist() != divided.fit.tolist()


@few
@given(crowds())
def test_a_left_out_group_is_predicted_from_the_others_only(crowd):
    rows = crowd[0]
    asked = []
    for group, divided in group_splits(rows, rng=np.random.default_rng(0)):
        assert (rows.group[divided.fit] != group).all()
        for shots, case in cases(divided):
            assert shots is None
            assert (rows.group[case.query] == group).all()
            assert (rows.group[case.support] != group).all()
            others = (rows.user == case.user) & (rows.group != group)
            assert len(case.support) == np.count_nonzero(others)
            asked += case.query.tolist()
    assert sorted(asked) == np.flatnonzero((rows.group >= 0) & ~rows.tied).tolist()


def votes(seed):
    rng = np.random.default_rng(seed)
    liked, disliked = [], []
    for _ in range(20):
        order = rng.permutation(60)
        liked.append(order[: rng.integers(0, 30)])
        disliked.append(order[30 : 30 + rng.integers(0, 30)])
    items = tuple(Item(str(n), f"text {n}") for n in range(60))
    users = tuple(map(str, range(20)))
    return VoteDataset(
        "v", "", items, users, (), liked=tuple(liked), disliked=tuple(disliked),
        user_group=np.full(20, -1),
    )  # fmt: skip


@few
@given(st.integers(0, 100), st.booleans())
def test_pairs_of_votes_are_distinct_and_of_liked_over_disliked(seed, disjoint):
    data = votes(seed)
    rows = data.draw(np.random.default_rng(seed), support=8, disjoint_items=disjoint)
    for user in range(20):
        own = rows.take(rows.user == user)
        pairs = list(zip(own.chosen.tolist(), own.rejected.tolist(), strict=True))
        assert len(set(pairs)) == len(pairs) <= 48
        assert set(own.chosen) <= set(data.liked[user])
        assert set(own.rejected) <= set(data.disliked[user])
        if not disjoint:
            assert len(pairs) == min(48, len(data.liked[user]) * len(data.disliked[user]))


def test_halves_of_votes_leave_queries_that_share_nothing_with_the_support():
    data = votes(3)
    rows = data.draw(np.random.default_rng(3), support=8, disjoint_items=True)
    divided = split((rows, data.items, 20), "items")
    assert len(divided.trials[-1].cases) >= 3
    assert min(len(case.query) for case in divided.trials[-1].cases) >= 2


@pytest.mark.parametrize("timed", [True, False])
def test_order_is_by_time_or_drawn(timed):
    count = 50
    time = np.arange(count)[::-1].astype(float) if timed else np.full(count, np.inf)
    numbers = np.arange(count)
    ones = np.ones(count)
    rows = Comparisons(numbers * 0, numbers, numbers, ones, ones, numbers * 0, time)
    one, two = (rows.in_order(np.random.default_rng(seed)).chosen.tolist() for seed in (0, 1))
    assert (one == two == numbers[::-1].tolist()) == timed
    assert sorted(one) == numbers.tolist()
