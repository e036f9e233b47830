"""Compiles the text of an instruction."""

from __future__ import annotations

import re
from functools import lru_cache

from persona_constraints.grammar.amount import find_amounts
from persona_constraints.grammar.clauses import read_sentences
from persona_constraints.grammar.forms import find_forms
from persona_constraints.grammar.marks import find_marks
from persona_constraints.grammar.phrases import find_phrases
from persona_constraints.grammar.tongue import find_tongue
from persona_constraints.outcome import Constraint

_LONGEST = 4000  # characters; what is longer is a document, not an instruction
_FAMILIES = (find_amounts, find_marks, find_phrases, find_tongue)


@lru_cache(maxsize=1024)
def compile_instruction(text: str) -> tuple[Constraint, ...]:
    """Return what a program can check of an instruction; nothing where nothing can be.

    Conditions ("if I ask for recipes, …") are taken off: whether they are met is another's
    question. Rather nothing than something else: a sentence that hedges ("few emoji"), permits,
    excepts, or tells of the person ("I read 3 books a week") says nothing.

    Examples:
        >>> compile_instruction("Never use more than three sentences.")
        (Count(unit='sentences', bounds=Bounds(least=0, most=3)),)
        >>> compile_instruction("I read 3 books a week."), compile_instruction("Keep it short.")
        ((), ())
    """
    if len(text) > _LONGEST:
        return ()
    found, rest = find_forms(re.sub(r"[ \t]+", " ", text).strip())
    said = [
        constraint
        for sentence in read_sentences(rest)
        for family in _FAMILIES
        for constraint in family(sentence)
    ]
    return tuple(dict.fromkeys([*found, *said]))
