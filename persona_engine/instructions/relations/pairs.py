"""Pairs to learn from: drawn within groups, across them, near ones, and with conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona_engine.instructions.relations.bank import DATA, Label, Statement, relation
from persona_engine.instructions.relations.text import read
from persona_engine.types import FloatArray


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
            pairs.append(_dress(before, after, relation(before, after), rng))
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
            pairs.append(_dress(before, after, 2, rng))
    return pairs


def _dress(before: Statement, after: Statement, label: Label, rng: np.random.Generator) -> Pair:
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


def draw_near_pairs(
    statements: Sequence[Statement],
    embed: Callable[[Sequence[str]], FloatArray],
    rng: np.random.Generator,
    *,
    count: int = 9000,
    nearest: int = 60,
    folder: Path = DATA,
) -> list[Pair]:
    """Return unrelated pairs whose topics are near: the hard ones.

    Groups that may say or deny the same things (``families.txt``) are not paired, nor are topics so
    near that they may be one.

    Args:
        statements: Of `read_statements`.
        embed: Sentence embeddings of texts.
        rng: Decides which are paired.
        count: How many statements get a partner.
        nearest: Among how many of the nearest it is drawn.
        folder: Where the families are.
    """
    unique = list({(each.group, read(each.text).topic): each for each in statements}.values())
    vectors = embed([read(each.text).topic for each in unique])
    names, index = np.unique([each.group for each in unique], return_inverse=True)
    apart = ~_may_overlap(names.tolist(), folder)
    rows = np.char.startswith(names, "row/")
    pairs = []
    for i in rng.permutation(len(unique))[:count]:
        cosine = vectors @ vectors[i]
        limit = np.where(rows[index] | rows[index[i]], 0.55, 0.8)
        cosine[~apart[index[i]][index] | (cosine > limit)] = -1.0
        j = np.argsort(-cosine, kind="stable")[:nearest][rng.integers(nearest)]
        before, after = sorted((unique[i], unique[j]), key=lambda each: each.later)
        if not before.later:
            pairs.append(_dress(before, after, 2, rng))
    return pairs


def _may_overlap(names: Sequence[str], folder: Path) -> NDArray[np.bool_]:
    """Return ``(G, G)``: whether statements of two groups may say or deny the same thing."""
    lines = (folder / "families.txt").read_text(encoding="utf-8").splitlines()
    overlap = np.eye(len(names), dtype=bool)
    position = {name: i for i, name in enumerate(names)}
    for line in lines:
        family = [position[each] for each in line.split() if each in position]
        overlap[np.ix_(family, family)] = True
    formats = np.array([name.split("/")[0] in _FORMAT_DOMAINS for name in names])
    everywhere = position.get("style/format-use")
    if everywhere is not None:
        overlap[everywhere] |= formats
        overlap[:, everywhere] |= formats
    return overlap


_FORMAT_DOMAINS = ("style", "code", "thing", "math", "units", "music", "mail", "write")
