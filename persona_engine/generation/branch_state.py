"""What branches remember: a look ahead, and a state to return to."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from persona_engine.generation.reply import GrowingReply
from persona_engine.generation.running_means import RunningMeans
from persona_engine.generation.seats import Seats
from persona_engine.types import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class SavedReading:
    """A state of `BranchReader`.

    Args:
        rows: Of the cache.
        seats: Who reads what.
        logits: Of the next tokens, ``(R, V)``.
        means: The branches' features.
    """

    rows: object
    seats: Seats
    logits: torch.Tensor
    means: RunningMeans


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """Tokens that were read side by side in each row.

    Args:
        tokens: ``(R, k)``.
        logits: What follows each, ``(R, k, V)``.
        hidden: Hidden states of each, ``(R, k, H)``.
    """

    tokens: IntArray
    logits: torch.Tensor
    hidden: torch.Tensor

    def columns(self, tokens: IntArray) -> list[int] | None:
        """Return where in its row each of some tokens ``(R,)`` is; None if one is not."""
        same = self.tokens == tokens[:, None]
        found: list[int] = same.argmax(1).tolist()
        return found if same.any(1).all() else None

    def chosen(self, columns: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits ``(R, V)`` and hidden states ``(R, H)`` of one token in each row."""
        rows = list(range(len(columns)))
        return self.logits[rows, columns], self.hidden[rows, columns]

    def keep(self, rows: list[int]) -> Ahead:
        """Return the same of these rows."""
        return Ahead(self.tokens[rows], self.logits[rows], self.hidden[rows])


@dataclass(frozen=True, slots=True, eq=False)
class SavedBranches:
    """A state of `CachedBranches`.

    Args:
        reading: What the network has read.
        replies: The branches' own state.
        streams: How many streams of random numbers there are.
    """

    reading: SavedReading
    replies: tuple[GrowingReply, ...]
    streams: int
