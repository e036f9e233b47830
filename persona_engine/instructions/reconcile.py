"""Keeps one copy of what is said twice, and the latest of what was changed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from persona_engine.instructions.relations.scorer import Relations, relate
from persona_engine.interfaces import LanguageTools
from persona_engine.types import Instruction

Action = Literal["add", "keep", "replace", "supersede"]
NEAR_IDENTICAL = 0.85  # MiniLM gives 0.85 to 0.95 to repeats that differ in fillers
RELATED = 0.55  # least P(same) + P(update)
SAME_OVER_UPDATE = 0.8  # P(same) that outweighs P(update) of 1
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


_ADDED = Reconciliation("add", None, (), None, 1.0, "nothing says this yet")


def reconcile(
    new: Instruction,
    existing: Sequence[Instruction],
    *,
    tools: LanguageTools | None = None,
) -> Reconciliation:
    """Compare a new instruction with the active ones.

    Two say the same when their words are equal but for case, punctuation and white space, or when
    they differ in nothing but fillers, such as "please", and plurals, and their embeddings' cosine
    is high. Beyond words, the relation scorer judges (`persona_engine.instructions.relations`),
    where the encoder is the one that it was trained on: P(same), P(update), P(unrelated). The new
    one is related where P(unrelated) is low enough, and then the likelier of the other two.

    Nothing merges or supersedes across different times of validity or different conditions: a rule
    for recipes leaves the rule for everything else alone. A user's and an operator's instructions
    leave each other alone: either may be withdrawn without the other. What was induced or is only
    suggested never supersedes what the person said.

    Args:
        new: What was just said.
        existing: The user's instructions; only active ones count.
        tools: The engine's sentence encoder; without one only words are compared.

    Raises:
        ArtefactError: The scorer's weights are damaged.
    """
    old_ones = [each for each in existing if each.status == "active" and _comparable(new, each)]
    if not old_ones:
        return _ADDED
    relations = None
    if tools is not None:
        relations = relate(new, old_ones, tools=tools)
    cosines = _cosines(new, old_ones, tools) if relations is None else relations.cosine.tolist()
    same = [_agreement(new, old, cosine) for old, cosine in zip(old_ones, cosines, strict=True)]
    if max(same) > 0:
        best = int(np.argmax(same))
        return _said_before(new, old_ones[best], same[best], 1.0)
    if relations is None:
        return _ADDED
    return _judged(new, old_ones, relations)


def _judged(new: Instruction, old_ones: Sequence[Instruction], found: Relations) -> Reconciliation:
    """Return what the scorer's probabilities ask for."""
    related = found.same + found.update > RELATED
    says = related & (found.same > SAME_OVER_UPDATE * found.update)
    changes = related & ~says & np.array([_may_supersede(new, each) for each in old_ones])
    if not changes.any():
        if not says.any():
            return _ADDED
        best = int(np.argmax(np.where(says, found.same, 0.0)))
        return _said_before(new, old_ones[best], float(found.cosine[best]), float(found.same[best]))
    # What says the same goes too, so that the person's latest words stand alone.
    likely = np.where(changes, found.update, 0.0) + 1e-6 * says * found.same
    gone = [int(i) for i in np.argsort(-likely, kind="stable") if changes[i] or says[i]]
    gone = [i for i in gone if changes[i] or _may_supersede(new, old_ones[i])]
    first = old_ones[gone[0]]
    return Reconciliation(
        "supersede",
        first,
        tuple(old_ones[i] for i in gone),
        float(found.cosine[gone[0]]),
        float(found.update[gone[0]]),
        f"contradicts or updates {first.text!r}",
    )


def _said_before(
    new: Instruction, old: Instruction, similarity: float, probability: float
) -> Reconciliation:
    if new.status == "active" and _weight(new) > _weight(old):
        reason = f"says what {old.text!r} says, with more weight"
        return Reconciliation("replace", old, (old,), similarity, probability, reason)
    reason = f"{old.text!r} says this already"
    return Reconciliation("keep", old, (), similarity, probability, reason)


def _comparable(new: Instruction, old: Instruction) -> bool:
    """Return whether two instructions may merge or supersede at all."""
    if (new.source == "operator") != (old.source == "operator"):
        return False
    return (new.valid_from, new.valid_until) == (old.valid_from, old.valid_until)


def _may_supersede(new: Instruction, old: Instruction) -> bool:
    return new.status == "active" and (new.source != "induced" or old.source == "induced")


def _cosines(
    new: Instruction, existing: Sequence[Instruction], tools: LanguageTools | None
) -> list[float]:
    if tools is None:
        return [-1.0] * len(existing)
    vectors = np.asarray(tools.embed([new.text, *(each.text for each in existing)]))
    products: list[float] = (vectors[1:] @ vectors[0]).tolist()
    return products


def _agreement(new: Instruction, old: Instruction, cosine: float) -> float:
    """Return how alike two instructions are whose words say the same, else 0."""
    if _words(new.scope) != _words(old.scope):
        return 0.0
    before, after = _words(old.text), _words(new.text)
    if before == after:
        return 1.0
    if cosine >= NEAR_IDENTICAL and _content(before) == _content(after):
        return cosine
    return 0.0


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
