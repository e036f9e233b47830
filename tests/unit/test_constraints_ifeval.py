"""IFEval's 25 kinds: replies that hold and that do not, and rules that compile back."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from persona_constraints import compile_instruction, constraints_of, judge, rule_of
from persona_constraints.ifeval import KINDS
from persona_engine.errors import InvalidInputError

LONG_ENGLISH = "This is a plain English sentence about the weather and about nothing else at all."
CASES: dict[str, tuple[dict[str, object], list[str], list[str]]] = {
    "change_case:capital_word_frequency": (
        {"capital_relation": "at least", "capital_frequency": 2},
        ["I told NASA.", "DON'T go.", "The USA-LED team and the U.N. met."],
        ["Nothing here.", "I went home.", "Only NASA, nasa and Nasa."],
    ),
    "change_case:english_capital": (
        {},
        [
            LONG_ENGLISH.upper() + " IT IS WRITTEN FOR EVERYBODY.",
            "THE DOG IS HERE.",
            "WHAT IS THE TIME NOW?",
        ],
        [LONG_ENGLISH, "THE DOG IS here.", "123"],
    ),
    "change_case:english_lowercase": (
        {},
        [
            LONG_ENGLISH.lower(),
            "the dog went home with the other dog.",
            "what is the time now, my friend?",
        ],
        [LONG_ENGLISH, "le chien est rentré à la maison hier soir.", "the dog is Here."],
    ),
    "combination:repeat_prompt": (
        {"prompt_to_repeat": 'Write a haiku about "rain".\nMake it sad.'},
        [
            'Write a haiku about "rain".\nMake it sad.\n\nDrops fall',
            '  write a haiku about "rain".\nmake it sad. ok',
            'Write a haiku about "rain".\nMake it sad.',
        ],
        [
            "Drops fall",
            'Sure! Write a haiku about "rain".\nMake it sad.',
            "Write a haiku about rain.",
        ],
    ),
    "combination:two_responses": (
        {},
        ["One.\n******\nTwo.", "One****** Two******", "a ****** b"],
        ["One.", "One ****** One", "a ****** b ****** c"],
    ),
    "detectable_content:number_placeholders": (
        {"num_placeholders": 2},
        ["[name] lives in [city].", "[][]", "[a] [b] [c]"],
        ["[name]", "(name) (city)", "[name\n] [city\n]"],
    ),
    "detectable_content:postscript": (
        {"postscript_marker": "P.P.S"},
        ["Bye.\nP.P.S. More.", "p.p.s more", "Bye. P. P. S: more"],
        ["Bye.\nP.S. More.", "PPS more", "Bye."],
    ),
    "detectable_format:constrained_response": (
        {},
        ["My answer is yes.", "I think: My answer is no. Sorry.", "  My answer is maybe.\n"],
        ["Yes.", "My answer is yes", "my answer is no."],
    ),
    "detectable_format:json_format": (
        {},
        ['{"a": 1}', '```json\n["x"]\n```', "```\n{}\n```"],
        ["a: 1", '{"a": 1', "Here it is: {}"],
    ),
    "detectable_format:multiple_sections": (
        {"section_spliter": "SECTION", "num_sections": 2},
        ["SECTION 1\na\nSECTION 2\nb", "SECTION1 a SECTION2 b", "SECTION 1 SECTION 2 SECTION 3"],
        ["SECTION 1\na", "Section 1\na\nSection 2\nb", "SECTION A SECTION B"],
    ),
    "detectable_format:number_bullet_lists": (
        {"num_bullets": 2},
        ["* a\n* b", "- a\n  - b", "* a\n- b"],
        ["* a", "* a\n* b\n* c", "• a\n• b"],
    ),
    "detectable_format:number_highlighted_sections": (
        {"num_highlights": 2},
        ["*a* and *b*", "**a** and **b**", "*a*\n*b*\n*c*"],
        ["*a*", "a b", "* *"],
    ),
    "detectable_format:title": (
        {},
        ["<<Joy>>\nText", "Text <<a b>> text", "<<<Joy>>>"],
        ["Joy\nText", "<Joy>", "<< >>"],
    ),
    "keywords:existence": (
        {"keywords": ["sun", "sea"]},
        ["Sunlight at the seaside.", "SUN, SEA", "the sea, the sun"],
        ["The sun.", "The sea.", "Nothing."],
    ),
    "keywords:forbidden_words": (
        {"forbidden_words": ["can", "ride"]},
        ["Nothing.", "Canary rides", "pride"],
        ["You can.", "A RIDE!", "(can)"],
    ),
    "keywords:frequency": (
        {"relation": "less than", "keyword": "war", "frequency": 2},
        ["Peace.", "One war.", "A warm day."],
        ["war war", "War and warfare.", "a WAR, a war"],
    ),
    "keywords:letter_frequency": (
        {"let_relation": "at least", "letter": "q", "let_frequency": 2},
        ["Quiet quest", "qq", "quick Q&A"],
        ["quiet", "none", "Q"],
    ),
    "language:response_language": (
        {"language": "de"},
        [
            "Das ist ein ganz gewöhnlicher deutscher Satz.",
            "Heute scheint die Sonne und wir gehen spazieren.",
            "12345",
        ],
        [
            LONG_ENGLISH,
            "Ceci est une phrase tout à fait française.",
            "Questa è una frase italiana molto semplice.",
        ],
    ),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Now"},
        ["First.\n\nNow then.", "First.\n\n'now' it is.", "First\nline.\n\nNow, go."],
        ["Now.\n\nThen.", "First.\n\nNow.\n\nThird.", "First.\nNow."],
    ),
    "length_constraints:number_paragraphs": (
        {"num_paragraphs": 2},
        ["a\n***\nb", "***\na\n***\nb", "a *** b ***"],
        ["a\n\nb", "a *** *** b", "a *** b *** c"],
    ),
    "length_constraints:number_sentences": (
        {"relation": "less than", "num_sentences": 3},
        ["One. Two.", "Dr. Smith met Mr. Jones.", "No full stop"],
        ["One. Two. Three.", "Really? Yes! Good.", "1. One. 2. Two."],
    ),
    "length_constraints:number_words": (
        {"relation": "at least", "num_words": 4},
        ["one two three four", "don't stop it", "a-b c-d"],
        ["one two three", "...", "one, two - three!"],
    ),
    "punctuation:no_comma": (
        {},
        ["No pause here.", "Semicolons; fine", "1.000"],
        ["Yes, here", "1,000", ","],
    ),
    "startend:end_checker": (
        {"end_phrase": "Any other questions?"},
        ["Done. Any other questions?", '"Any other questions?"', "ANY OTHER QUESTIONS? \n"],
        ["Any other questions? Ask.", "Done.", "Any other questions"],
    ),
    "startend:quotation": (
        {},
        ['"All of it."', ' "a"\n', '""'],
        ["All of it.", '"Half', "“Curly.”"],
    ),
}
DATA = Path(os.environ.get("PERSONA_DATA", "../shared/data")) / "ifeval.jsonl.gz"


def test_every_kind_has_examples() -> None:
    assert set(CASES) == set(KINDS)
    assert len(KINDS) == 25


@pytest.mark.parametrize("kind", CASES)
def test_replies_that_hold(kind: str) -> None:
    arguments, holding, _ = CASES[kind]
    constraints = constraints_of(kind, arguments)
    for reply in holding:
        outcome = judge(constraints, reply, "the prompt")
        assert outcome.holds, (reply, outcome.reason)


@pytest.mark.parametrize("kind", CASES)
def test_replies_that_do_not_hold(kind: str) -> None:
    arguments, _, breaking = CASES[kind]
    constraints = constraints_of(kind, arguments)
    for reply in [*breaking, "", " \n"]:
        outcome = judge(constraints, reply, "the prompt")
        assert not outcome.holds, (reply, outcome.reason)
        assert outcome.reason


@pytest.mark.parametrize("kind", CASES)
def test_the_rule_compiles_back(kind: str) -> None:
    arguments = CASES[kind][0]
    rule = rule_of(kind, arguments)
    assert set(compile_instruction(rule)) == set(constraints_of(kind, arguments)), rule


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="expected one of change_case"):
        constraints_of("startend:rhyme", {})
    with pytest.raises(InvalidInputError, match="startend:rhyme"):
        rule_of("startend:rhyme", {})


@pytest.mark.skipif(not DATA.exists(), reason=f"no IFEval at {DATA}: set PERSONA_DATA")
def test_all_published_instructions_compile_back() -> None:
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        prompts = [json.loads(line) for line in lines]
    assert len(prompts) == 541
    for prompt in prompts:
        for kind, arguments in zip(prompt["instruction_id_list"], prompt["kwargs"], strict=True):
            given = {name: value for name, value in arguments.items() if value is not None}
            rule = rule_of(kind, given)
            assert set(compile_instruction(rule)) == set(constraints_of(kind, given)), rule
