"""Readers of files that people bring: comparisons, votes on statements, judgments of text pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.evaluation.dataset import (
    NO_GROUP,
    ComparisonDataset,
    Comparisons,
    Dataset,
    Item,
)
from persona_engine.evaluation.fields import Row
from persona_engine.evaluation.votes import VoteDataset
from persona_engine.jsonlines import iter_objects, readable

COMPARISON = '{"user": "ada", "prompt": "…", "chosen": "…", "rejected": "…"}'
VOTE = '{"user": "ada", "item": "17", "vote": 1} with a vote of 1, 0 or -1'
JUDGMENT = '{"user": "ada", "a": "17", "b": "23", "label": "a"} with a label of a, b or tie'
ITEM = '{"item": "17", "text": "…"}'
GROUP = '{"user": "ada", "group": "north"}'


def read_comparisons(path: Path, *, groups: Path | None = None) -> ComparisonDataset:
    """Read ``{user, prompt, chosen, rejected}`` and, optionally, ``weight, tie, group, time``.

    Args:
        path: JSON lines, ``.jsonl`` or ``.jsonl.gz``.
        groups: ``{user, group}`` a line, which wins over the groups of the rows.

    Raises:
        InvalidInputError: A file cannot be read or a line cannot be used; the message names it.
    """
    table = _Table(_groups(groups))
    for row in _rows(path, COMPARISON):
        prompt = row.prompt()
        chosen, rejected = row.text("chosen"), row.text("rejected")
        tie = row.flag("tie")
        if chosen == rejected and not tie:
            raise row.wrong("rejected", "another text than the chosen one")
        table.add(row, Item(chosen, chosen, prompt), Item(rejected, rejected, prompt), tie=tie)
    return table.dataset(path, groups)


def read_votes(path: Path, items: Path, *, groups: Path | None = None) -> Dataset:
    """Read votes ``{user, item, vote}`` or judgments ``{user, a, b, label}`` about given texts.

    Which of the two is seen from the first row. A person's last vote on a statement counts, by
    ``t`` or ``time`` where rows carry it. Judgments may carry ``prompt, weight, group, time``.

    Args:
        path: Votes or judgments, JSON lines.
        items: ``{item or id, text}`` a line.
        groups: ``{user, group}`` a line.

    Raises:
        InvalidInputError: A file cannot be read or a line cannot be used; the message names it.
    """
    first = next(_rows(path, VOTE))
    read = _read_judgments if "label" in first.values else _read_ballots
    return read(path, items, groups)


def dataset_name(path: Path) -> str:
    """Return what a file's data is called.

    Examples:
        >>> dataset_name(Path("data/polis_ssis.votes.jsonl.gz")), dataset_name(Path("ours.jsonl"))
        ('polis_ssis', 'ours')
    """
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    for kind in (".votes", ".judgments", ".comparisons", ".pairs"):
        name = name.removesuffix(kind)
    return name


def _read_judgments(path: Path, items: Path, groups: Path | None) -> ComparisonDataset:
    texts = _texts(items)
    table = _Table(_groups(groups))
    for row in _rows(path, JUDGMENT):
        prompt = row.prompt()
        a, b = (_known(row, side, texts, items) for side in ("a", "b"))
        if a == b:
            raise row.wrong("b", "another text than a")
        label = row.one_of("label", "a", "b", "tie")
        first, second = (Item(each, texts[each], prompt) for each in (a, b))
        if label == "b":
            first, second = second, first
        table.add(row, first, second, tie=label == "tie")
    return table.dataset(path, items, groups)


def _read_ballots(path: Path, items: Path, groups: Path | None) -> VoteDataset:
    texts = _texts(items)
    numbers = {name: number for number, name in enumerate(texts)}
    ballots: dict[str, dict[int, tuple[float, int]]] = {}
    for row in _rows(path, VOTE):
        user, item = row.name_of("user"), numbers[_known(row, "item", texts, items)]
        vote = int(row.one_of("vote", 1, 0, -1))
        time = row.time("t" if "t" in row.values else "time")
        cast = ballots.setdefault(user, {})
        if item not in cast or cast[item][0] <= time:
            cast[item] = (time, vote)
    names = tuple(ballots)
    of_user = _groups(groups)
    known = sorted(set(of_user.values()))
    return VoteDataset(
        dataset_name(path),
        _digest(path, items, groups),
        tuple(Item(name, text) for name, text in texts.items()),
        names,
        tuple(known),
        liked=tuple(_voted(ballots[name], 1) for name in names),
        disliked=tuple(_voted(ballots[name], -1) for name in names),
        user_group=np.array(
            [known.index(of_user[name]) if name in of_user else NO_GROUP for name in names],
            np.int64,
        ),
    )


@dataclass
class _Table:
    """Rows as they are read, with everything named numbered in the order of its coming."""

    of_user: dict[str, str]
    users: dict[str, int] = field(default_factory=dict)
    items: dict[Item, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[int, int, int, float, float, int, float]] = field(default_factory=list)

    def add(self, row: Row, chosen: Item, rejected: Item, *, tie: bool) -> None:
        user = row.name_of("user")
        group = self.of_user.get(user, row.optional_name("group"))
        self.rows.append(
            (
                self.users.setdefault(user, len(self.users)),
                self.items.setdefault(chosen, len(self.items)),
                self.items.setdefault(rejected, len(self.items)),
                0.5 if tie else 1.0,
                row.weight(),
                NO_GROUP if group is None else self.groups.setdefault(group, len(self.groups)),
                row.time("time"),
            )
        )

    def dataset(self, path: Path, *others: Path | None) -> ComparisonDataset:
        user, chosen, rejected, target, weight, group, time = (
            np.array(column) for column in zip(*self.rows, strict=True)
        )
        return ComparisonDataset(
            dataset_name(path),
            _digest(path, *others),
            tuple(self.items),
            tuple(self.users),
            tuple(self.groups),
            rows=Comparisons(user, chosen, rejected, target, weight, group, time.astype(float)),
        )


def _rows(path: Path, example: str) -> Iterator[Row]:
    """Yield the rows of a file that must have some."""
    empty = True
    for where, values in iter_objects(path, example=example):
        empty = False
        yield Row(where, values, example)
    if empty:
        raise InvalidInputError(f"{path} holds no row", remedy=f"a line looks like {example}")


def _texts(path: Path) -> dict[str, str]:
    """Return texts by their identifiers."""
    texts: dict[str, str] = {}
    for row in _rows(path, ITEM):
        key = "id" if "id" in row.values and "item" not in row.values else "item"
        name = row.name_of(key)
        if name in texts:
            raise row.wrong(key, "each item once")
        texts[name] = row.text("text")
    return texts


def _groups(path: Path | None) -> dict[str, str]:
    """Return groups of users."""
    if path is None:
        return {}
    return {row.name_of("user"): row.name_of("group") for row in _rows(path, GROUP)}


def _known(row: Row, name: str, texts: dict[str, str], items: Path) -> str:
    item = row.name_of(name)
    if item not in texts:
        raise row.wrong(name, f"an item of {items}")
    return item


def _voted(ballot: dict[int, tuple[float, int]], vote: int) -> np.ndarray:
    return np.array([item for item, (_, each) in ballot.items() if each == vote], np.int64)


def _digest(*paths: Path | None) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path is not None:
            with readable(path), path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
