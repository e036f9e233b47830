"""The keys and values of several requests' rows, which read their next tokens in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from transformers.cache_utils import Cache

from persona_engine.generation.attention import Part, attend_own, joined
from persona_engine.generation.key_values import (
    BranchCache,
    GrowingLayer,
    by_group,
    to_own_past,
)
from persona_engine.generation.prompt_groups import PromptGroups

Parts = Sequence[tuple[BranchCache, slice]]


class JoinedCache(Cache):  # type: ignore[misc]  # transformers is untyped
    """Caches of several batches side by side, while each row reads one token.

    A row attends to its own prompt and its own tokens: each cache is read for its own rows only,
    by the same kernels on the same shapes as when they read alone, so that the numbers are the
    same, too. What every row does alike is done for all at once.

    Args:
        caches: In the order of their rows.
    """

    def __init__(self, caches: Sequence[BranchCache]) -> None:
        ends = list(accumulate(len(each.of_row) for each in caches))
        starts = [0, *ends]
        self.parts: Parts = [
            (cache, slice(start, end))
            for cache, start, end in zip(caches, starts, ends, strict=False)
        ]
        super().__init__(layers=[_Layer(self.parts, n) for n in range(len(caches[0].layers))])
        self._groups = PromptGroups([prompt for each in caches for prompt in each.prompt_of_row])

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """Return the attention ``(B, 1, H, Dv)`` of one new token in each row.

        Args:
            layer: Which layer.
            query: ``(B, H, 1, D)``.
            key: Of the new tokens, ``(B, G, 1, D)``.
            value: ``(B, G, 1, Dv)``.
            scale: Factor of the products.
        """
        queries = by_group(query, key.shape[1])
        parts = [self._groups.attend(layer, queries, scale)]
        if any(cache.length for cache, _ in self.parts):
            parts.append(self._to_own_past(layer, queries, value.shape[-1], scale))
        parts.append(attend_own(queries, key, value, scale))
        return joined(parts).to(query.dtype).reshape(len(query), 1, query.shape[1], -1)

    def advance(self) -> None:
        """Count a token that every row has read."""
        for cache, _ in self.parts:
            cache.advance()

    def take_back(self) -> None:
        """Give up a token that some layers have read and others have not."""
        for cache, _ in self.parts:
            cache.take_back()

    def _to_own_past(self, layer: int, queries: torch.Tensor, width: int, scale: float) -> Part:
        """Return the attention of the new tokens to what their rows said before."""
        parts = []
        for cache, rows in self.parts:
            mine, own = queries[rows], cache.layers[layer]
            if cache.length:
                keys, values = (
                    each[:, :, : cache.length] for each in (own.own_keys, own.own_values)
                )
                parts.append(to_own_past(mine, keys, values, scale))
            else:  # nothing has been said: no weight
                normaliser = torch.full(
                    mine.shape[:-1], -torch.inf, dtype=torch.float32, device=mine.device
                )
                parts.append((normaliser.new_zeros(*mine.shape[:-1], width), normaliser))
        found, normaliser = (torch.cat(each) for each in zip(*parts, strict=True))
        return found, normaliser


class _Layer(GrowingLayer):
    """One layer, which hands new keys and values to the caches that they belong to.

    Args:
        parts: The caches and their rows.
        number: Of the layer, from 0.
    """

    def __init__(self, parts: Parts, number: int) -> None:
        super().__init__()
        self._parts = [(cache.layers[number], rows) for cache, rows in parts]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new tokens behind the others of their rows; return the new ones alone."""
        for layer, rows in self._parts:
            layer.update(key_states[rows], value_states[rows])
        return key_states, value_states
