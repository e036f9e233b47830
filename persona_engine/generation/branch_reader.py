"""What the network has read of branches: the logits that follow, features, a look ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from persona_engine.generation.branch_state import Ahead, SavedReading
from persona_engine.generation.decoding_setup import DecodingSetup
from persona_engine.generation.opening import open_rows
from persona_engine.generation.running_means import RunningMeans
from persona_engine.generation.seats import Seats
from persona_engine.types import FloatArray, IntArray


class BranchReader:
    """Lets the network read the tokens of branches, and knows what followed from them.

    Args:
        setup: Model and settings.
        seats: What each branch continues.
    """

    def __init__(self, setup: DecodingSetup, seats: Seats) -> None:
        self.seats = seats
        self.means = RunningMeans(
            seats.branches,
            width=setup.hidden_size,
            device=setup.model.device,
            length_feature=setup.length_feature,
        )
        self._ahead: Ahead | None = None
        self._rows, self._logits = open_rows(
            setup.model, setup.tap, seats.prompts, seats.of_row, steps=setup.steps
        )

    @property
    def row_count(self) -> int:
        """How many rows are read."""
        return len(self._logits)

    @property
    def looks_ahead(self) -> bool:
        """Whether tokens were read side by side none of which has been chosen."""
        return self._ahead is not None

    def logits(self, branches: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the logits ``(b, V)`` that follow, and what mixing readings adds to them."""
        return self.seats.combine(self._logits, branches)

    def read(self, newest: Mapping[int, int]) -> None:
        """Read the newest token of some branches; the others leave the batch.

        Args:
            newest: By branch.
        """
        waiting = list(newest)
        self._leave_out_others(waiting)
        tokens = np.array([newest[branch] for branch in self.seats.of_branch])
        columns = None if self._ahead is None else self._ahead.columns(tokens)
        if self._ahead is not None and columns is not None:
            self._rows.choose(columns)
            self._logits, hidden = self._ahead.chosen(columns)
        else:
            logits, states = self._rows.read(tokens[:, None].tolist())
            self._logits, hidden = logits[:, -1], states[:, -1]
        self._ahead = None
        self.means.add(waiting, hidden[self.seats.first_rows(waiting)])

    def look_ahead(self, growing: Sequence[int], tokens: IntArray) -> FloatArray:
        """Read k tokens side by side; return the features ``(b, k, D)`` with each.

        Args:
            growing: The branches that have not ended; the others leave the batch.
            tokens: Of every branch, ``(B, k)``.
        """
        self._leave_out_others(growing)
        asked = tokens[self.seats.of_branch]  # (R, k)
        logits, hidden = self._rows.read(asked.tolist())
        self._ahead = Ahead(asked, logits, hidden)
        return self.means.ahead(growing, hidden[self.seats.first_rows(growing)])

    def rest(self) -> None:
        """Say that nothing more will be read soon."""
        self._rows.rest()

    def forget_look_ahead(self) -> None:
        """Give up what stands side by side."""
        self._ahead = None

    def fork(self, indices: Sequence[int]) -> None:
        """Continue with these branches, in this order; an index may occur often."""
        self._keep_rows(self.seats.fork(indices))
        self.means.fork(indices)

    def save(self) -> SavedReading:
        """Return the present state; nothing must stand side by side."""
        return SavedReading(self._rows.save(), self.seats.copy(), self._logits, self.means.copy())

    def restore(self, saved: SavedReading) -> None:
        """Return to a saved state."""
        self._rows.restore(saved.rows)
        self.seats = saved.seats.copy()
        self._logits = saved.logits
        self.means = saved.means.copy()
        self._ahead = None

    def _leave_out_others(self, staying: Sequence[int]) -> None:
        self._keep_rows(self.seats.leave(staying))

    def _keep_rows(self, rows: list[int]) -> None:
        if rows == list(range(self.row_count)) or not rows:
            return
        self._rows.keep(rows)
        self._logits = self._logits[rows]
        if self._ahead is not None:
            self._ahead = self._ahead.keep(rows)
