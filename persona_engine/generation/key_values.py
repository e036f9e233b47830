"""The keys and values of branches: those of each prompt once, and those of what each branch said.

A branch attends to its prompt and to its own tokens apart, and the two are joined by their
normalisers ("Hydragen", Juravsky et al. 2024, arXiv 2402.05099).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from persona_engine.generation.attention import Part, attend, attend_own, joined
from persona_engine.generation.mixing import Adapter
from persona_engine.generation.prompt_groups import PromptGroups

_GROWTH = 64  # tokens of room that are added at a time


@dataclass(frozen=True, slots=True, eq=False)
class ReadPrompt:
    """A prompt that the network has read.

    Args:
        tokens: Its tokens.
        adapter: What the network was changed by; None for nothing.
        layers: Keys ``(1, G, T, D)`` and values ``(1, G, T, Dv)`` of each layer.
        logits: What follows it, ``(V,)``.
    """

    tokens: tuple[int, ...]
    adapter: Adapter | None
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    logits: torch.Tensor

    @property
    def bytes(self) -> int:
        """Size of its keys and values."""
        return sum(each.nbytes for layer in self.layers for each in layer)


class BranchCache(Cache):  # type: ignore[misc]  # transformers is untyped
    """Keys and values of rows that each continue one of some prompts, all by equally many tokens.

    Nothing is written over that a saved state counts on: rows are kept by copies, and new tokens
    stand behind the old ones.

    Args:
        prompts: What is continued.
        of_row: The prompt of each row.
    """

    def __init__(self, prompts: list[ReadPrompt], of_row: list[int]) -> None:
        super().__init__(layers=[_OwnTokens() for _ in prompts[0].layers])
        self.prompts = prompts
        self.of_row = of_row
        self.length = 0
        self._groups: PromptGroups | None = None

    @property
    def prompt_of_row(self) -> list[ReadPrompt]:
        """What each row continues."""
        return [self.prompts[prompt] for prompt in self.of_row]

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """Return the attention ``(B, k, H, Dv)`` of k new tokens in each row, blind to each other.

        Args:
            layer: Which layer.
            query: ``(B, H, k, D)``.
            key: Of the rows' own tokens, ``(B, G, S + k, D)``, the new ones last.
            value: ``(B, G, S + k, Dv)``.
            scale: Factor of the products.
        """
        if self._groups is None:
            self._groups = PromptGroups(self.prompt_of_row)
        rows, heads, new, _ = query.shape
        # One token is attended to as one of several is, so that it gets the same numbers.
        queries = by_group(query, key.shape[1])
        parts = [self._groups.attend(layer, queries, scale)]
        own = self.length
        if own:
            parts.append(to_own_past(queries, key[:, :, :own], value[:, :, :own], scale))
        parts.append(attend_own(queries, key[:, :, own:], value[:, :, own:], scale))
        return joined(parts).to(query.dtype).reshape(rows, new, heads, -1)

    def choose(self, columns: list[int]) -> None:
        """Keep, of k tokens that were read side by side, one in each row."""
        for layer in self.layers:
            layer.choose(columns, self.length)
        self.length += 1

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows, in this order; one may occur often."""
        self.of_row = [self.of_row[row] for row in rows]
        self._groups = None
        for layer in self.layers:
            layer.keep(rows)

    def save(self) -> tuple[Any, ...]:
        """Return the present state."""
        return (
            self.of_row,
            self.length,
            [(layer.own_keys, layer.own_values) for layer in self.layers],
        )

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Return to a saved state."""
        self.of_row, self.length, layers = saved
        self._groups = None
        for layer, (keys, values) in zip(self.layers, layers, strict=True):
            layer.own_keys, layer.own_values = keys, values
            layer.length = layer.written = self.length

    def advance(self) -> None:
        """Count a token that every row has read."""
        self.length += 1

    def take_back(self) -> None:
        """Give up a token that some layers have read and others have not."""
        for layer in self.layers:
            layer.length = layer.written = self.length


def by_group(query: torch.Tensor, groups: int) -> torch.Tensor:
    """Return queries ``(B, H, k, D)`` as ``(B, k, G, H/G, D)``, by the keys that they share."""
    rows, heads, new, depth = query.shape
    return query.view(rows, groups, heads // groups, new, depth).permute(0, 3, 1, 2, 4)


def to_own_past(
    queries: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> Part:
    """Return the attention of each row's new tokens to what the row said before."""
    if queries.shape[1] == 1:
        found, normaliser = attend(queries[:, 0], key, value, scale)
        return found[:, None], normaliser[:, None]
    parts = [
        attend(
            mine, keys.expand(len(mine), -1, -1, -1), values.expand(len(mine), -1, -1, -1), scale
        )
        for mine, keys, values in zip(
            queries, torch.split(key, 1), torch.split(value, 1), strict=True
        )
    ]
    found, normaliser = (torch.stack(each) for each in zip(*parts, strict=True))
    return found, normaliser


class GrowingLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped
    """One layer's keys and values of the tokens that rows have read, with room for more."""

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()
        self.own_keys: torch.Tensor | None = None  # (B, G, room, D)
        self.own_values: torch.Tensor | None = None
        self.length = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new tokens behind the others; return all, ``(B, G, S + n, D)``."""
        end = self.length + key_states.shape[2]
        self.own_keys = _written(self.own_keys, key_states, self.length)
        self.own_values = _written(self.own_values, value_states, self.length)
        self.length = end
        return self.own_keys[:, :, :end], self.own_values[:, :, :end]

    def whole(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return all tokens' keys and values, without room for more."""
        assert self.own_keys is not None
        assert self.own_values is not None
        keys, values = self.own_keys[:, :, : self.length], self.own_values[:, :, : self.length]
        return keys.contiguous(), values.contiguous()

    def lazy_initialization(self, *_: object) -> None:
        """Nothing is made before the first token."""

    def get_seq_length(self) -> int:
        """Return how many tokens each row has read."""
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return sizes of a mask that nobody looks at."""
        return self.length + query_length, 0

    def get_max_length(self) -> int:
        """Return that there is no limit."""
        return -1


class _OwnTokens(GrowingLayer):
    """One layer of what the rows themselves said; several tokens at once stand side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0  # tokens, with those side by side of which none has been chosen yet

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new tokens behind the others, side by side until one of them is chosen."""
        before = self.length
        found = super().update(key_states, value_states)
        self.written = self.length
        if key_states.shape[2] > 1:
            self.length = before
        return found

    def choose(self, columns: list[int], length: int) -> None:
        """Move one of the tokens behind ``length`` to its place, in each row."""
        rows = list(range(len(columns)))
        places = [length + column for column in columns]
        for each in (self.own_keys, self.own_values):
            assert each is not None
            each[:, :, length] = each[rows, :, places]
        self.length = self.written = length + 1

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows, and with what stands side by side in them."""
        if self.own_keys is not None and self.own_values is not None:
            self.own_keys = _gathered(self.own_keys, rows, self.written)
            self.own_values = _gathered(self.own_values, rows, self.written)


def _written(room: torch.Tensor | None, new: torch.Tensor, length: int) -> torch.Tensor:
    end = length + new.shape[2]
    if room is None or room.shape[2] < end:
        rows, groups, _, width = new.shape
        larger = new.new_empty((rows, groups, end + _GROWTH, width))
        if room is not None:
            larger[:, :, :length] = room[:, :, :length]
        room = larger
    room[:, :, length:end] = new
    return room


def _gathered(room: torch.Tensor, rows: list[int], length: int) -> torch.Tensor:
    gathered = room.new_empty((len(rows), *room.shape[1:]))
    chosen = torch.tensor(rows, device=room.device)
    gathered[:, :, :length] = room[:, :, :length].index_select(0, chosen)
    return gathered
