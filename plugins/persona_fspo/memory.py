"""Which of a person's comparisons a posterior keeps, and how their texts are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import Evidence, PairText


@dataclass(frozen=True, slots=True)
class Told:
    """One comparison in words, the preferred text first.

    Args:
        pair: The words.
        worth: How much it says: its strength, less the nearer it is to a tie.
    """

    pair: PairText
    worth: float


def told_by(evidence: Evidence) -> list[Told]:
    """Return what comparisons say in words; ties and those of weight 0 say nothing."""
    if evidence.texts is None:
        return []
    lean = 2.0 * evidence.target.astype(np.float64) - 1.0
    return [
        Told(pair if side > 0 else _swapped(pair), float(weight * abs(side)))
        for pair, weight, side in zip(evidence.texts, evidence.weight, lean, strict=True)
        if weight * abs(side) > 0
    ]


def most_telling(told: Sequence[Told], count: int) -> list[Told]:
    """Return the comparisons that say most, most first.

    Equally telling ones are ordered by a hash of their words, so that neither the choice nor the
    order depends on the order in which they were made. Where older evidence is given less weight,
    the newest are the most telling.
    """
    return sorted(told, key=lambda each: (-np.float32(each.worth), _digest(each.pair)))[:count]


def _swapped(pair: PairText) -> PairText:
    return PairText(pair.prompt, pair.rejected, pair.chosen)


def swapped(pairs: Sequence[PairText]) -> list[PairText]:
    """Return the choices of somebody who would have chosen otherwise each time."""
    return [_swapped(pair) for pair in pairs]


def _digest(pair: PairText) -> bytes:
    return hashlib.sha256(_words(pair).encode("utf-8", "surrogatepass")).digest()


def _words(pair: PairText) -> str:
    return json.dumps([pair.prompt, pair.chosen, pair.rejected])


def to_arrays(told: Sequence[Told]) -> dict[str, NDArray[Any]]:
    """Return the comparisons as arrays: JSON in UTF-8 bytes, and what each is worth.

    Examples:
        >>> kept = [Told(PairText("Hi", "Hello!", "Good day."), 1.0)]
        >>> to_told(to_arrays(kept)) == kept
        True
    """
    words = json.dumps([[t.pair.prompt, t.pair.chosen, t.pair.rejected] for t in told])
    return {
        "texts": np.frombuffer(words.encode(), np.uint8),  # JSON escapes all but ASCII
        "worth": np.array([each.worth for each in told], np.float32),
    }


def to_told(state: Mapping[str, NDArray[Any]]) -> list[Told]:
    """Return the comparisons that `to_arrays` stored."""
    words = json.loads(state["texts"].tobytes().decode())
    return [
        Told(PairText(*each), float(worth))
        for each, worth in zip(words, state["worth"], strict=True)
    ]
