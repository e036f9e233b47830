"""What is kept of what a miner reads and an inducer finds, with plugins of a host."""

from __future__ import annotations

import shutil

import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.errors import ConflictError, InvalidInputError, NotFoundError, PluginError
from persona_engine.hookspecs import hookimpl
from persona_engine.onboarding import question_bank
from persona_engine.types import FollowUpComparison, Principle, Signals, Wish
from persona_engine.user.listening import message_id

TALK = [
    {"role": "user", "content": "Plan a dinner. I always want wine with it."},
    {"role": "assistant", "content": "Soup and bread."},
    {"role": "user", "content": "That is far too little."},
    {"role": "assistant", "content": "Soup, bread, roast and cake."},
]


class AlwaysMiner:
    """Takes each sentence of the person that says "always" for a wish."""

    name = "always"

    def mine(self, conversation, *, tools):
        wishes = [
            Wish(f"{sentence.strip()}.", sentence, turn, 0.8)
            for turn, message in enumerate(conversation)
            if message["role"] == "user"
            for sentence in message["content"].split(".")
            if "always" in sentence
        ]
        return Signals(tuple(wishes), (), tuple(self.followed(conversation)))

    def followed(self, conversation):
        if len(conversation) > 3:
            before, _, after = (each["content"] for each in conversation[1:4])
            yield FollowUpComparison(conversation[:1], after, before, 0.5, 2)


class EavesdroppingMiner(AlwaysMiner):
    """Also listens to the assistant."""

    name = "eavesdropper"

    def mine(self, conversation, *, tools):
        return Signals((Wish("Soup.", "Soup", 1, 0.9),))


class FirstLetterInducer:
    """Finds that every choice is for what the person chose first."""

    name = "first_letter"

    def induce(self, texts, evidence, *, attributes, rng, tools):
        assert len(texts) == len(evidence.chosen)
        return (Principle("Be brief.", "length", (0, 2), (1,), 0.01, 0.02),)


class HostPlugins:
    @hookimpl
    def persona_instruction_miners(self):
        return {"always": AlwaysMiner, "eavesdropper": EavesdroppingMiner}

    @hookimpl
    def persona_principle_inducers(self):
        return {"first_letter": FirstLetterInducer}


@pytest.fixture
def open_engine(tmp_path, sqlite_template, smollm2, minilm):
    shutil.copy(sqlite_template, tmp_path / "persona.db")
    opened = []

    def open_(**settings):
        config = EngineConfig(
            database=f"sqlite:///{tmp_path}/persona.db",
            generator=str(smollm2),
            sentence_encoder=str(minilm),
            data_folder=tmp_path / "index",
            **{"instruction_miner": "always", "principle_inducer": "first_letter", **settings},
        )
        opened.append(PersonaEngine(config=config, plugins=[HostPlugins()]))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def ann(open_engine):
    return open_engine().user("ann")


@pytest.mark.model
def test_a_wish_waits_until_it_is_accepted(ann):
    heard = ann.listen(TALK)
    (wish,) = heard.suggested
    assert (wish.text, wish.status, wish.trust) == ("I always want wine with it.", "suggested", 0.8)
    assert wish.rests_on == (message_id(TALK[0]),)
    assert ann.suggestions() == (wish,)
    assert ann.instructions() == ()
    accepted = ann.accept(wish.id)
    assert (accepted.status, ann.suggestions()) == ("active", ())
    assert ann.instructions() == (accepted,)
    with pytest.raises(ConflictError, match="is active, expected suggested"):
        ann.accept(wish.id)


@pytest.mark.model
def test_listening_again_changes_nothing(ann):
    first = ann.listen(TALK)
    assert [each.rejected for each in first.comparisons] == ["Soup and bread."]
    assert first.comparisons[0].source == "follow_up"
    again = ann.listen(TALK)
    assert again.suggested == ()
    assert again.comparisons == first.comparisons
    assert ann.profile().comparisons == 1
    ann.retract(first.suggested[0].id)
    assert ann.listen(TALK).suggested == ()


def test_what_was_said_already_is_not_suggested(ann):
    ann.instruct("I always want wine with it.")
    assert ann.listen(TALK[:1]).suggested == ()


def test_a_host_may_let_suggestions_act_at_once(open_engine):
    ann = open_engine(accept_suggestions=True).user("ann")
    (wish,) = ann.listen(TALK[:1]).suggested
    assert wish.status == "active"
    assert ann.instructions() == (wish,)


def test_what_the_person_did_not_say_is_refused_and_nothing_kept(open_engine):
    ann = open_engine(instruction_miner="eavesdropper").user("ann")
    with pytest.raises(PluginError, match=r"eavesdropper.*'Soup' from message 1"):
        ann.listen(TALK)
    assert ann.history() == ()


def test_principles_rest_on_the_comparisons_that_they_explain(ann):
    assert ann.induce() == ()
    answers = [ann.prefer(each, "a") for each in question_bank()[:3]]
    ann.prefer(question_bank()[3], "tie")
    (principle,) = ann.induce()
    assert (principle.source, principle.status) == ("induced", "suggested")
    assert principle.rests_on == (answers[0].id, answers[2].id)
    assert principle.trust == pytest.approx(2 / 3)
    ann.retract(principle.id)
    assert ann.induce() == ()


def test_an_accepted_suggestion_that_was_said_meanwhile_makes_way(ann):
    (wish,) = ann.listen(TALK[:1]).suggested
    said = ann.instruct("I always want wine with it!")
    assert ann.accept(wish.id) == said
    assert {each.id: each.superseded_by for each in ann.history()}[wish.id] == said.id
    assert ann.instructions() == (said,)


def test_undo_brings_back_what_was_superseded(ann):
    old = ann.instruct("Answer briefly.")
    new = ann.revise(old.id, "Answer at length.")
    assert new.supersedes == old.id
    with pytest.raises(ConflictError, match=r"was superseded") as caught:
        ann.undo(old.id)
    assert new.id in str(caught.value.remedy)
    changed = {each.id: each.status for each in ann.undo(new.id)}
    assert changed == {new.id: "retracted", old.id: "active"}
    ann.undo(new.id)
    assert [each.id for each in ann.instructions()] == [new.id]
    with pytest.raises(NotFoundError):
        ann.undo("nobody's")


@pytest.mark.parametrize("messages", [[], "hi", [{"role": "user"}]])
def test_what_is_no_conversation_is_not_listened_to(ann, messages):
    with pytest.raises(InvalidInputError):
        ann.listen(messages)


@pytest.mark.model
def test_the_operators_rules_hold_for_everybody(open_engine):
    engine = open_engine(operator_rules=("Never promise a refund.",), max_tokens=8)
    asked = [{"role": "user", "content": "My order is broken. Can I have my money back?"}]
    for user in (engine.user("ann"), engine.user("bob")):
        shown = user.personalize(asked)
        assert "Must: Never promise a refund." in shown.messages[-1]["content"]
        assert user.instructions() == ()


def test_an_operators_rule_that_cannot_be_used_is_named(open_engine):
    with pytest.raises(InvalidInputError, match="instruction is blank"):
        open_engine(operator_rules=(" ",))
