"""IFEval's 25 kinds of instruction as constraints, and as standing rules in words.

Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models" (arXiv:2311.07911).
Constraints judge as the published checker does in its strict sense, on the reply as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from persona_constraints.amounts import (
    Count,
    DividedParagraphs,
    Letter,
    Mentions,
    ParagraphOpens,
    Sections,
)
from persona_constraints.bounds import NONE, SOME, Bounds, exactly
from persona_constraints.languages import language_name
from persona_constraints.outcome import Constraint
from persona_constraints.shape import (
    Alternatives,
    Case,
    Closes,
    InLanguage,
    Json,
    OneOf,
    Postscript,
    Quoted,
    RepeatsRequest,
)
from persona_engine.errors import InvalidInputError

Arguments = Mapping[str, Any]
Constraints = tuple[Constraint, ...]
Build = TypeVar("Build")
OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def constraints_of(instruction_id: str, arguments: Arguments) -> Constraints:
    """Return the constraints of one IFEval instruction.

    Args:
        instruction_id: Such as ``length_constraints:number_words``.
        arguments: Its ``kwargs``; those that are None count as left out.

    Raises:
        InvalidInputError: The kind is not one of the 25.

    Examples:
        >>> constraints_of("punctuation:no_comma", {})
        (Count(unit='commas', bounds=Bounds(least=0, most=0)),)
    """
    return _look_up(_CONSTRAINTS, instruction_id)(arguments)


def rule_of(instruction_id: str, arguments: Arguments) -> str:
    """Return an IFEval instruction as a person would say it once, for every reply.

    Raises:
        InvalidInputError: The kind is not one of the 25.

    Examples:
        >>> rule_of("length_constraints:number_words", {"relation": "less than", "num_words": 50})
        'Use less than 50 words.'
    """
    return _look_up(_RULES, instruction_id)(arguments)


def _look_up(table: Mapping[str, Build], instruction_id: str) -> Build:
    if instruction_id not in table:
        raise InvalidInputError(
            f"instruction id is {instruction_id!r}, expected one of {', '.join(sorted(table))}"
        )
    return table[instruction_id]


def _bounds(relation: str, number: int) -> Bounds:
    return Bounds(least=number) if relation == "at least" else Bounds(most=number - 1)


def _related(arguments: Arguments, relation: str, number: str) -> Bounds:
    return _bounds(arguments[relation], arguments[number])


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f'"{word}"' for word in words)


_CONSTRAINTS: Mapping[str, Callable[[Arguments], Constraints]] = MappingProxyType(
    {
        "change_case:capital_word_frequency": lambda a: (
            Count("words in capitals", _related(a, "capital_relation", "capital_frequency")),
        ),
        "change_case:english_capital": lambda _: (Case("upper"), InLanguage("en", entire=True)),
        "change_case:english_lowercase": lambda _: (Case("lower"), InLanguage("en", entire=True)),
        "combination:repeat_prompt": lambda a: (RepeatsRequest(a["prompt_to_repeat"].strip()),),
        "combination:two_responses": lambda _: (Alternatives(),),
        "detectable_content:number_placeholders": lambda a: (
            Count("placeholders", Bounds(a["num_placeholders"])),
        ),
        "detectable_content:postscript": lambda a: (Postscript(a["postscript_marker"].strip()),),
        "detectable_format:constrained_response": lambda _: (OneOf(OPTIONS),),
        "detectable_format:json_format": lambda _: (Json(),),
        "detectable_format:multiple_sections": lambda a: (
            Sections(a["section_spliter"].strip(), Bounds(a["num_sections"])),
        ),
        "detectable_format:number_bullet_lists": lambda a: (
            Count("markdown bullets", exactly(a["num_bullets"])),
        ),
        "detectable_format:number_highlighted_sections": lambda a: (
            Count("highlights", Bounds(a["num_highlights"])),
        ),
        "detectable_format:title": lambda _: (Count("titles", SOME),),
        "keywords:existence": lambda a: (Mentions(tuple(sorted(a["keywords"])), SOME),),
        "keywords:forbidden_words": lambda a: (
            Mentions(tuple(sorted(set(a["forbidden_words"]))), NONE, whole=True),
        ),
        "keywords:frequency": lambda a: (
            Mentions((a["keyword"].strip(),), _related(a, "relation", "frequency")),
        ),
        "keywords:letter_frequency": lambda a: (
            Letter(a["letter"].lower(), _related(a, "let_relation", "let_frequency")),
        ),
        "language:response_language": lambda a: (InLanguage(a["language"], entire=True),),
        "length_constraints:nth_paragraph_first_word": lambda a: (
            ParagraphOpens(a["num_paragraphs"], a["nth_paragraph"], a["first_word"].lower()),
        ),
        "length_constraints:number_paragraphs": lambda a: (
            DividedParagraphs(exactly(a["num_paragraphs"])),
        ),
        "length_constraints:number_sentences": lambda a: (
            Count("sentences", _related(a, "relation", "num_sentences")),
        ),
        "length_constraints:number_words": lambda a: (
            Count("words", _related(a, "relation", "num_words")),
        ),
        "punctuation:no_comma": lambda _: (Count("commas", NONE),),
        "startend:end_checker": lambda a: (Closes(a["end_phrase"].strip()),),
        "startend:quotation": lambda _: (Quoted(),),
    }
)

_RULES: Mapping[str, Callable[[Arguments], str]] = MappingProxyType(
    {
        "change_case:capital_word_frequency": lambda a: (
            f"Words in all capital letters must appear {a['capital_relation']} "
            f"{a['capital_frequency']} times."
        ),
        "change_case:english_capital": lambda _: (
            "Write your entire reply in English and in all capital letters."
        ),
        "change_case:english_lowercase": lambda _: (
            "Write your entire reply in English and in all lowercase letters."
        ),
        "combination:repeat_prompt": lambda a: (
            "First repeat this request word for word, then answer it: "
            f'"{a["prompt_to_repeat"].strip()}"'
        ),
        "combination:two_responses": lambda _: (
            "Give two different responses, separated by six asterisks: ******"
        ),
        "detectable_content:number_placeholders": lambda a: (
            f"Use at least {a['num_placeholders']} placeholders in square brackets, such as "
            "[address]."
        ),
        "detectable_content:postscript": lambda a: (
            f"At the end, add a postscript starting with {a['postscript_marker'].strip()}"
        ),
        "detectable_format:constrained_response": lambda _: (
            f"Answer with one of these options: {_listed(OPTIONS)}"
        ),
        "detectable_format:json_format": lambda _: "Give your entire reply in JSON format.",
        "detectable_format:multiple_sections": lambda a: (
            f"Write at least {a['num_sections']} sections, and mark the beginning of each with "
            f'"{a["section_spliter"].strip()} X".'
        ),
        "detectable_format:number_bullet_lists": lambda a: (
            f"Use exactly {a['num_bullets']} markdown bullet points."
        ),
        "detectable_format:number_highlighted_sections": lambda a: (
            f"Highlight at least {a['num_highlights']} sections with markdown, like *this*."
        ),
        "detectable_format:title": lambda _: (
            "Give your reply a title in double angular brackets, such as <<title>>."
        ),
        "keywords:existence": lambda a: (
            f"Include these words: {_listed(tuple(sorted(a['keywords'])))}."
        ),
        "keywords:forbidden_words": lambda a: (
            f"Never use these words: {_listed(tuple(sorted(set(a['forbidden_words']))))}."
        ),
        "keywords:frequency": lambda a: (
            f'Use the word "{a["keyword"].strip()}" {a["relation"]} {a["frequency"]} times.'
        ),
        "keywords:letter_frequency": lambda a: (
            f'Use the letter "{a["letter"].lower()}" {a["let_relation"]} {a["let_frequency"]} '
            "times."
        ),
        "language:response_language": lambda a: (
            f"Write your entire reply in {language_name(a['language'])}."
        ),
        "length_constraints:nth_paragraph_first_word": lambda a: (
            f"Write exactly {a['num_paragraphs']} paragraphs, with a blank line between them, and "
            f'begin paragraph {a["nth_paragraph"]} with the word "{a["first_word"].lower()}".'
        ),
        "length_constraints:number_paragraphs": lambda a: (
            f"Write exactly {a['num_paragraphs']} paragraphs, separated by the markdown divider ***"
        ),
        "length_constraints:number_sentences": lambda a: (
            f"Use {a['relation']} {a['num_sentences']} sentences."
        ),
        "length_constraints:number_words": lambda a: f"Use {a['relation']} {a['num_words']} words.",
        "punctuation:no_comma": lambda _: "Never use commas.",
        "startend:end_checker": lambda a: (
            f'End every reply with this exact phrase: "{a["end_phrase"].strip()}"'
        ),
        "startend:quotation": lambda _: "Wrap your entire reply in double quotation marks.",
    }
)
KINDS = tuple(_CONSTRAINTS)
