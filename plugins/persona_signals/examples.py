"""Reads the training sentences: marked messages, and frames multiplied by their fillers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from persona_signals.sentences import Sentence, sentences_of

EXAMPLES = Path(__file__).parent / "examples"
_MARK = re.compile(r"\[\[(?P<wish>.+?)\]\]|\(\((?P<fact>.+?)\)\)")
_MARKED_WEIGHT = 3.0  # whole messages, as people write them; frames are many and alike
_WRAPPINGS = ("{}", "{}", "Thanks! {}", "{} What about the other one?", "ok great. {}")


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence to learn from.

    Args:
        sentence: With its neighbours.
        label: ``none``, ``wish`` or ``fact``; or a category of reactions.
        group: Frame and domain are held out by this name.
        domain: What it is about.
        weight: How much it counts.
    """

    sentence: Sentence
    label: str
    group: str
    domain: str
    weight: float


def wish_examples() -> list[Example]:
    """Return every example of wishes, facts and others, in a fixed order."""
    marked = [each for name in ("wishes", "others") for each in _marked(EXAMPLES / f"{name}.txt")]
    return [*marked, *_framed(EXAMPLES / "templates.toml")]


def reaction_examples() -> list[Example]:
    """Return every example of reactions and of what is none."""
    found = []
    for number, (label, line) in enumerate(_lines(EXAMPLES / "reactions.txt")):
        sentence = sentences_of(line)[0]
        found.append(Example(sentence, label, f"line {number}", f"line {number}", 1.0))
    return found


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    heading = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line and not line.startswith("# "):
            yield heading, line.replace("\\n", "\n")


def _marked(path: Path) -> Iterator[Example]:
    for number, (domain, line) in enumerate(_lines(path)):
        plain, spans = _unmark(line)
        for sentence in sentences_of(plain):
            label = next(
                (
                    kind
                    for kind, start, end in spans
                    if sentence.start < end and start < sentence.end
                ),
                "none",
            )
            yield Example(sentence, label, f"{path.stem} {number}", domain, _MARKED_WEIGHT)


def _unmark(line: str) -> tuple[str, list[tuple[str, int, int]]]:
    plain, spans, at = "", [], 0
    for found in _MARK.finditer(line):
        plain += line[at : found.start()]
        kind = str(found.lastgroup)
        spans.append((kind, len(plain), len(plain) + len(found[kind])))
        plain, at = plain + found[kind], found.end()
    return plain + line[at:], spans


def _framed(path: Path) -> Iterator[Example]:
    described = tomllib.loads(path.read_text(encoding="utf-8"))
    for label, frames, fillers in (
        ("wish", "wish", "fillers"),
        ("none", "none", "fillers"),
        ("fact", "fact", "facts"),
        ("none", "nofact", "facts"),
        ("none", "plan", "things"),
        ("fact", "taste", "things"),
        ("none", "constrained", "formats"),
        ("wish", "booking", "bookings"),
    ):
        for frame, filler in product(described[frames], described[fillers]):
            for number, text in enumerate(frame["frames"]):
                yield from _filled(text, filler, label, str(frame["group"]), number)


def _filled(
    frame: str, filler: Mapping[str, Any], label: str, group: str, number: int
) -> Iterator[Example]:
    if "values" in filler:
        filler = {"be": filler["values"], "domain": filler["domain"]}
    slots = re.findall(r"\{(\w+)\}", frame)
    count = min(len(filler[slot]) for slot in slots)
    for n in range(count):
        text = frame.format(**{slot: filler[slot][n] for slot in slots})
        wrapped = _WRAPPINGS[(n + number + len(text)) % len(_WRAPPINGS)].format(text)
        start = wrapped.index(text)
        for sentence in sentences_of(wrapped):
            inside = sentence.start < start + len(text) and start < sentence.end
            if inside:
                yield Example(sentence, label, f"frame {group}", str(filler["domain"]), 1.0)
