"""Questions whose replies differ in several styles that often go together.

A reply that is brief, blunt and starts with the bottom line is told from one that is none of these
by one answer, and surely: what each style is worth to a person adds up. So a few of these show
where somebody stands on the broad leanings by which styles correlate; the bank's questions, of one
style each, then fill in the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from persona_engine.errors import ArtefactError, NotFoundError
from persona_engine.onboarding.bank import STYLES, question_bank
from persona_engine.types import Question, Side

_FIELDS = frozenset({"id", "topic", "prompt", "one", "other", "styles"})


@cache
def blends() -> tuple[Question, ...]:
    """Return the questions of several styles, ordered by id.

    Raises:
        ArtefactError: Their file is missing or damaged.

    Examples:
        >>> len(blends()), min(len(question.poles) for question in blends())
        (20, 3)
    """
    path = resources.files("persona_engine") / "data" / "blends" / "blends.jsonl"
    try:
        rows: list[Any] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise _damaged(str(path), str(error)) from error
    for row in rows:
        if (
            not isinstance(row, dict)
            or set(row) != _FIELDS
            or not set(row["styles"]) <= set(STYLES)
        ):
            raise _damaged(str(path), f"{str(row)[:80]!r} is no question of named styles")
    return tuple(_question(row) for row in sorted(rows, key=lambda row: row["id"]))


@cache
def all_questions() -> tuple[Question, ...]:
    """Return the bank's questions and those of several styles: what people are asked by default.

    Examples:
        >>> len(all_questions())
        148
    """
    return (*question_bank(), *blends())


def question(name: str) -> Question:
    """Return the question whose id is ``name``.

    Raises:
        NotFoundError: There is no such question.

    Examples:
        >>> question("length-01").style
        'length'
    """
    try:
        return _by_id()[name]
    except KeyError:
        raise NotFoundError(
            f"the bank has no question {name!r}",
            remedy="pass a question that `onboard()` gave, or an id such as 'length-01'",
        ) from None


@cache
def blends_hash() -> str:
    """Return the sha256 over these questions: equal hashes mean equal texts, styles and sides."""
    lines = [json.dumps([q.id, q.prompt, q.a, q.b, q.blend], ensure_ascii=True) for q in blends()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def _by_id() -> Mapping[str, Question]:
    return {question.id: question for question in all_questions()}


def _question(row: Mapping[str, Any]) -> Question:
    """Show reply ``one`` as a or b, in turn, so that always answering a says nothing."""
    first = int(row["id"].rpartition("-")[2]) % 2 == 0
    a, b = (row["one"], row["other"]) if first else (row["other"], row["one"])
    sides: dict[bool, Side] = {first: "a", not first: "b"}
    blend = tuple((style, sides[sign > 0]) for style, sign in sorted(row["styles"].items()))
    return Question(row["id"], row["prompt"], a, b, topic=row["topic"], blend=blend)


def _damaged(path: str, why: str) -> ArtefactError:
    return ArtefactError(
        f"the file of questions {path} is damaged: {why}", remedy="install persona-engine again"
    )
