"""Nobody judges who trains, and nothing trains that is judged on."""

from __future__ import annotations

import pytest

from persona_engine.adapters.examples import Parts, Selection, training_task
from persona_engine.adapters.fingerprint import fingerprint
from persona_engine.adapters.members import Division, drawn, read_members
from persona_engine.errors import InvalidInputError
from persona_engine.store import NewComparison
from persona_engine.types import Scope

DIVISION = Division(users=0.4, prompts=0.4)


def members_of(bench, division=DIVISION, seed=0):
    shop = bench.shop
    return read_members(
        shop.learner, "acme", shop.clusterer, shop.clustering, division=division, seed=seed
    )


def task_of(bench, members, cluster="home", **selection):
    chosen = Selection(**{"parts": 1, **selection})
    people = members.training(cluster, least=chosen.membership)
    return training_task(
        members,
        cluster,
        weights=bench.shop.weights,
        folder=bench.shop.folder,
        parts=Parts.of(people, chosen.parts, seed=0),
        selection=chosen,
        seed=0,
    )


def test_the_same_share_of_each_cluster_is_held_out(bench):
    members = members_of(bench)
    assert len(members.people) == 40
    for cluster, home in (("home", True), ("way", False)):
        judges = members.judging(cluster, least=0.5)
        assert len(judges) == 8
        assert all(int(each.name[-2:]) % 2 == home for each in judges)
        training = members.training(cluster, least=0.5)
        assert len(training) == 12
        assert not {each.name for each in judges} & {each.name for each in training}


def test_nothing_held_out_is_trained_on(bench):
    members = members_of(bench)
    task = task_of(bench, members)
    prompts = {pair.prompt[-1]["content"] for pair in task.pairs}
    assert prompts
    assert not prompts & members.held_out
    judged = {
        event.prompt
        for person in members.judging("home", least=0.5)
        for event, out in zip(person.events, person.held_out, strict=True)
        if out
    }
    assert judged
    assert judged <= members.held_out
    judges = {each.name for each in members.people if each.judges}
    assert not {pair.user for pair in task.pairs} & judges


def test_prompts_that_only_trainers_were_asked_train(bench):
    trainer = members_of(bench).training("home", least=0.5)[0].name
    bench.store.user(Scope("acme", trainer)).record(
        [NewComparison(f"private {n}", "warm home", "long way") for n in range(10)]
    )
    members = members_of(bench)
    assert not any("private" in each for each in members.held_out)
    texts = {pair.prompt[-1]["content"] for pair in task_of(bench, members).pairs}
    assert {f"private {n}" for n in range(10)} <= texts


def test_held_out_users_are_placed_without_what_they_are_judged_on(bench):
    for person in members_of(bench).people:
        if person.judges:
            assert person.posterior.count == (~person.held_out).sum()


def test_ties_and_weights(bench):
    trainer = members_of(bench).training("home", least=0.5)[0].name
    bench.store.user(Scope("acme", trainer)).record(
        [
            NewComparison("weighed", "warm", "way", weight=3.0),
            NewComparison("tied", "warm", "way", tie=True),
        ]
    )
    members = members_of(bench)
    (pair,) = (p for p in task_of(bench, members).pairs if p.prompt[-1]["content"] == "weighed")
    (person,) = (each for each in members.people if each.name == trainer)
    assert pair.weight == pytest.approx(3.0 * person.membership[0])
    assert 0.5 < pair.probability <= 1.0
    assert not any(p.prompt[-1]["content"] == "tied" for p in task_of(bench, members).pairs)


def test_equal_judgements_become_one_pair(bench):
    people = [each.name for each in members_of(bench).training("home", least=0.5)][:5]
    for number, name in enumerate(people):
        sides = ("warm", "way") if number < 4 else ("way", "warm")
        bench.store.user(Scope("acme", name)).record([NewComparison("same", *sides)])
    members = members_of(bench)
    pairs = [p for p in task_of(bench, members).pairs if p.prompt[-1]["content"] == "same"]
    found = {pair.chosen: pair for pair in pairs}
    assert len(pairs) == 2
    assert found["warm"].weight > 3 * found["way"].weight > 0
    assert found["warm"].probability > 0.5


def test_pairs_that_tell_most_are_kept(bench):
    people = [each.name for each in members_of(bench).training("home", least=0.5)]
    for number, name in enumerate(people):
        sides = ("warm", "way") if number % 2 else ("way", "warm")
        both = [NewComparison("agreed", "warm home", "long"), NewComparison("split", *sides)]
        bench.store.user(Scope("acme", name)).record(both)
    members = members_of(bench)
    few = task_of(bench, members, pairs=1, prompts=1)
    assert [pair.chosen for pair in few.pairs] == ["warm home"]
    assert len(few.prompts) == 1
    prompts = [pair.prompt[-1]["content"] for pair in task_of(bench, members).pairs]
    assert prompts.count("split") == 2


def test_pairs_name_their_part_where_that_is_asked(bench):
    members = members_of(bench)
    task = task_of(bench, members, parts=2, membership=1e-9, by_part=True)
    assert {pair.group for pair in task.pairs} == {"part-1", "part-2"}
    assert {pair.group for pair in task_of(bench, members, parts=2).pairs} == {""}


def test_parts_of_like_taste(bench):
    members = members_of(bench)
    people = members.people
    parts = Parts.of(people, 2, seed=0)
    named = {(parts.name_of(each), int(each.name[-2:]) % 2) for each in people}
    assert len(named) == 2  # the two groups
    assert {part for part, _ in named} == {"part-1", "part-2"}
    assert len(Parts.of(people[:3], 2, seed=0).centres) == 1


def test_the_fingerprint_names_what_is_trained_on(bench):
    members = members_of(bench)
    task = task_of(bench, members)
    assert fingerprint(task) == fingerprint(task_of(bench, members_of(bench)))
    assert fingerprint(task) != fingerprint(task_of(bench, members, "way"))


def test_who_comes_later_changes_nobodys_place():
    names = [f"user-{n}" for n in range(20)]
    assert [each for each in drawn([*names, "new"], 3, "x") if each != "new"] == drawn(
        names, 3, "x"
    )
    assert drawn(names, 3, "x") != drawn(names, 4, "x")


@pytest.mark.parametrize("wrong", [{"users": 0.0}, {"prompts": 1.0}, {"most_users": 1}])
def test_divisions_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="expected"):
        Division(**wrong)
