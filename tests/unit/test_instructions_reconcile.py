"""Repeats merge; changed wishes do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module

import numpy as np
import pytest

from persona_engine.instructions import reconcile
from persona_engine.instructions.relations.scorer import Relations
from persona_engine.interfaces import LanguageTools
from persona_engine.types import Instruction

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = Instruction("old", "Answer in British English.", NOW)


def decide(text, old=OLD, cosine=None, **fields):
    new = Instruction("new", text, NOW, **fields)
    if cosine is None:
        return reconcile(new, [old])
    vectors = np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    return reconcile(new, [old], tools=LanguageTools(lambda texts: vectors, "any"))


@pytest.mark.parametrize(
    "text", ["answer in  british english", "ANSWER IN “BRITISH” ENGLISH!", OLD.text]
)
def test_equal_words_merge_without_embeddings(text):
    decision = decide(text)
    assert (decision.action, decision.existing, decision.similarity) == ("keep", OLD, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "cosine", "action"),
    [
        ("Answer in British English.", "Please always answer in British English", 0.97, "keep"),
        ("Use bullet points", "Use a bullet point, please", 0.95, "keep"),
        ("Answer in British English.", "Please answer in British English", 0.80, "add"),
        ("Use at most 3 sentences", "Use at most 5 sentences", 0.99, "add"),
        ("Use emoji", "Don't use emoji", 0.99, "add"),
        ("I prefer tea over coffee", "I prefer coffee over tea", 0.99, "add"),
        ("Show code in C++", "Show code in C#", 0.99, "add"),
        ("😀", "🚫", 0.99, "add"),
        ("Round to 1.5", "Round to 15", 0.99, "add"),
    ],
)
def test_only_fillers_and_plurals_may_differ(before, after, cosine, action):
    assert decide(after, replace(OLD, text=before), cosine=cosine).action == action


def test_more_weight_replaces():
    guess = replace(OLD, source="induced", trust=0.6)
    assert decide(OLD.text, guess).action == "replace"
    assert decide(OLD.text, strength="must").action == "replace"
    assert decide(OLD.text, source="induced", trust=0.6).action == "keep"


def test_what_differs_in_more_than_words_stays_apart():
    assert decide(OLD.text, scope="e-mails").action == "add"
    assert decide(OLD.text, valid_until=NOW).action == "add"
    assert decide(OLD.text, replace(OLD, source="operator")).action == "add"
    assert decide(OLD.text, replace(OLD, status="retracted")).action == "add"


def test_nearest_of_several_is_named():
    others = [replace(OLD, id=str(i), text="Please answer in British English") for i in range(2)]
    vectors = np.array([[1.0, 0.0], [0.95, 0.0], [0.98, 0.0]])
    new = Instruction("new", OLD.text, NOW)
    decision = reconcile(new, others, tools=LanguageTools(lambda texts: vectors, "any"))
    assert decision.existing == others[1]
    assert decision.similarity == pytest.approx(0.98)
    assert reconcile(new, []).action == "add"


@pytest.fixture
def judge(monkeypatch):
    """Decide as if the scorer had found given probabilities of (same, update)."""

    def decide(new, existing, *found):
        same, update = np.array(found, np.float32).T
        cosine = np.full(len(found), 0.7, np.float32)

        def relate(new, existing, *, tools):
            return Relations(
                same[: len(existing)], update[: len(existing)], cosine[: len(existing)]
            )

        monkeypatch.setattr(
            import_module("persona_engine.instructions.reconcile"), "relate", relate
        )
        return reconcile(new, existing, tools=LanguageTools(lambda texts: np.eye(len(texts)), "x"))

    return decide


def said(name, **fields):
    return Instruction(name, f"words of {name}", NOW, **fields)


def test_scorer_merges_supersedes_or_adds(judge):
    old, new = said("old"), said("new")
    assert judge(new, [old], (0.9, 0.05)).action == "keep"
    assert judge(replace(new, strength="must"), [old], (0.9, 0.05)).action == "replace"
    update = judge(new, [old], (0.05, 0.9))
    assert (update.action, update.existing, update.superseded) == ("supersede", old, (old,))
    assert update.probability == pytest.approx(0.9)
    assert "words of old" in update.reason
    assert judge(new, [old], (0.2, 0.2)).action == "add"


def test_all_that_is_contradicted_goes_and_what_says_the_same_with_it(judge):
    one, other, same, apart = (said(name) for name in ("one", "other", "same", "apart"))
    decision = judge(
        said("new"), [one, other, same, apart], (0.1, 0.7), (0.1, 0.8), (0.9, 0.0), (0.1, 0.1)
    )
    assert decision.superseded == (other, one, same)
    assert decision.existing == other


def test_guesses_never_supersede_what_was_said(judge):
    old = said("old")
    guess = said("guess", source="induced", trust=0.6)
    assert judge(guess, [old], (0.05, 0.9)).action == "add"
    assert judge(said("maybe", status="suggested"), [old], (0.05, 0.9)).action == "add"
    assert judge(said("new"), [guess], (0.05, 0.9)).superseded == (guess,)
    earlier = said("earlier", source="induced", trust=0.6)
    assert judge(guess, [earlier], (0.05, 0.9)).superseded == (earlier,)


@pytest.mark.parametrize(
    "fields", [{"source": "operator"}, {"status": "retracted"}, {"valid_until": NOW}]
)
def test_operators_rules_and_other_times_are_left_alone(judge, fields):
    assert judge(said("new"), [said("old", **fields)], (0.05, 0.9)).action == "add"
    if "source" in fields:
        assert judge(said("new", **fields), [said("old")], (0.05, 0.9)).action == "add"
