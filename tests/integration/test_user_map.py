"""Users on a map by their preference embeddings, and found by name."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.errors import (
    ConflictError,
    InvalidInputError,
    NoPopulationError,
    NotFoundError,
    ScopeError,
)
from persona_engine.store import Store


def test_everybody_who_compared_stands_beside_those_of_the_same_taste(kitchen):
    kitchen.user("newcomer").instruct("Be brief.")
    found = kitchen.map_users()
    assert [each.user for each in found.placed] == [f"user-{n:02}" for n in range(20)]
    assert found.users == 21
    assert not found.areas
    assert {each.cluster for each in found.placed} == {None}
    place = np.array([(each.x, each.y) for each in found.placed])
    warm, cold = place[1::2], place[::2]
    apart = np.linalg.norm(warm.mean(0) - cold.mean(0))
    assert apart > 2 * max(
        np.linalg.norm(side - side.mean(0), axis=1).mean() for side in (warm, cold)
    )
    assert 0.9 < found.shown <= 1.0 + 1e-6


def test_clusters_in_use_have_areas_and_members(kitchen):
    report = kitchen.cluster()
    found = kitchen.map_users()
    names = [each.name for each in report.clusters]
    assert [each.name for each in found.areas] == names
    sizes = [sum(each.cluster == name for each in found.placed) for name in names]
    assert sizes == [each.size for each in report.clusters]
    assert all(0.0 < each.membership <= 1.0 + 1e-6 for each in found.placed)
    assert all(each.width >= each.height > 0.0 for each in found.areas)


def test_of_many_users_the_seed_draws_some(kitchen):
    some = kitchen.map_users(most=5)
    assert len(some.placed) == 5
    assert some.users == 20
    assert some == kitchen.map_users(most=5)
    assert some.placed != kitchen.map_users(most=5, seed=1).placed


def test_a_tenant_without_comparisons_has_an_empty_map(kitchen):
    with pytest.raises(NoPopulationError):
        kitchen.map_users(tenant="nobody")
    with pytest.raises(InvalidInputError, match="most is 0"):
        kitchen.map_users(most=0)
    with pytest.raises(InvalidInputError, match="seed"):
        kitchen.map_users(seed=-1)


def test_users_are_found_by_name_page_by_page(kitchen):
    assert kitchen.users(count=3) == ("user-00", "user-01", "user-02")
    assert kitchen.users(count=2, after="user-18") == ("user-19",)
    assert kitchen.users(containing="R-1", count=2) == ("user-10", "user-11")
    assert kitchen.users(containing="_") == ()
    assert kitchen.users(tenant="nobody") == ()
    with pytest.raises(InvalidInputError, match="count is 0"):
        kitchen.users(count=0)
    with pytest.raises(ScopeError):
        kitchen.users(tenant="")


def test_characters_that_like_reads_otherwise_are_plain(store: Store):
    from persona_engine.types import Scope

    for name in ("50%", "505", "a_b", "acb", "back\\slash"):
        store.user(Scope("default", name)).describe({"locale": "de"})
    rows = store.tenant("default")
    assert rows.find_users(containing="0%") == ("50%",)
    assert rows.find_users(containing="A_") == ("a_b",)
    assert rows.find_users(containing="\\") == ("back\\slash",)


def test_a_population_keeps_what_it_was_judged_by(kitchen):
    (row,) = kitchen.store.tenant("default").populations()
    assert row.meta["held_out"]["accuracy"] >= row.meta["held_out"]["pooled"] - 0.005


def test_comparisons_are_read_newest_first_page_by_page(kitchen):
    someone = kitchen.user("newcomer")
    for number in range(3):
        someone.compare("What?", f"warm {number}", "cold")
    chosen = [each.chosen for each in someone.comparisons()]
    assert chosen == ["warm 2", "warm 1", "warm 0"]
    assert [each.chosen for each in someone.comparisons(count=1, skip=1)] == ["warm 1"]
    assert someone.comparisons(skip=3) == ()
    for wrong in ({"count": 0}, {"skip": -1}):
        with pytest.raises(InvalidInputError):
            someone.comparisons(**wrong)


def test_a_population_is_published_and_rolled_back(kitchen):
    (first,) = kitchen.populations()
    for each in range(3):
        kitchen.user("user-01").compare("What?", f"warm {each}", "cold")
    second = kitchen.fit()
    in_use = [each.version for each in kitchen.populations() if each.published]
    assert in_use == [second.population]
    assert kitchen.roll_back_population().version == first.version
    assert kitchen.user("user-01").profile().population == first.version
    with pytest.raises(NotFoundError, match="before"):
        kitchen.roll_back_population()
    assert kitchen.publish_population(second.population).published
    assert kitchen.user("user-01").profile().population == second.population
    with pytest.raises(NotFoundError):
        kitchen.publish_population("none")
    with pytest.raises(NotFoundError):
        kitchen.roll_back_population(tenant="nobody")


def test_nobody_who_was_forgotten_comes_back_with_an_older_population(kitchen):
    (first,) = kitchen.populations()
    kitchen.user("user-01").compare("What?", "warm", "cold")
    kitchen.fit()
    kitchen.user("user-02").forget()
    with pytest.raises(ConflictError, match="forgotten"):
        kitchen.publish_population(first.version)
    with pytest.raises(NotFoundError):
        kitchen.roll_back_population()
