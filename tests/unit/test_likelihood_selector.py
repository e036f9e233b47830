"""The selector that asks the language model, with a model that counts shared words."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.interfaces import LanguageTools
from persona_engine.testing import check_instruction_selector
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction
from persona_likelihood_selector import LikelihoodSelector, persona_instruction_selectors
from persona_likelihood_selector.selector import evidence

REQUEST = [{"role": "user", "content": "What can I cook with lentils and spinach?"}]


def words(text: str) -> set[str]:
    return {word.strip(".,?!:'\"").casefold() for word in text.split()}


def shared_words(conversations, responses):
    """A model to which a word that was said before is likelier, and yes where words are shared."""
    scores = []
    for conversation, response in zip(conversations, responses, strict=True):
        lines = conversation[-1]["content"].splitlines()
        if response in ("Yes", "No"):
            common = words(lines[0]) & words(lines[1]) - {"a", "the", "person", "in"}
            scores.append(float(len(common)) if response == "Yes" else 0.0)
        else:
            scores.append(float(sum(0.5 for word in words(response) & words(lines[0]))))
    return np.array(scores, np.float32)


def wish(text: str, **more) -> Instruction:
    return Instruction(id=text, text=text, created_at=datetime(2026, 1, 1, tzinfo=UTC), **more)


def select(instructions, conversation=REQUEST, ask=shared_words, **settings):
    tools = language_tools(log_likelihood=ask)
    embeddings = np.zeros((len(instructions), 384), np.float32)
    return LikelihoodSelector(**settings).select(
        conversation, instructions, request=embeddings[:1], embeddings=embeddings, tools=tools
    )


def test_it_passes_the_kit() -> None:
    check_instruction_selector(
        LikelihoodSelector,
        log_likelihood=shared_words,
        checks=[
            "every_instruction_is_judged",
            "nothing_is_selected_from_nothing",
            "order_is_irrelevant",
            "arguments_stay_unchanged",
        ],
    )


def test_what_makes_the_request_likelier_comes_first() -> None:
    lentils, cars = wish("I love to cook lentils and spinach."), wish("Cars must be red.")
    found = select([cars, lentils])
    assert [each.instruction for each in found] == [lentils, cars]
    assert found[0].used
    assert not found[1].used
    assert "matters" in found[0].reason
    assert "unrelated" in found[1].reason


def test_evidence_is_corrected_for_what_is_said_of_nothing() -> None:
    found = evidence(["red cars", "cook lentils"], "cook lentils", shared_words)
    assert found[0].tolist() == [0.0, 0.0, 1.0]
    assert found[1, 0] == pytest.approx(0.5)
    assert found[1, 1] == pytest.approx(2.0)


def test_what_must_hold_is_used_at_less() -> None:
    neither = {"association": 0.0, "judgement": 0.0, "offset": -0.2}
    assert not select([wish("Be brief.")], **neither)[0].used
    assert select([wish("Be brief.", strength="must")], **neither)[0].used


def test_the_scope_is_part_of_what_is_asked() -> None:
    seen: list[str] = []

    def ask(conversations, responses):
        seen.extend(each[-1]["content"] for each in conversations)
        return shared_words(conversations, responses)

    select([wish("No nuts.", scope="in recipes")], ask=ask)
    assert any("No nuts. (in recipes)" in text for text in seen)


def test_without_a_language_model_it_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="applicability"):
        select([wish("Be brief.")], ask=None)


def test_without_a_request_it_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="no user turn"):
        select([wish("Be brief.")], conversation=[{"role": "assistant", "content": "Hello"}])


def test_no_instruction_needs_no_model() -> None:
    assert select([], ask=None) == ()


@pytest.mark.parametrize(
    "settings", [{"threshold": 2.0}, {"must_threshold": -0.1}, {"offset": float("nan")}]
)
def test_wrong_settings_are_refused(settings) -> None:
    with pytest.raises(ConfigError):
        LikelihoodSelector(**settings)


def test_it_is_registered() -> None:
    assert persona_instruction_selectors()["likelihood_selector"] is LikelihoodSelector
    assert isinstance(language_tools(), LanguageTools)
