"""Export, import and forgetting of a user, on both databases."""

from __future__ import annotations

import json

import numpy as np
import pytest

from persona_engine.errors import ConflictError, InvalidInputError
from persona_engine.store import NewComparison, Store, UserStore, content_key
from persona_engine.types import Population
from tests.stored_people import PAIR, alice, bob, counting, instruction


def fill(store: Store, user: UserStore) -> None:
    user.save_reply("r1", prompt=[], text="Hi", candidates=["Hi"], trace={})
    user.record([PAIR], fold=counting(), idempotency_key="k")
    user.record([NewComparison("p", "own a", "own b", reply="r1")], fold=counting())
    user.rate("r1", 0.5)
    user.add_instruction(instruction("i1"))
    user.replace_instruction(["i1"], instruction("i2"))
    user.steer({"length": -1.0})
    user.audit("import", {"rows": 1})


def test_export_is_json_and_restores_into_another_user(store: Store) -> None:
    fill(store, alice(store))
    document = json.loads(json.dumps(alice(store).export()))
    assert bob(store).restore(document) == 7
    assert bob(store).restore(document) == 0
    assert bob(store).comparisons() == alice(store).comparisons()
    assert bob(store).instructions() == alice(store).instructions()
    assert bob(store).reply("r1") == alice(store).reply("r1")
    assert bob(store).posterior("hierarchical", "v1") is None
    assert bob(store).steering() == {"length": -1.0}
    sections = ("comparisons", "instructions", "ratings", "replies", "steering")
    again = bob(store).export()
    assert {name: again[name] for name in sections} == {name: document[name] for name in sections}
    assert len(document["posteriors"]) == 1
    assert len(document["audit_events"]) == 1


def test_steering_is_set_and_taken_back_by_attribute(store: Store) -> None:
    user = alice(store)
    assert user.steer({"length": -1.0, "humour": 0.5}) == {"humour": 0.5, "length": -1.0}
    assert user.steer({"length": 0.0, "warmth": 2}) == {"humour": 0.5, "warmth": 2.0}
    assert user.steering() == {"humour": 0.5, "warmth": 2.0}
    assert bob(store).steering() == {}
    for bad in ({"humour": 0.0, "warmth": 11}, {"humour": 0.0, "": 1}, {"humour": float("nan")}):
        with pytest.raises(InvalidInputError):
            user.steer(bad)
    assert user.steering() == {"humour": 0.5, "warmth": 2.0}


def test_restored_comparisons_delete_the_posterior_that_lacks_them(store: Store) -> None:
    fill(store, alice(store))
    bob(store).record([PAIR], fold=counting())
    bob(store).restore(alice(store).export())
    assert bob(store).posterior("hierarchical", "v1") is None
    assert store.check() == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.update(format="other"),
        lambda d: d.update(version=99),
        lambda d: d.update(comparisons={}),
        lambda d: d["comparisons"].append("text"),
        lambda d: d["comparisons"][1].pop("chosen"),
        lambda d: d["comparisons"][1].update(chosen="\0"),
        lambda d: d["comparisons"][1].update(weight=float("nan")),
        lambda d: d["comparisons"][1].update(created_at="yesterday"),
        lambda d: d["comparisons"][1].update(created_at="2026-01-01T00:00:00"),
        lambda d: d["comparisons"][1].update(id=d["comparisons"][0]["id"]),
        lambda d: d["comparisons"][1].update(reply="never"),
        lambda d: d["ratings"][0].update(value="good"),
        lambda d: d["ratings"][0].update(reply="never"),
        lambda d: d["replies"][0].update(candidates="Hi"),
        lambda d: d["replies"][0].update(candidates=[1]),
        lambda d: d["instructions"][0].update(status="gone"),
        lambda d: d["instructions"][0].update(trust=2),
        lambda d: d["steering"][0].update(strength=11),
        lambda d: d["steering"].append(d["steering"][0]),
    ],
)
def test_damaged_documents_write_nothing(store: Store, damage: object) -> None:
    fill(store, alice(store))
    document = json.loads(json.dumps(alice(store).export()))
    damage(document)  # type: ignore[operator]
    with pytest.raises(InvalidInputError):
        bob(store).restore(document)
    assert bob(store).created_at() is None


def test_restore_over_other_content_conflicts(store: Store) -> None:
    fill(store, alice(store))
    document = alice(store).export()
    document["comparisons"][0]["chosen"] = "Something else."
    with pytest.raises(ConflictError, match="other content"):
        alice(store).restore(document)
    assert alice(store).comparisons()[0].chosen == PAIR.chosen


def test_forget_leaves_no_trace_of_the_user_and_all_of_others(store: Store) -> None:
    fill(store, alice(store))
    fill(store, bob(store))
    tenant = store.tenant("acme")
    own = content_key("p", "own a")
    bob(store).record([NewComparison("p", "own a", "x")])
    private = NewComparison("secret", "mine", "b")
    alice(store).record([private])
    vector = np.ones(2, np.float32)
    keys = [own, content_key("secret", "mine"), content_key((), "secret"), content_key("z", "z")]
    tenant.save_embeddings("space", dict.fromkeys(keys, vector))
    population = Population("hierarchical", "space", {"w": vector})
    tenant.save_population(population, users=["alice", "bob"])
    before = bob(store).export()

    receipt = alice(store).forget()

    assert receipt.rows["comparison"] == 3
    assert receipt.rows["app_user"] == receipt.rows["posterior"] == receipt.rows["rating"] == 1
    assert receipt.rows["steering"] == 1
    assert receipt.cached_embeddings == 3
    assert receipt.stale == (population.version,)
    assert tenant.populations()[0].stale
    assert set(tenant.embeddings("space", keys)) == {content_key("z", "z")}
    assert tenant.users() == ("bob",)
    empty = alice(store).export()
    assert empty["created_at"] is None
    assert all(not empty[name] for name in ("comparisons", "instructions", "posteriors", "replies"))
    after = bob(store).export()
    assert {**after, "exported_at": ""} == {**before, "exported_at": ""}
    events = tenant.audit_events()
    assert [event.action for event in events] == ["import", "forget"]
    assert "alice" not in str(events)
    assert store.check() == ()


def test_forgetting_a_stranger_deletes_nothing(store: Store) -> None:
    fill(store, bob(store))
    receipt = alice(store).forget()
    assert set(receipt.rows.values()) == {0}
    assert store.tenant("acme").users() == ("bob",)
