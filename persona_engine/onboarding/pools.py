"""What may be asked: the bank, a host's own questions, or pairs on the user's own requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from persona_engine.errors import InvalidInputError
from persona_engine.onboarding.bank import STYLES
from persona_engine.onboarding.blends import all_questions
from persona_engine.types import Comparison, Question

NamedPool = Literal["bank", "prompts"]
Pool = NamedPool | Sequence[Question | Mapping[str, Any]]
"""``bank``, ``prompts`` (pairs on the user's latest requests), or a host's own questions."""

OWN = "own:"
"""Begins the id of a question on a user's own request."""

_KNOWN = ("prompt", "a", "b", "id", "style", "high", "topic")
_NEEDED = ("prompt", "a", "b")


def questions_of(pool: object) -> tuple[Question, ...]:
    """Return a host's questions, given as values or as mappings.

    A mapping has ``prompt``, ``a`` and ``b``, and if need be ``id``, ``topic``, and ``style`` with
    ``high``, the side of its high pole. Without an id a question is named by a hash of its texts.

    Raises:
        InvalidInputError: There is none, one is no question, a text is blank, the two replies are
            the same, or two questions share an id; the message names which one.

    Examples:
        >>> (asked,) = questions_of([{"prompt": "Hi", "a": "Hello.", "b": "Yo!"}])
        >>> asked.a, asked.id
        ('Hello.', 'q:0242f4d0c7ee')
    """
    if pool == "bank":
        return all_questions()
    if isinstance(pool, str | Mapping) or not isinstance(pool, Iterable):
        raise InvalidInputError(
            f"pool is {pool!r}, expected 'bank', 'prompts', or a list of questions"
        )
    found = [_checked(each, number) for number, each in enumerate(pool, start=1)]
    if not found:
        raise InvalidInputError("the pool is empty, expected one question or more")
    seen: set[str] = set()
    for each in found:
        if each.id in seen:
            raise InvalidInputError(f"two questions of the pool have the id {each.id!r}")
        seen.add(each.id)
    return tuple(found)


def named_by_content(prompt: str, a: str, b: str, *, prefix: str) -> str:
    """Return an id that equal texts share, whichever reply is shown first."""
    content = json.dumps([prompt, *sorted((a, b))], ensure_ascii=True)
    return prefix + hashlib.sha256(content.encode()).hexdigest()[:12]


def answered(pool: Sequence[Question], comparisons: Sequence[Comparison]) -> set[str]:
    """Return the ids of what a person has answered: by its id, or by its very texts."""
    named = {each.question for each in comparisons if each.question is not None}
    pairs = {(each.prompt, frozenset((each.chosen, each.rejected))) for each in comparisons}
    return named | {q.id for q in pool if (q.prompt, frozenset((q.a, q.b))) in pairs}


def _checked(each: object, number: int) -> Question:
    where = f"question {number} of the pool"
    question = each if isinstance(each, Question) else _read(each, where)
    for name in ("id", *_NEEDED):
        text = getattr(question, name)
        if not isinstance(text, str) or not text.strip():
            raise InvalidInputError(f"{where} has {name} {text!r}, expected text")
    if question.a == question.b:
        raise InvalidInputError(f"{where} has the same text as a and b, expected two replies")
    return question


def _read(each: object, where: str) -> Question:
    if not isinstance(each, Mapping):
        raise InvalidInputError(f"{where} is {each!r}, expected a Question or a mapping")
    missing = [name for name in _NEEDED if name not in each]
    unknown = [name for name in each if name not in _KNOWN]
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"has a field {unknown[0]!r}"
        raise InvalidInputError(f"{where} {what}", remedy=f"its fields are {', '.join(_KNOWN)}")
    style, high = each.get("style"), each.get("high")
    if (style is None) != (high is None) or high not in (None, "a", "b"):
        raise InvalidInputError(
            f"{where} has style {style!r} and high {high!r}, expected both, with high 'a' or 'b'",
            remedy=f"leave both out, or name a style such as {', '.join(sorted(STYLES)[:3])}",
        )
    prompt, a, b = (each[name] for name in _NEEDED)
    name = each.get("id")
    if name is None and all(isinstance(text, str) for text in (prompt, a, b)):
        name = named_by_content(prompt, a, b, prefix="q:")
    return Question(str(name), prompt, a, b, style, high, each.get("topic"))
