"""Rows of one batch that continue prompts, whose keys and values are held once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from persona_engine.generation.attention import nothing_masked, reading
from persona_engine.generation.key_values import BranchCache, ReadPrompt
from persona_engine.generation.layer_tap import LayerTap
from persona_engine.generation.mixing import Adapter, Mix
from persona_engine.generation.projections import changed_by

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

Tokens = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt that is to be read.

    Args:
        tokens: Its tokens.
        adapter: What the network is changed by; None for nothing.
    """

    tokens: tuple[int, ...]
    adapter: Adapter | None = None


class Rows(Protocol):
    """A batch of rows, each the continuation of a prompt."""

    def read(self, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Read one token in each row, or k side by side of which `choose` keeps one.

        Args:
            tokens: ``(R, k)``.

        Returns:
            Logits ``(R, k, V)`` of what follows each, and the tapped layer's hidden states
            ``(R, k, H)``.
        """

    def choose(self, columns: list[int]) -> None:
        """Keep, of tokens that were read side by side, one in each row."""

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows, in this order; one may occur often."""

    def save(self) -> Any:  # noqa: ANN401  # each kind has a state of its own
        """Return the present state, without a copy of what is not going to change."""

    def restore(self, saved: Any) -> None:  # noqa: ANN401
        """Return to a saved state."""

    def rest(self) -> None:
        """Hear that nothing more will be read soon."""


class SharedPromptRows:
    """Rows whose prompts' keys and values are held and read once, however many continue them.

    Args:
        model: The network.
        tap: Reads the layer whose hidden states are wanted.
        prompts: What is continued.
        of_row: The prompt of each row.
    """

    def __init__(
        self, model: LoadedModel, tap: LayerTap, prompts: list[ReadPrompt], of_row: Sequence[int]
    ) -> None:
        self._model = model
        self._tap = tap
        self._cache = BranchCache(prompts, list(of_row))
        self._mixes: dict[tuple[int, ...], Mix | None] = {}

    @property
    def cache(self) -> BranchCache:
        """Keys and values."""
        return self._cache

    @property
    def starts(self) -> list[int]:
        """Position of each row's next token."""
        cache = self._cache
        return [len(prompt.tokens) + cache.length for prompt in cache.prompt_of_row]

    def read(self, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Read one token in each row, or several side by side; see `Rows.read`."""
        found = run_network(
            self._model, self._tap, self._cache, tokens, starts=self.starts, mix=self._mix()
        )
        if len(tokens[0]) == 1:
            self._cache.advance()
        return found

    def choose(self, columns: list[int]) -> None:
        """Keep one token in each row; see `Rows.choose`."""
        self._cache.choose(columns)

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows; see `Rows.keep`."""
        self._cache.keep(rows)

    def save(self) -> tuple[Any, ...]:
        """Return the present state."""
        return self._cache.save()

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Return to a saved state."""
        self._cache.restore(saved)

    def rest(self) -> None:
        """Hear that nothing more will be read soon; see `Rows.rest`."""

    def _mix(self) -> Mix | None:
        """Return what the present rows' adapters add."""
        of_row = tuple(self._cache.of_row)
        if of_row not in self._mixes:
            adapters = [prompt.adapter for prompt in self._cache.prompt_of_row]
            self._mixes[of_row] = self._model.adapters.mix(adapters)
        return self._mixes[of_row]


def run_network(
    model: LoadedModel,
    tap: LayerTap,
    cache: Any,  # noqa: ANN401  # a transformers cache that `Attends`
    tokens: Tokens,
    *,
    starts: Sequence[int],
    mix: Mix | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits ``(R, k, V)`` and hidden states ``(R, k, H)`` of k new tokens in each row.

    Args:
        model: The network.
        tap: Reads the layer whose hidden states are wanted.
        cache: What the rows attend to.
        tokens: ``(R, k)``.
        starts: Position of each row's tokens.
        mix: What the rows' adapters add.
    """
    device = model.device
    with reading(cache), changed_by(mix):
        output, hidden = tap.run(
            model.network,
            input_ids=torch.tensor(tokens, device=device),
            position_ids=torch.tensor(starts, device=device)[:, None].expand(-1, len(tokens[0])),
            attention_mask=nothing_masked(device),
            past_key_values=cache,
            use_cache=True,
        )
    return output.logits, hidden
