"""What is judged on: people, the responses that they compared, and their comparisons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import IntArray

Doubles = NDArray[np.float64]

NO_GROUP = -1


@dataclass(frozen=True, slots=True)
class Item:
    """One response to one prompt.

    Args:
        id: Name of the text, equal for equal texts; what ``+item`` features and item-disjoint
            queries tell apart.
        text: The response.
        prompt: What it answers; empty for a text by itself.
    """

    id: str
    text: str
    prompt: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Comparisons of many people, each person's in the order of their answers.

    Args:
        user: ``(N,)`` index into the dataset's users.
        chosen: ``(N,)`` index of the preferred item; of either one for a tie.
        rejected: ``(N,)`` index of the other item.
        target: ``(N,)`` 1 where ``chosen`` was preferred, ½ for a tie.
        weight: ``(N,)`` strength.
        group: ``(N,)`` index into the dataset's groups, ``NO_GROUP`` for none.
        time: ``(N,)`` when the answer was given, infinity where that is not known.
    """

    user: IntArray
    chosen: IntArray
    rejected: IntArray
    target: Doubles
    weight: Doubles
    group: IntArray
    time: Doubles

    def __len__(self) -> int:
        return len(self.user)

    @property
    def tied(self) -> NDArray[np.bool_]:
        """Whether neither item was preferred, ``(N,)``."""
        tied: NDArray[np.bool_] = self.target != 1.0
        return tied

    @property
    def timed(self) -> bool:
        """Whether all answers carry their time."""
        return bool(np.isfinite(self.time).all())

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Self:
        """Return the chosen rows, in that order."""
        return type(self)(*(getattr(self, each.name)[rows] for each in fields(self)))

    def in_order(self, rng: np.random.Generator) -> Self:
        """Return each person's comparisons by time, and in random order where times are equal.

        The order of a file says little: many are sorted by topic.
        """
        shuffled = self.take(rng.permutation(len(self)))
        return shuffled.take(np.lexsort((shuffled.time, shuffled.user)))


@dataclass(frozen=True, eq=False)
class Dataset(ABC):
    """People and what they compared.

    Args:
        name: What it is called in results.
        digest: Hash of the files that it was read from.
        items: Every response that occurs.
        users: Names of the people.
        groups: Names of groups of people or of comparisons.
        passed_over: What was left out while reading and how often, in words.
    """

    name: str
    digest: str
    items: tuple[Item, ...]
    users: tuple[str, ...]
    groups: tuple[str, ...]
    passed_over: tuple[str, ...] = field(default=(), kw_only=True)

    @abstractmethod
    def draw(self, rng: np.random.Generator, *, support: int, disjoint_items: bool) -> Comparisons:
        """Return the comparisons of everybody, in the order in which each person gave them.

        Args:
            rng: Decides what the data leaves open: the order of answers without a time, and which
                votes are paired.
            support: Most comparisons that a person's taste is inferred from.
            disjoint_items: Whether what follows these must be about other texts.
        """


@dataclass(frozen=True, eq=False)
class ComparisonDataset(Dataset):
    """Comparisons as people made them.

    Args:
        rows: In the order of the file.
    """

    rows: Comparisons = field(kw_only=True)

    def draw(self, rng: np.random.Generator, *, support: int, disjoint_items: bool) -> Comparisons:  # noqa: ARG002
        """Return the comparisons in each person's order."""
        return self.rows.in_order(rng)
