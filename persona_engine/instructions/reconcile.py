"""Keeps one copy of what is said twice.

Only what says the same is merged. A changed wish ("at most five sentences" after "at most three")
is another instruction, however near its embedding is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from persona_engine.interfaces import Embed
from persona_engine.types import Instruction

Action = Literal["add", "keep", "replace", "supersede"]
NEAR_IDENTICAL = 0.85  # MiniLM gives 0.85 to 0.95 to repeats that differ in fillers
_SOURCES = ("induced", "user", "operator")
_OPENERS, _CLOSERS = "\"'([“‘«", ".,!?;:\"')]”’»…"
# Words whose presence or absence changes no wish.
_FILLERS = frozenset(
    {
        "a",
        "an",
        "the",
        "to",
        "in",
        "of",
        "for",
        "my",
        "me",
        "i",
        "you",
        "your",
        "please",
        "always",
        "kindly",
        "just",
        "do",
        "be",
        "is",
        "are",
        "and",
        "would",
        "want",
        "like",
        "could",
        "can",
        "should",
        "will",
        "that",
        "this",
        "it",
        "answer",
        "answers",
        "reply",
        "replies",
        "respond",
        "response",
        "responses",
        "write",
    }
)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What to do with a new instruction.

    Args:
        action: ``add`` it; ``keep`` the old one, which says it already; ``replace`` the old one by
            it, since it says the same with more weight; or ``supersede`` what it contradicts or
            updates.
        existing: The instruction nearest to it: the one to keep, or the likeliest of those that it
            takes the place of. None when it is simply added.
        superseded: Every active instruction whose place it takes, ``existing`` first; empty unless
            the action is ``replace`` or ``supersede``.
        similarity: Cosine of the new one and ``existing``; 1 for equal words; None without one.
        probability: That this is how the two are related; 1 for equal words.
        reason: Why, in words.
    """

    action: Action
    existing: Instruction | None
    superseded: tuple[Instruction, ...]
    similarity: float | None
    probability: float
    reason: str


def reconcile(
    new: Instruction,
    existing: Sequence[Instruction],
    *,
    embed: Embed | None = None,
    fingerprint: str | None = None,  # noqa: ARG001
) -> Reconciliation:
    """Compare a new instruction with the active ones.

    Two say the same when their words are equal but for case, punctuation and white space, or when
    their embeddings' cosine is high enough and they differ in nothing but fillers, such as
    "please", and plurals. Instructions of different scope or time of validity never merge, nor do
    a user's and an operator's: either may be withdrawn without the other.

    Args:
        new: What was just said.
        existing: The user's instructions; only active ones count.
        embed: The engine's sentence encoder; without one only words are compared.
        fingerprint: Of that encoder.
    """
    old_ones = [each for each in existing if each.status == "active"]
    cosines = _cosines(new, old_ones, embed)
    same = [
        (similarity, old)
        for cosine, old in zip(cosines, old_ones, strict=True)
        if (similarity := _agreement(new, old, cosine)) is not None
    ]
    if not same:
        return Reconciliation("add", None, (), None, 1.0, "nothing says this yet")
    similarity, old = max(same, key=lambda each: each[0])
    if _weight(new) > _weight(old):
        reason = f"says what {old.text!r} says, with more weight"
        return Reconciliation("replace", old, (old,), similarity, 1.0, reason)
    reason = f"{old.text!r} says this already"
    return Reconciliation("keep", old, (), similarity, 1.0, reason)


def _cosines(new: Instruction, existing: Sequence[Instruction], embed: Embed | None) -> list[float]:
    if embed is None or not existing:
        return [-1.0] * len(existing)
    vectors = np.asarray(embed([new.text, *(each.text for each in existing)]))
    products: list[float] = (vectors[1:] @ vectors[0]).tolist()
    return products


def _agreement(new: Instruction, old: Instruction, cosine: float) -> float | None:
    """Return how alike two instructions are that say the same, else None."""
    if old.status != "active" or _conditions(new) != _conditions(old):
        return None
    if {old.source, new.source} == {"user", "operator"}:
        return None
    before, after = _words(old.text), _words(new.text)
    if before == after:
        return 1.0
    if cosine >= NEAR_IDENTICAL and _content(before) == _content(after):
        return cosine
    return None


def _conditions(instruction: Instruction) -> tuple[object, ...]:
    return _words(instruction.scope), instruction.valid_from, instruction.valid_until


def _words(text: str) -> tuple[str, ...]:
    """Return the words, folded, without the punctuation around them; C++ and 1.5 stay whole."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    stripped = (word.lstrip(_OPENERS).rstrip(_CLOSERS) for word in folded.split())
    return tuple(word for word in stripped if word) or (folded.strip(),)


def _content(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words that carry the wish, in order, plurals as singulars."""
    kept = (word for word in words if word not in _FILLERS)
    return tuple(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in kept)


def _weight(instruction: Instruction) -> tuple[int, bool, float]:
    """Return what lets one instruction stand for another: who said it, how firmly, how surely."""
    source = _SOURCES.index(instruction.source)
    return source, instruction.strength == "must", instruction.trust
