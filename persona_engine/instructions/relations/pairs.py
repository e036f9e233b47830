"""Pairs to learn from: drawn within groups, across them, and with conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.instructions.relations.bank import Label, Statement, relation


@dataclass(frozen=True, slots=True)
class Pair:
    """Two statements, the second said after the first, and how they are related."""

    before: str
    after: str
    label: Label
    group: str


_ROW_REPEATS = 5  # their groups are small, and vary most
_OPENINGS = (
    "Please {}",
    "From now on, {}",
    "Actually, {}",
    "Remember: {}",
    "By the way, {}",
    "Note that {}",
    "Just so you know, {}",
    "Hey, {}",
    "In future, {}",
    "One more thing: {}",
    "{}, please",
    "{} from now on",
    "{} in future",
    "{}, thanks",
    "OK, {}",
    "I'd like to add that {}",
    "For the record, {}",
    "{}!",
)
_WISHES = (
    "I'd like you to {}",
    "Could you {}",
    "I want you to {}",
    "Always {}",
    "You should {}",
    "Make sure to {}",
)
_CHANGES = (
    "Actually, {}",
    "I changed my mind: {}",
    "From now on {}",
    "Change of plan: {}",
    "Correction: {}",
    "Update: {}",
    "{} instead",
    "{} now",
)
_TOPICS = (
    ("recipes", "a recipe", "cooking"),
    ("code", "programming", "coding"),
    ("travel", "a trip", "travelling"),
    ("my e-mails", "emails", "an email"),
    ("homework", "my homework", "schoolwork"),
    ("films", "a movie", "movies"),
    ("work", "my job", "business matters"),
    ("health", "medical questions", "my health"),
    ("news", "the news", "current events"),
    ("history", "historical events", "the past"),
    ("maths", "math problems", "a calculation"),
    ("gifts", "a present", "gift ideas"),
    ("music", "songs", "a playlist"),
    ("restaurants", "a place to eat", "eating out"),
    ("flights", "a flight", "plane tickets"),
    ("my children", "my kids", "parenting"),
    ("sports", "a match", "sport"),
    ("shopping", "things to buy", "products"),
)
_WHENS = (
    "When I ask for {}, {}",
    "If I ask about {}, {}",
    "{1} when I ask about {0}",
    "For {}, {}",
    "Whenever I mention {}, {}",
    "When it comes to {}, {}",
    "If it's about {}, {}",
    "{1} if I ask for {0}",
    "When we talk about {}, {}",
    "In questions about {}, {}",
    "Every time I ask about {}, {}",
)


def draw_pairs(
    statements: Sequence[Statement], rng: np.random.Generator, *, rounds: int = 3
) -> list[Pair]:
    """Return labelled pairs: within groups, across groups, and with conditions.

    Args:
        statements: Of `read_statements`.
        rng: Decides which statements are paired and how they are dressed.
        rounds: How many partners of each kind a statement gets.
    """
    groups: dict[str, list[Statement]] = {}
    for each in statements:
        groups.setdefault(each.group, []).append(each)
    pairs: list[Pair] = []
    for name, members in groups.items():
        for _ in range(_ROW_REPEATS if name.startswith("row/") else 1):
            pairs += _within(members, rng, rounds)
    pairs += _across(statements, rng, rounds)
    return pairs


def _within(members: Sequence[Statement], rng: np.random.Generator, rounds: int) -> list[Pair]:
    earlier = [each for each in members if not each.later]
    by_label: tuple[list[tuple[Statement, Statement]], ...] = ([], [], [])
    chosen = (
        earlier if len(earlier) <= 60 else [earlier[i] for i in rng.permutation(len(earlier))[:60]]
    )
    for before in chosen:
        others = (
            members
            if len(members) <= 60
            else [members[i] for i in rng.permutation(len(members))[:60]]
        )
        near = [each for each in members if each.filler == before.filler] if before.filler else []
        for after in {id(each): each for each in [*others, *near]}.values():
            if after.text != before.text:
                by_label[relation(before, after)].append((before, after))
    pairs: list[Pair] = []
    for label, found in enumerate(by_label):
        wanted = rounds * (14 if label < 2 else 7)
        wanted = min(len(found), max(wanted, len(members) // 2))
        for i in rng.permutation(len(found))[:wanted]:
            before, after = found[i]
            pairs.append(dress(before, after, relation(before, after), rng))
    return pairs


def _across(statements: Sequence[Statement], rng: np.random.Generator, rounds: int) -> list[Pair]:
    earlier = [each for each in statements if not each.later]
    pairs = []
    for _ in range(rounds * 1000):
        before, after = (
            earlier[int(rng.integers(len(earlier)))],
            statements[int(rng.integers(len(statements)))],
        )
        if before.group != after.group:
            pairs.append(dress(before, after, 2, rng))
    return pairs


def dress(before: Statement, after: Statement, label: Label, rng: np.random.Generator) -> Pair:
    """Return a pair with openings, changes and conditions as people put them."""
    first, second = _open(before.text, rng, 0.15), _open(after.text, rng, 0.3)
    if label == 1 and rng.random() < 0.25:
        second = _put(_CHANGES[rng.integers(len(_CHANGES))], after.text)
    if rng.random() < 0.12 and not after.later:
        return _conditioned(before, after, label, rng)
    if rng.random() < 0.15:
        first, second = first.rstrip("."), second.rstrip(".")
    if rng.random() < 0.07:
        first, second = first.lower(), second.lower()
    return Pair(first, second, label, before.group)


def _conditioned(
    before: Statement, after: Statement, label: Label, rng: np.random.Generator
) -> Pair:
    """Return a pair with conditions: the same one, two different ones, or on one side only."""
    one, other = rng.permutation(len(_TOPICS))[:2]
    fate = rng.random()
    if fate < 0.5:
        first, second = _when(before.text, one, rng), _when(after.text, one, rng)
        return Pair(first, second, label, before.group)
    if fate < 0.75:
        first, second = _when(before.text, one, rng), _when(after.text, other, rng)
    elif fate < 0.9:
        first, second = before.text, _when(after.text, one, rng)
    else:
        first, second = _when(before.text, one, rng), after.text
    return Pair(first, second, 2, before.group)


def _when(text: str, topic: int, rng: np.random.Generator) -> str:
    template = _WHENS[rng.integers(len(_WHENS))]
    asked = _TOPICS[topic][rng.integers(3)]
    if "{1}" in template:
        return template.format(asked, text.rstrip(".")) + "."
    return template.format(asked, _lower(text))


def _open(text: str, rng: np.random.Generator, share: float) -> str:
    if rng.random() >= share:
        return text
    imperative = not text.startswith(("I ", "I'", "My ", "We ", "Our ", "No "))
    choices = _OPENINGS + _WISHES if imperative else _OPENINGS[1:]
    return _put(choices[rng.integers(len(choices))], text)


def _put(template: str, text: str) -> str:
    inner = text.rstrip(".") if not template.endswith("{}") else text
    return template.format(inner if template.startswith("{}") else _lower(inner))


def _lower(text: str) -> str:
    return (
        text if text.startswith(("I ", "I'", "SI ", "US ", "UK ")) else text[:1].lower() + text[1:]
    )
