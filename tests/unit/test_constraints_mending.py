"""Replies put right by edits: what changes, what stays, and what cannot be mended."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from persona_constraints import ConstraintVerifier, compile_instruction, judge
from persona_constraints.mending import mend
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

REPLY = (
    "Great question! Lentils cook fast, and they need no soaking. Simmer them for 20 minutes. "
    "Then add salt, oil and herbs."
)
LISTED = "Here is what you need:\n\n1. lentils\n2. an onion\n3. cumin\n4. oil"
MENDED = {
    ("No commas.", REPLY): REPLY.replace(",", ""),
    ("No exclamation marks.", REPLY): REPLY.replace("!", "."),
    ("No emoji.", "Enjoy 🎉 it! :)"): "Enjoy it!",
    ("At most two sentences.", REPLY): REPLY[: REPLY.index(" Simmer")],
    ("At most 12 words.", REPLY): REPLY[: REPLY.index(" Simmer")],
    ("At most 4 words.", "Lentils cook fast and they need no soaking"): "Lentils cook fast and.",
    ("Answer on one line.", "a\n\n- b\n- c"): "a b c",
    ("Write everything in lowercase.", "Hi THERE."): "hi there.",
    ("All caps only", "Hi there."): "HI THERE.",
    ("Never write in all caps.", "HI THERE. I AM SAM."): "Hi there. I am sam.",
    ("Never use bullet points.", "Take:\n- salt\n* oil"): "Take:\nsalt\noil",
    ("Use exactly 3 bullet points.", LISTED): (
        "Here is what you need:\n\n* lentils\n* an onion\n* cumin"
    ),
    ("Use a numbered list.", "Take:\n- salt\n- oil"): "Take:\n1. salt\n2. oil",
    ("No markdown.", "# Soup\n\n**Salt** and `oil`, see [x](https://a.b)\n\n- end"): (
        "Soup\n\nSalt and oil, see x\n\nend"
    ),
    ("No headings.", "## Soup\n\nHot."): "Soup\n\nHot.",
    ("No tables.", "| a | b |\n|---|---|\n| 1 | 2 |"): "a, b\n1, 2",
    ("No bold.", "Very **hot**."): "Very hot.",
    ("Use British spelling.", "My favorite color is Gray."): "My favourite colour is Grey.",
    ('End every reply with "Enjoy!"', "Simmer it."): "Simmer it.\n\nEnjoy!",
    ('End every reply with "Enjoy!"', "Simmer it. Then you can"): "Simmer it.\n\nEnjoy!",
    ('Start every reply with "Ahoy!"', "Simmer it."): "Ahoy! Simmer it.",
    ('Never start with "Sure"', "Sure, simmer it."): "Simmer it.",
    ("Don't end with a question.", "Simmer it. Anything else?"): "Simmer it.",
    ("Wrap your entire reply in double quotation marks.", "Hot."): '"Hot."',
    ("Repeat my question word for word before you answer.", "Hot."): "How?\n\nHot.",
    ('Never use the word "salt".', REPLY): REPLY[: REPLY.index(" Then")],
    ("No more than two sentences per paragraph", "A is. B is. C is."): "A is. B is.\n\nC is.",
    ("Use exactly 2 paragraphs, separated by the markdown divider ***", "a\n\nb"): "a\n***\nb",
    ('Write 2 sections, and mark the beginning of each with "Part X".', "a\n\nb"): (
        "Part 1\na\n\nPart 2\nb"
    ),
    ("Give it a title in double angular brackets, such as <<title>>.", "# Soup\nHot."): (
        "<<Soup>>\nHot."
    ),
    ("Add a postscript starting with P.S.", "Simmer it.\n\nSalt helps."): (
        "Simmer it.\n\nP.S. Salt helps."
    ),
    ("Highlight at least 1 section with markdown.", "Simmer it gently, then eat."): (
        "*Simmer it gently*, then eat."
    ),
    ("Words in all capital letters must appear at least 1 times.", "Stir gently now."): (
        "Stir GENTLY now."
    ),
    ("Words in all capital letters must appear less than 2 times.", "HOT HOT soup"): "HOT Hot soup",
    ("Only answer with yes or no.", "Yes, you can."): "yes",
}
NOT_MENDED = {
    "Use at least 300 words.": REPLY,
    "Reply in German.": REPLY,
    'Always mention "saffron".': REPLY,
    "Use at least 3 placeholders in square brackets.": REPLY,
    "Give it a title in double angular brackets, such as <<title>>.": REPLY,
    "At most 3 sentences": "  \n",
    "Be friendly": REPLY,
}


@pytest.mark.parametrize(("text", "reply"), MENDED)
def test_it_is_mended(text: str, reply: str) -> None:
    constraints = compile_instruction(text)
    found = mend(constraints, reply, "How?")
    assert found is not None
    assert found.text.strip() == MENDED[text, reply]
    assert found.edits
    assert all(found.edits)
    assert not judge(constraints, reply, "How?").holds
    assert judge(constraints, found.text, "How?").holds


@pytest.mark.parametrize(("text", "reply"), NOT_MENDED.items())
def test_what_only_a_writer_could_do_is_left(text: str, reply: str) -> None:
    assert mend(compile_instruction(text), reply, "How?") is None


@pytest.mark.parametrize(("text", "reply"), MENDED)
def test_what_holds_is_left(text: str, reply: str) -> None:
    constraints = compile_instruction(text)
    mended = mend(constraints, reply, "How?")
    assert mended is not None
    assert mend(constraints, mended.text, "How?") is None


def test_several_are_mended_together_from_the_words_outwards() -> None:
    rules = (
        "At most 9 words.",
        "No commas.",
        'End with "Enjoy!"',
        "Write in lowercase.",
        "Wrap your entire reply in double quotes.",
    )
    constraints = tuple(each for rule in rules for each in compile_instruction(rule))
    found = mend(constraints, "Yes, simmer it, gently. Then add oil, salt and herbs.", "How?")
    assert found is not None
    assert found.text == '"yes simmer it gently.\n\nenjoy!"'
    assert judge(constraints, found.text, "How?").holds
    assert len(found.edits) == 5


def test_json_holds_the_reply() -> None:
    found = mend(compile_instruction("Reply only in JSON."), 'Say "hi".\nNow.', "How?")
    assert found is not None
    assert json.loads(found.text) == {"reply": 'Say "hi".\nNow.'}


def test_json_in_other_words_is_taken_out() -> None:
    found = mend(compile_instruction("Reply only in JSON."), 'Here: {"a": 1} Bye.', "How?")
    assert found is not None
    assert found.text == '{"a": 1}'


RULES = ("No emoji.", "Give two different responses, separated by six asterisks: ******")


def instructions(*texts: str) -> list[Instruction]:
    said = datetime(2026, 1, 1, tzinfo=UTC)
    return [Instruction(id=str(n), text=text, created_at=said) for n, text in enumerate(texts)]


def test_the_verifier_mends_what_it_judges() -> None:
    turn = [{"role": "user", "content": "How?"}]
    replies = ["Hot 🎉.", "Cold.", "Warm.\n******\nCool."]
    rules = instructions(*RULES, "Be friendly.")
    verifier = ConstraintVerifier()
    found = verifier.mend(turn, rules, replies)
    texts = [each and each.text for each in found]
    assert texts == ["Hot.\n******\nCold.", "Cold.\n******\nWarm.\n\nCool.", None]
    kept = verifier.verify(turn, rules, texts[:2], tools=language_tools()).probability
    assert kept[:2].tolist() == [[1, 1], [1, 1]]


def test_mending_can_be_turned_off() -> None:
    turn = [{"role": "user", "content": "How?"}]
    verifier = ConstraintVerifier(mends=False)
    assert verifier.mend(turn, instructions(*RULES), ["Hot 🎉."]) == (None,)
