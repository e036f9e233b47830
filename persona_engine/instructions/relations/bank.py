"""Statements to learn from: subjects, their values, and many ways to say each.

A file holds groups. ``# domain/name`` begins one; with ``| one: a; b`` or ``| many: a; b`` its
statements are templates, and ``{}`` stands for a filler. Fillers of ``one`` exclude each other
(a person lives in one city), those of ``many`` stand side by side (a person has many allergies).
A line is ``value: statement | statement``. Two values of one group exclude each other; a line that
begins with ``~`` is near the group and excludes nothing; one that begins with ``>`` holds what is
only said later, as an update.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Label = Literal[0, 1, 2]  # the same; an update or contradiction; unrelated
LABELS = ("same", "update", "unrelated")
DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a person may say.

    Args:
        text: The words.
        group: Domain and name of the group.
        filler: What stands in the template, or empty.
        value: What is said about it; begins with ``~`` when it excludes nothing.
        later: Whether it is only said after another.
        exclusive: Whether fillers of the group exclude each other.
    """

    text: str
    group: str
    filler: str
    value: str
    later: bool
    exclusive: bool


def read_statements(folder: Path = DATA) -> list[Statement]:
    """Return all statements of the files of a folder."""
    found: list[Statement] = []
    for path in sorted(folder.glob("*.txt")):
        if path.stem in ("families", "lexicon"):
            continue
        group, fillers, exclusive = "", [""], False
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#"):
                name, _, rest = line[1:].partition("|")
                mode, _, values = rest.partition(":")
                group, exclusive = name.strip(), mode.strip() == "one"
                fillers = [each.strip() for each in values.split(";")] if values else [""]
            elif line.strip():
                found += _line(line, group, fillers, exclusive)
    for path in sorted(folder.glob("*.rows")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            found += _row(line, f"row/{path.stem}-{number}")
    return found


def _row(line: str, group: str) -> list[Statement]:
    """Return the statements of ``a = a > b = b > c ~ d``."""
    found = []
    for number, part in enumerate(re.split(r" (?=[>~] )", line)):
        mark = part[0] if part[0] in ">~" else ""
        value = f"{'~' if mark == '~' else ''}{number}"
        for text in part.removeprefix(mark).split(" = "):
            found.append(Statement(text.strip(), group, "", value, mark == ">", False))
    return found


def _line(line: str, group: str, fillers: Sequence[str], exclusive: bool) -> list[Statement]:
    head, _, rest = line.partition(":")
    later = head.startswith(">")
    value = head.removeprefix(">").strip()
    return [
        Statement(_fill(text.strip(), filler), group, filler, value, later, exclusive)
        for text in rest.split(" | ")
        for filler in fillers
    ]


def _fill(template: str, filler: str) -> str:
    text = template.replace("{}", filler)
    for wrong, right in (("a a", "an a"), ("a e", "an e"), ("a i", "an i"), ("a o", "an o")):
        text = text.replace(f" {wrong}", f" {right}")
    for end in "aeio":
        text = text.replace(f" an n{end}", f" a n{end}")
    return text[:1].upper() + text[1:]


def relation(before: Statement, after: Statement) -> Label:
    """Return how two statements of one group are related."""
    if before.filler == after.filler:
        if before.value == after.value:
            return 0
        apart = "~" in before.value + after.value or _aspect(before) != _aspect(after)
        return 2 if apart else 1
    if before.exclusive and "~" not in before.value + after.value:
        return 1
    return 2


def _aspect(statement: Statement) -> str:
    aspect, dot, _ = statement.value.partition(".")
    return aspect if dot else f"~{aspect}" if statement.group.startswith("thing/") else ""
