"""Replies of a host's own model are kept for feedback and explained like the engine's."""

from __future__ import annotations

import pytest

from persona_engine.errors import ConflictError, InvalidInputError, NotFoundError

ASK = [{"role": "user", "content": "What shall I cook?"}]


def test_feedback_on_a_hosts_reply_is_learned_from(kitchen):
    ann = kitchen.user("ann")
    done = ann.personalize(ASK)
    ranking = ann.rank(ASK, ["warm dish", "cold dish"])
    kept = ann.replied(ASK, "cold dish", personalized=done, ranking=ranking)
    (learned,) = ann.feedback(kept.id, rating=1)
    assert (learned.chosen, learned.rejected) == ("cold dish", "warm dish")
    assert {each.text for each in kept.trace.candidates} == {"cold dish", "warm dish"}
    assert "2 candidates were compared" in ann.explain(kept.id).text


def test_a_reply_by_itself_can_be_edited_and_belongs_to_one_person(kitchen):
    ann = kitchen.user("ann")
    kept = ann.replied(ASK, "cold dish", reply_id="mine")
    assert kept.id == "mine"
    with pytest.raises(ConflictError, match="'mine'"):
        ann.replied(ASK, "cold dish", reply_id="mine")
    with pytest.raises(NotFoundError):
        kitchen.user("bob").feedback("mine", rating=1)
    (learned,) = ann.feedback("mine", better="warm dish")
    assert learned.chosen == "warm dish"
    assert "This is the base reply" in ann.explain("mine").text


def test_what_cannot_be_kept_is_refused(kitchen):
    ann = kitchen.user("ann")
    with pytest.raises(InvalidInputError, match="messages is"):
        ann.replied([], "cold dish")
    with pytest.raises(InvalidInputError):
        ann.replied(ASK, "half a pair \udc00")


def test_several_replies_are_worth_asking_for_once_something_is_known(kitchen):
    ann, bob = kitchen.user("ann"), kitchen.user("bob")
    assert not ann.tells_apart(ASK, ann.personalize(ASK))
    for number in range(4):
        ann.compare(f"What shall I cook on day {number}?", "warm warm dish", "cold cold dish")
    assert ann.tells_apart(ASK, ann.personalize(ASK))
    assert not bob.tells_apart(ASK, bob.personalize(ASK))
