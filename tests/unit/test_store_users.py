"""What the store keeps about one user, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from persona_engine.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    ScopeError,
)
from persona_engine.store import Fold, NewComparison, Store
from persona_engine.types import Instruction, Posterior, Scope
from tests.stored_people import MOMENT, PAIR, alice, bob, counting, instruction, posterior


@pytest.mark.parametrize(
    "name", ["", "   ", "a\nb", "a\0b", "x" * 257, "\ud800", None, 7, b"alice"]
)
def test_names_that_are_no_scope_are_refused(store: Store, name: object) -> None:
    with pytest.raises(ScopeError, match="user is"):
        store.user(Scope("acme", name))  # type: ignore[arg-type]
    with pytest.raises(ScopeError, match="tenant is"):
        store.user(Scope(name, "alice"))  # type: ignore[arg-type]
    with pytest.raises(ScopeError):
        store.tenant(name)  # type: ignore[arg-type]


def test_record_keeps_order_and_content_under_a_clock_that_stands_still(store_url: str) -> None:
    with Store(store_url, clock=lambda: MOMENT) as store:
        user = alice(store)
        for number in range(30):
            user.record([NewComparison(f"π {number} 🙂", "a", "b", 0.5, "edit", "q-1")])
        events = user.comparisons()
    assert [event.prompt for event in events] == [f"π {number} 🙂" for number in range(30)]
    assert {(e.weight, e.source, e.question, e.reply) for e in events} == {
        (0.5, "edit", "q-1", None)
    }
    assert {event.created_at for event in events} == {MOMENT}


def test_record_returns_what_is_stored(store: Store) -> None:
    assert alice(store).record([]) == ()
    assert alice(store).created_at() is None
    written = alice(store).record([PAIR, PAIR])
    assert alice(store).comparisons() == written
    assert alice(store).created_at() == written[0].created_at


def test_fold_gets_the_stored_posterior_and_sees_the_new_events(store: Store) -> None:
    seen = []

    def apply(before: Posterior | None, events: int) -> Posterior:
        assert len(alice(store).comparisons()) == events
        seen.append((None if before is None else before.count, events))
        return posterior(events)

    for _ in range(3):
        alice(store).record([PAIR], fold=Fold("hierarchical", "v1", apply))
    assert seen == [(None, 1), (1, 2), (2, 3)]
    stored, version = alice(store).posterior("hierarchical", "v1") or pytest.fail("none stored")
    assert (stored.count, version) == (3, 3)
    np.testing.assert_array_equal(stored.state["precision"], np.arange(4.0))
    assert stored.state["precision"].dtype == np.float64


def test_fold_that_returns_none_deletes_the_posterior(store: Store) -> None:
    alice(store).record([PAIR], fold=counting())
    alice(store).record([PAIR], fold=Fold("hierarchical", "v1", lambda *_: None))
    assert alice(store).posterior("hierarchical", "v1") is None
    assert len(alice(store).comparisons()) == 2


def test_fold_that_raises_leaves_nothing(store: Store) -> None:
    def refuse(*_: object) -> Posterior:
        raise ValueError("the plugin is broken")

    with pytest.raises(ValueError, match="broken"):
        alice(store).record([PAIR], fold=Fold("hierarchical", "v1", refuse))
    with pytest.raises(InvalidInputError, match="the fold gave"):
        alice(store).record([PAIR], fold=Fold("vpl", "v1", lambda *_: posterior(1)))
    assert alice(store).comparisons() == ()
    assert alice(store).created_at() is None


def test_same_key_and_content_writes_once(store: Store) -> None:
    first = alice(store).record([PAIR, PAIR], idempotency_key="k", fold=counting())
    again = alice(store).record([PAIR, PAIR], idempotency_key="k", fold=counting())
    assert again == first == alice(store).comparisons()
    stored = alice(store).posterior("hierarchical", "v1")
    assert stored is not None
    assert stored[0].count == 1
    assert bob(store).record([PAIR], idempotency_key="k") != first


@pytest.mark.parametrize(
    "other",
    [
        [PAIR],
        [PAIR, NewComparison("Plan my day", "A long answer.", "Short.")],
        [PAIR, NewComparison("Plan my day", "Short.", "A long answer.", weight=2.0)],
    ],
)
def test_same_key_for_other_content_conflicts(store: Store, other: list[NewComparison]) -> None:
    alice(store).record([PAIR, PAIR], idempotency_key="k")
    with pytest.raises(ConflictError, match="'k' was used before"):
        alice(store).record(other, idempotency_key="k")
    assert len(alice(store).comparisons()) == 2


@pytest.mark.parametrize(
    "bad",
    [
        NewComparison("nul \0", "a", "b"),
        NewComparison("p", "half \ud83d", "b"),
        NewComparison("p", "a", None),  # type: ignore[arg-type]
        NewComparison("p", "a", "b", weight=float("nan")),
        NewComparison("p", "a", "b", weight=-1.0),
        NewComparison("p", "a", "b", weight=float("inf")),
        NewComparison("p", "a", "b", source=""),
        NewComparison("p", "a", "b", question="q" * 257),
        NewComparison("p", "a", "b" * 10_000_001),
    ],
)
def test_what_sql_cannot_hold_is_refused_before_anything_is_written(
    store: Store, bad: NewComparison
) -> None:
    with pytest.raises(InvalidInputError):
        alice(store).record([PAIR, bad], fold=counting())
    assert store.tenant("acme").users() == ()


def test_feedback_about_an_unknown_reply_is_not_found(store: Store) -> None:
    bob(store).save_reply("r1", prompt=[], text="Hi", candidates=["Hi"], trace={})
    for reply in ("r1", "never"):
        with pytest.raises(NotFoundError, match=f"no reply '{reply}' for this user"):
            alice(store).record([NewComparison("p", "a", "b", reply=reply)])
        with pytest.raises(NotFoundError, match=f"no reply '{reply}' for this user"):
            alice(store).rate(reply, 1.0)
        with pytest.raises(NotFoundError, match=f"no reply '{reply}' for this user"):
            alice(store).reply(reply)
    assert alice(store).comparisons() == ()


def test_posterior_versions_detect_other_writers(store: Store) -> None:
    user = alice(store)
    assert user.save_posterior(posterior(0), expected_version=None) == 1
    assert user.save_posterior(posterior(0), expected_version=1) == 2
    for stale in (None, 1, 3):
        with pytest.raises(ConflictError, match="at version 2"):
            user.save_posterior(posterior(0), expected_version=stale)
    assert bob(store).posterior("hierarchical", "v1") is None
    assert store.user(Scope("other", "alice")).posterior("hierarchical", "v1") is None


def test_instructions_keep_their_history(store: Store) -> None:
    user = alice(store)
    full = Instruction(
        "i1",
        "Kein Fleisch 🌱",
        MOMENT,
        "constraint",
        "must",
        "recipes",
        "operator",
        0.25,
        "suggested",
        MOMENT,
        MOMENT + timedelta(days=1),
    )
    user.add_instruction(full)
    assert user.instruction("i1") == full
    user.replace_instruction(["i1"], instruction("i2"))
    assert [(i.id, i.status, i.supersedes) for i in user.instructions()] == [
        ("i1", "superseded", None),
        ("i2", "active", "i1"),
    ]
    assert [i.id for i in user.instructions(status="active")] == ["i2"]
    assert user.change_instructions({"i2": ("retracted", None)})[0].status == "retracted"
    assert user.instructions(status="active") == ()
    with pytest.raises(ConflictError, match="superseded already"):
        user.replace_instruction(["i1"], instruction("i3"))
    with pytest.raises(ConflictError, match="'i2' is stored already"):
        user.add_instruction(instruction("i2"))
    with pytest.raises(ConflictError, match="'i1' is stored already"):
        user.replace_instruction(["i2"], instruction("i1"))
    assert user.instruction("i2").status == "retracted"


def test_foreign_and_unknown_instructions_look_alike(store: Store) -> None:
    bob(store).add_instruction(instruction("i1"))
    store.user(Scope("other", "alice")).add_instruction(instruction("i1"))
    for name in ("i1", "never"):
        expected = f"no instruction '{name}' for this user"
        with pytest.raises(NotFoundError, match=expected):
            alice(store).instruction(name)
        with pytest.raises(NotFoundError, match=expected):
            alice(store).change_instructions({name: ("retracted", None)})
        with pytest.raises(NotFoundError, match=expected):
            alice(store).replace_instruction([name], instruction("i2"))
    assert alice(store).instructions() == ()
    assert bob(store).instruction("i1").status == "active"


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "\0"},
        {"trust": 1.5},
        {"trust": float("nan")},
        {"status": "gone"},
        {"kind": "wish"},
        {"created_at": datetime(2026, 1, 1)},
        {"valid_until": datetime(2026, 1, 1)},
        {"id": ""},
    ],
)
def test_instructions_that_cannot_be_stored_are_refused(
    store: Store, fields: dict[str, object]
) -> None:
    values = {"id": "i1", "text": "Be brief.", "created_at": MOMENT, **fields}
    with pytest.raises(InvalidInputError):
        alice(store).add_instruction(Instruction(**values))  # type: ignore[arg-type]
    assert alice(store).created_at() is None
