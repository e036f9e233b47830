"""Everyday constraints: replies that keep them and replies that do not."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np
import pytest

from persona_constraints import ConstraintVerifier, compile_instruction, judge
from persona_constraints.languages import LANGUAGES, likely_languages
from persona_constraints.spelling import foreign_spellings, respelled
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

VERDICTS: dict[str, tuple[list[str], list[str]]] = {
    "No emoji.": (
        ["Fine.", "✓ done → next", "3:15 at 8:30", "C++ (see: x)"],
        ["Fine 🎉", "Nice ❤️", "Great :)", "Hi 👋🏽"],
    ),
    "Use emojis.": (["Fine 🎉", "☀ sunny"], ["Fine.", "✓ done"]),
    "No bullet points.": (
        ["One - two.", "1. one\n2. two", "---", "```\n- code\n```"],
        ["- one", "* one\n* two", "• one", "  + one"],
    ),
    "Use a numbered list.": (["1. a\n2. b", "1) a", "(1) a"], ["- a", "In 1990. Then."]),
    "No tables.": (["a | b", "- a"], ["| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n--|--\n1 | 2"]),
    "No headings.": (["#tag", "C# is", "```\n# code\n```"], ["# A", "A\n===", "text\n\n### B"]),
    "No bold.": (["2 ** 3 ** 4", "*a*"], ["**a**", "so __very__ hot"]),
    "No markdown.": (
        ["Plain. 2 * 3 = 6", "snake_case_name"],
        ["`x`", "**a**", "- a", "# a", "[a](b)"],
    ),
    "Include a code block.": (["```py\nx\n```"], ["`x`", "x = 1"]),
    "No exclamation marks.": (["Fine.", "a = b"], ["Fine!", "好！"]),
    "No questions.": (["Fine."], ["Fine?", "好吗？"]),
    "No contractions.": (
        ["It is Sam's. Do not.", "the dogs' bowl"],
        ["It's fine.", "Don't.", "I’m here", "let's go"],
    ),
    "Avoid the first person.": (
        ["You can go.", "World War I ended.", 'He said "I am here".', "In Rome it rains."],
        ["I can go.", "Tell me.", "We think so.", "In my view"],
    ),
    "Use metric units.": (
        ["It is 5 km.", "5 miles (8 km)", "No lengths.", "He ran miles.", "in 2 ways"],
        ["It is 5 miles.", "6 ft tall", "350°F", "two at 3 lbs."],
    ),
    "Use 24-hour time.": (["At 15:30.", "I am here"], ["At 3:30 pm.", "at 9 a.m. sharp"]),
    "Keep sentences under 6 words.": (
        ["One two three. Four five."],
        ["One two three four five six."],
    ),
    "No more than two sentences per paragraph": (["A is. B is.\n\nC is."], ["A is. B is. C is."]),
    "At most 20 characters.": (["short"], ["this is a lot longer than that"]),
    "Answer on one line.": (["a b c", "a\n"], ["a\nb"]),
    "Exactly 2 paragraphs": (["a\n\nb", "a\nb\n \n\nc"], ["a", "a\n\nb\n\nc"]),
    "Only answer with yes or no.": (["Yes.", "no", "**No!**"], ["Yes, of course.", "maybe"]),
    'Start with "Ahoy"': (["Ahoy! Hi.", "**Ahoy**, you", '"ahoy"'], ["Hi, ahoy", "Ahoyhoy"]),
    'Never start with "Sure"': (["Surely so.", "Not sure"], ["Sure, so.", "Sure!"]),
    'End with "Cheers"': (["Bye. Cheers", '"Cheers"', "cheers\n"], ["Cheers, bye", "Cheers!"]),
    "End with a question.": (["So? ", "Is it?"], ["So. It is.", "Is it? Yes."]),
    "Never mention Kevin.": (["Kevins place", "Hi."], ["Kevin is.", "with KEVIN!"]),
    "Don't say \"don't\"": (["Do not."], ["Don’t go.", "I don't"]),
    'Always mention "Acme Corp"': (["at ACME corp.", "Acme Corp's"], ["Acme", "Corp Acme"]),
    "Use British spelling.": (
        ["My favourite colour.", "No marker.", "Pearl Harbor", "the size of a prize", "`color`"],
        ["My favorite color.", "I realize it.", "the center", "traveling"],
    ),
    "Use American spelling.": (
        ["My favorite color.", "practice makes", "I advise you"],
        ["My favourite colour.", "I realise it.", "the centre", "travelling"],
    ),
    "Reply in Spanish.": (
        [
            "El perro está en la casa de mi hermana mayor.",
            "¡Hola!",
            "```\nprint('only code here')\n```",
        ],
        ["The dog is in the house of my elder sister.", "Der Hund ist im Haus meiner Schwester."],
    ),
    "Answer in Russian": (["Да", "Это очень простое предложение."], ["OK", "Yes, sir."]),
    "Write in the second person.": (["You go home."], ["One goes home."]),
    "Add a hashtag.": (["#fun here"], ["# Heading", "a#b"]),
    "Include a link.": (["see https://a.b", "[a](http://b)"], ["see a.b"]),
}


@pytest.mark.parametrize("text", VERDICTS)
def test_verdicts(text: str) -> None:
    constraints = compile_instruction(text)
    assert constraints
    keeping, breaking = VERDICTS[text]
    assert {reply: judge(constraints, reply, "").holds for reply in keeping} == dict.fromkeys(
        keeping, True
    )
    assert {reply: judge(constraints, reply, "").holds for reply in breaking} == dict.fromkeys(
        breaking, False
    )


def test_reasons_say_what_was_seen() -> None:
    constraints = compile_instruction("At most two sentences and no emoji.")
    assert judge(constraints, "A. B. C 🎉.", "").reason == (
        "3 sentences, at most 2 wanted; 1 emoji, none wanted"
    )


def test_british_words_become_american_and_back() -> None:
    text = "The COLOUR of the Theatre's grey centre was analysed by travellers."
    american = respelled(text, "American")
    assert american == "The COLOR of the Theater's gray center was analyzed by travelers."
    assert respelled(american, "British") == text
    assert foreign_spellings(american, "American") == []


def test_languages_are_detected_alike_every_time() -> None:
    text = "Bonjour tout le monde"
    assert likely_languages(text) == likely_languages(text)
    assert len(set(LANGUAGES.values())) >= 45


def test_a_verdict_costs_little() -> None:
    said = datetime(2026, 1, 1, tzinfo=UTC)
    rules = ["At most 100 words.", "No emoji.", "No tables.", 'Never say "sorry".', "No commas."]
    wishes = [Instruction(id=text, text=text, created_at=said) for text in rules]
    replies = [f"This is reply number {n}. " * 12 for n in range(8)]
    turn = [{"role": "user", "content": "What?"}]
    verifier, tools = ConstraintVerifier(), language_tools()
    verifier.verify(turn, wishes, replies, tools=tools)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        found = verifier.verify(turn, wishes, replies, tools=tools)
        seconds.append(time.perf_counter() - start)
    assert not np.isnan(found.probability).any()
    assert min(seconds) < 0.02
