"""The examples that the scorer learns from: written ones, and ones made from written contrasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")
DATA = Path(__file__).parent / "data"

AVOID = (
    "I avoid {}.",
    "I hate {}.",
    "I don't like {}.",
    "I can't stand {}.",
    "Never suggest {}.",
    "No {}, please.",
    "I want nothing to do with {}.",
    "I'm not a fan of {}.",
    "I dislike {}.",
    "I refuse anything with {}.",
    "I have a strong aversion to {}.",
    "I'm uncomfortable with {}.",
    "I'm not interested in {}.",
    "Please leave out {}.",
    "I try to stay away from {}.",
    "I'd rather not have {}.",
    "{} are not for me, so I avoid {}.",
    "I'm strictly against {}.",
    "I have no patience for {}.",
    "Don't recommend {} to me.",
    "I've had bad experiences with {} and avoid them.",
    "I do not enjoy {}.",
    "I get stressed by {}.",
    "I never go for {}.",
    "I'm fed up with {}.",
)
PREFER = (
    "I prefer {}.",
    "I only want {}.",
    "I love {}.",
    "I insist on {}.",
    "I'm looking for {}.",
    "It must be {}.",
    "I need {}.",
    "I always choose {}.",
    "I value {} above all.",
    "Only {}, please.",
    "I'm strict about {}.",
    "I much prefer {} whenever there's a choice.",
    "I stick to {}.",
    "I really enjoy {}.",
    "I exclusively go for {}.",
    "I'm drawn to {}.",
    "Please favour {}.",
    "I don't like anything that isn't {}.",
    "I refuse anything other than {}.",
    "I believe in {}.",
)
BOTH = (
    "I prefer {good} over {bad}.",
    "I like {good}, not {bad}.",
    "I'd rather have {good} than {bad}.",
    "I avoid {bad} and prefer {good}.",
    "I hate {bad}; I want {good}.",
    "{good} instead of {bad}, please.",
    "I don't enjoy {bad}, but I love {good}.",
    "I'm into {good} rather than {bad}.",
)
_PLAIN = (
    "{}.",
    "How about {}?",
    "I'd go with {}.",
    "Try {}.",
    "{}",
    "You could pick {}.",
)
_KEEPS = (
    "{}, without {bad}.",
    "{}: no {bad} at all.",
    "{}, ideal for {good}.",
    "{}, a case of {good}.",
    "{}, free of {bad}.",
    "{} instead of {bad}.",
)
_BREAKS = (
    "{}, with plenty of {bad}.",
    "{}, known for {bad}.",
    "{}: {bad} at their best.",
    "{}, if you like {bad}.",
)
_LISTS = (
    "{}, {} and {}.",
    "There is {}; also {} or {}.",
    "First {}. Then {}. Finally {}.",
)


@dataclass(frozen=True, slots=True)
class Example:
    """Replies to one request of a person with one instruction.

    Args:
        domain: What it is about; domains are held out together.
        instruction: The person's words.
        request: What they ask now.
        replies: ``B`` texts.
        keeps: Whether each keeps the instruction.
        written: Whether a person wrote it out, rather than a template.
    """

    domain: str
    instruction: str
    request: str
    replies: tuple[str, ...]
    keeps: tuple[bool, ...]
    written: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a contrast: its names, and replies that have the property."""

    names: tuple[str, ...]
    replies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two opposite properties of replies to the same requests."""

    domain: str
    requests: tuple[str, ...]
    bad: Side
    good: Side


def read_contrasts(folder: Path = DATA) -> list[Contrast]:
    """Read ``contrasts_*.txt``.

    A line starts with ``@`` (domain), ``?`` (a request), ``-`` (one side: names " : " replies) or
    ``+`` (the opposite side of the line before).
    """
    found: list[Contrast] = []
    domain, requests, bad = "", [""], Side((), ())
    for line in _lines(folder, "contrasts_*.txt"):
        mark, rest = line[0], line[1:].strip()
        if mark == "@":
            domain, requests = rest, []
        elif mark == "?":
            requests.append(rest)
        elif mark == "-":
            bad = _side(rest)
        else:
            found.append(Contrast(domain, tuple(requests), bad, _side(rest)))
    return found


def read_written(folder: Path = DATA) -> list[Example]:
    """Read ``natural_*.txt``: instruction | request | kept by ; … | broken by ; …."""
    found: list[Example] = []
    domain = ""
    for line in _lines(folder, "natural_*.txt"):
        if line[0] == "@":
            domain = line[1:].strip()
            continue
        instruction, request, good, bad = (part.strip() for part in line.split(" | "))
        kept, broken = good.split(" ; "), bad.split(" ; ")
        keeps = (True,) * len(kept) + (False,) * len(broken)
        found.append(Example(domain, instruction, request, (*kept, *broken), keeps, written=True))
    return found


def read_concepts(folder: Path = DATA) -> list[tuple[str, Side]]:
    """Read ``concepts_*.txt``: domain, and a category's names with what belongs to it."""
    found: list[tuple[str, Side]] = []
    domain = ""
    for line in _lines(folder, "concepts_*.txt"):
        if line[0] == "@":
            domain = line[1:].strip()
            continue
        names, instances = line.split(" : ")
        side = Side(tuple(names.split(" / ")), tuple(each.strip() for each in instances.split(",")))
        found.append((domain, side))
    return found


