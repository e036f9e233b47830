"""Replies that were given and their ratings, on both databases."""

from __future__ import annotations

import pytest

from persona_engine.errors import ConflictError, InvalidInputError
from persona_engine.store import NewComparison, Store, UserStore
from persona_engine.types import Scope


def alice(store: Store) -> UserStore:
    return store.user(Scope("acme", "alice"))


def test_replies_and_ratings(store: Store) -> None:
    user = alice(store)
    prompt = [{"role": "user", "content": "Grüße 🙂"}]
    user.save_reply("r1", prompt=prompt, text="a", candidates=["a", "b"], trace={"x": [1, None]})
    stored = user.reply("r1")
    assert (list(stored.prompt), stored.candidates, dict(stored.trace)) == (
        prompt,
        ("a", "b"),
        {"x": [1, None]},
    )
    first = user.rate("r1", 1, idempotency_key="k")
    assert user.rate("r1", 1.0, idempotency_key="k") == first
    with pytest.raises(ConflictError, match="another rating"):
        user.rate("r1", -1.0, idempotency_key="k")
    assert len(user.export()["ratings"]) == 1
    user.record([NewComparison("p", "a", "b", reply="r1")])
    with pytest.raises(ConflictError, match="'r1' is stored already"):
        user.save_reply("r1", prompt=[], text="", candidates=[], trace={})


def test_the_newest_rating_of_each_reply_counts(store: Store) -> None:
    user = alice(store)
    assert user.ratings() == ()
    for reply in ("r1", "r2"):
        prompt = [{"role": "user", "content": reply}]
        user.save_reply(reply, prompt=prompt, text=f"of {reply}", candidates=[], trace={})
    for reply, value in (("r1", 1.0), ("r2", 0.5), ("r1", -1.0)):
        user.rate(reply, value)
    found = {each.text: each.value for each in user.ratings()}
    assert found == {"of r1": -1.0, "of r2": 0.5}
    assert user.ratings()[0].prompt[0]["content"] in ("r1", "r2")
    assert store.user(Scope("acme", "bob")).ratings() == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", None, True])
def test_ratings_that_are_no_number_are_refused(store: Store, value: object) -> None:
    alice(store).save_reply("r1", prompt=[], text="", candidates=[], trace={})
    with pytest.raises(InvalidInputError, match="rating is"):
        alice(store).rate("r1", value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "trace", [{"x": float("nan")}, {"x": object()}, {"x": "\0"}, {"x": "\udc00"}]
)
def test_traces_that_are_no_json_are_refused(store: Store, trace: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="trace"):
        alice(store).save_reply("r1", prompt=[], text="", candidates=[], trace=trace)
    assert alice(store).created_at() is None


def test_backslashes_are_no_nul(store: Store) -> None:
    trace = {"path": r"C:\u0000"}
    alice(store).save_reply("r1", prompt=[], text="", candidates=[], trace=trace)
    assert alice(store).reply("r1").trace == trace
