"""Requests that decode at the same time read their next tokens in one pass of the network."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from persona_engine.generation.gathering import Gathering
from persona_engine.generation.joined_cache import JoinedCache
from persona_engine.generation.layer_tap import LayerTap
from persona_engine.generation.mixing import Adapter, Mix
from persona_engine.generation.rows import Rows, SharedPromptRows, Tokens, run_network

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

Read = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What one request reads next.

    Args:
        rows: Its rows.
        tokens: One of each row, or several side by side.
    """

    rows: SharedPromptRows
    tokens: Tokens


class SharedSteps:
    """Where the requests of one generator meet at every token.

    A decoding step on a CPU, and on a GPU as well, costs hardly more for many rows than for one:
    the weights are read once for all. Rows of any users, prompts, lengths and adapters are read
    together; they join and leave between two tokens, and the scheduling is that of "Orca" (Yu et
    al. 2022, OSDI). A request's numbers are those that it gets alone; see `JoinedCache`.

    Args:
        model: The network.
        tap: Reads the layer whose hidden states are wanted.
        most_rows: Rows that are read together.
    """

    def __init__(self, model: LoadedModel, tap: LayerTap, *, most_rows: int) -> None:
        self._model = model
        self._tap = tap
        self._most_rows = most_rows
        self._gathering = Gathering[_Step, Read](self._read_together, most=most_rows)
        self._adapters: tuple[Adapter, ...] = ()
        self._of_row: tuple[Adapter | None, ...] = ()
        self._mix: Mix | None = None

    def joining(self, rows: SharedPromptRows) -> Rows:
        """Return rows that are read together with those of other requests."""
        return JoiningRows(self, rows)

    def read(self, rows: SharedPromptRows, tokens: Tokens, *, member: object) -> Read:
        """Read tokens of some rows, beside those of others who are there."""
        # Tokens that stand side by side have masks of their own: they fill a pass.
        weight = len(tokens) if len(tokens[0]) == 1 else self._most_rows
        return self._gathering.do(_Step(rows, tokens), member=member, weight=weight)

    def leave(self, member: object) -> None:
        """Expect nothing more of somebody."""
        self._gathering.leave(member)

    def turn(self) -> AbstractContextManager[None]:
        """Let the network do something else between two steps."""
        return self._gathering.between_rounds()

    def _read_together(self, steps: Sequence[_Step]) -> list[Read]:
        if len(steps) == 1:
            return [steps[0].rows.read(steps[0].tokens)]
        cache = JoinedCache([each.rows.cache for each in steps])
        try:
            logits, hidden = run_network(
                self._model,
                self._tap,
                cache,
                [row for each in steps for row in each.tokens],
                starts=[start for each in steps for start in each.rows.starts],
                mix=self._mixed(steps),
            )
        except BaseException:
            cache.take_back()
            raise
        cache.advance()
        return [(logits[rows], hidden[rows]) for _, rows in cache.parts]

    def _mixed(self, steps: Sequence[_Step]) -> Mix | None:
        """Return what the rows' adapters add; made anew when rows have joined or left."""
        of_row = tuple(prompt.adapter for each in steps for prompt in each.rows.cache.prompt_of_row)
        if of_row != self._of_row:
            self._adapters = self._beside(of_row)
            self._mix = self._model.adapters.mix(of_row, beside=self._adapters)
            self._of_row = of_row
        return self._mix

    def _beside(self, of_row: Sequence[Adapter | None]) -> tuple[Adapter, ...]:
        """Return the adapters whose matrices stand side by side.

        To put them there takes as long as some steps. Those of adapters whose rows have just left
        stay, for others may come, while they are no more than those in use.
        """
        used = tuple(dict.fromkeys(each for each in of_row if each is not None))
        before = tuple(each for each in self._adapters if self._model.adapters.holds(each))
        if set(used) <= set(before) and len(before) <= 2 * len(used):
            return before
        return (*(each for each in before if each in used), *(e for e in used if e not in before))


class JoiningRows:
    """`Rows` that are read together with those of other requests.

    Args:
        steps: Where they meet.
        rows: Their own state.
    """

    def __init__(self, steps: SharedSteps, rows: SharedPromptRows) -> None:
        self._steps = steps
        self._rows = rows
        self._member = object()

    def read(self, tokens: Tokens) -> Read:
        """Read one token in each row, or several side by side; see `Rows.read`."""
        return self._steps.read(self._rows, tokens, member=self._member)

    def choose(self, columns: list[int]) -> None:
        """Keep one token in each row; see `Rows.choose`."""
        self._rows.choose(columns)

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows; see `Rows.keep`."""
        self._rows.keep(rows)

    def save(self) -> tuple[Any, ...]:
        """Return the present state."""
        return self._rows.save()

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Return to a saved state."""
        self._rows.restore(saved)

    def rest(self) -> None:
        """Expect nothing more, until something is read."""
        self._steps.leave(self._member)