def made_examples(contrasts: Sequence[Contrast], *, per_contrast: int, seed: int) -> list[Example]:
    """Return examples made from contrasts, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    return [_made(contrast, contrasts, rng) for contrast in contrasts for _ in range(per_contrast)]


def _made(contrast: Contrast, others: Sequence[Contrast], rng: np.random.Generator) -> Example:
    bad, good = contrast.bad, contrast.good
    if rng.random() < 0.3:
        bad, good = good, bad
    avoided, wanted = _pick(bad.names, rng), _pick(good.names, rng)
    how = rng.random()
    if how < 0.6:
        instruction = _pick(AVOID, rng).format(*[avoided] * 2)
    elif how < 0.85:
        instruction = _pick(PREFER, rng).format(wanted)
    else:
        instruction = _pick(BOTH, rng).format(good=wanted, bad=avoided)
    kept = [_reply(good, avoided, wanted, rng, keeps=True) for _ in range(2)]
    broken = [_reply(bad, avoided, wanted, rng, keeps=False) for _ in range(2)]
    if how < 0.6:
        near = [each for each in others if each.domain == contrast.domain and each is not contrast]
        if near:
            kept[1] = _plain(_pick(_pick(near, rng).good.replies, rng), rng)
    replies = tuple(dict.fromkeys([*kept, *broken]))
    keeps = tuple(each in kept for each in replies)
    return Example(contrast.domain, instruction[0].upper() + instruction[1:],
                   _pick(contrast.requests, rng), replies, keeps, written=False)  # fmt: skip


def _reply(side: Side, bad: str, good: str, rng: np.random.Generator, *, keeps: bool) -> str:
    how = rng.random()
    if how < 0.2 and len(side.replies) >= 3:
        chosen = rng.choice(len(side.replies), 3, replace=False)
        return _capital(_pick(_LISTS, rng).format(*(side.replies[int(n)] for n in chosen)))
    said = _pick(side.replies, rng)
    if how < 0.5:
        return _capital(_pick(_KEEPS if keeps else _BREAKS, rng).format(said, good=good, bad=bad))
    return _plain(said, rng)


def _plain(said: str, rng: np.random.Generator) -> str:
    return _capital(_pick(_PLAIN, rng).format(said))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _pick(of: Sequence[_T], rng: np.random.Generator) -> _T:
    return of[int(rng.integers(len(of)))]


def _side(text: str) -> Side:
    names, replies = text.split(" : ", 1)
    return Side(tuple(names.split(" / ")), tuple(each.strip() for each in replies.split(" ; ")))


def _lines(folder: Path, pattern: str) -> Iterator[str]:
    for path in sorted(folder.glob(pattern)):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield line.strip()
