"""Reads prompts, and of a prompt that begins like an earlier one only what is new."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache

from persona_engine.generation.attention import Part, attend, joined, nothing_masked, reading
from persona_engine.generation.key_values import GrowingLayer, ReadPrompt
from persona_engine.generation.mixing import Adapter
from persona_engine.generation.projections import changed_by

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

# Tokens whose attention is computed together, always the same ones: what a block's keys and values
# are does not depend on whether the blocks before it were read now or remembered.
_BLOCK = {"cpu": 32}
_BLOCK_ELSEWHERE = 512
# Tokens that are read at a time where others wait: whole blocks, for nothing else depends on it.
_PART = 128

Turn = Callable[[], AbstractContextManager[None]]


class PromptReader:
    """Reads prompts on one network, and remembers the last few.

    A new turn of a conversation, and another reading of it, begin like a prompt that was read
    before; whole blocks of that beginning are taken from memory. The result is bit for bit that of
    reading everything, so that a seed gives the same reply whatever was read before. For that
    reason replies are read again when they have become a part of a prompt: decoding adds up in
    another order.

    Args:
        model: The network.
        most_bytes: Of keys and values that are remembered.
    """

    def __init__(self, model: LoadedModel, *, most_bytes: int = 128 * 2**20) -> None:
        self._model = model
        self._most_bytes = most_bytes
        self._block = _BLOCK.get(model.device.type, _BLOCK_ELSEWHERE)
        self._remembered: list[ReadPrompt] = []  # latest last
        self._lock = threading.Lock()

    def read(
        self, tokens: Sequence[int], *, adapter: Adapter | None = None, turn: Turn | None = None
    ) -> ReadPrompt:
        """Return a prompt that the network has read.

        Args:
            tokens: At least one.
            adapter: What the network is changed by; None for nothing.
            turn: Entered for each part of a long prompt, so that others may read between; None
                reads it in one piece.
        """
        mix = self._model.adapters.mix([adapter])
        begun, shared = self._beginning(tokens, adapter)
        cache = _PromptCache(begun, shared, layers=self._model.layer_count, block=self._block)
        part = len(tokens) if turn is None else max(_PART, self._block)
        for start in range(shared, len(tokens), part):
            with turn() if turn else nullcontext(), reading(cache), changed_by(mix):
                logits = self._read_on(cache, tokens[start : start + part], start)
        read = ReadPrompt(tuple(tokens), adapter, cache.states(), logits)
        self._remember(read)
        return read

    def _read_on(self, cache: _PromptCache, tokens: Sequence[int], start: int) -> torch.Tensor:
        """Read a prompt's next tokens; return the logits ``(V,)`` of what follows them."""
        network: Any = self._model.network
        new = torch.tensor([list(tokens)], device=self._model.device)
        output = network(
            new,
            position_ids=torch.arange(start, start + len(tokens), device=new.device)[None],
            attention_mask=nothing_masked(new.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[0, -1]
        return logits

    def forget(self) -> None:
        """Forget every prompt."""
        with self._lock:
            self._remembered.clear()

    def _beginning(
        self, tokens: Sequence[int], adapter: Adapter | None
    ) -> tuple[ReadPrompt | None, int]:
        """Return the prompt that shares the longest beginning, and how much of it to take over."""
        with self._lock:
            shares = [
                _shared(each.tokens, tokens) if each.adapter is adapter else 0
                for each in self._remembered
            ]
            longest = max(shares, default=0)
            # The last token is always read: what follows it is asked for.
            whole = min(longest, len(tokens) - 1) // self._block * self._block
            return (self._remembered[shares.index(longest)], whole) if whole else (None, 0)

    def _remember(self, read: ReadPrompt) -> None:
        with self._lock:
            self._remembered = [
                each
                for each in self._remembered
                if (each.tokens, each.adapter) != (read.tokens, read.adapter)
            ]
            self._remembered.append(read)
            while sum(each.bytes for each in self._remembered) > self._most_bytes:
                del self._remembered[0]


class _PromptCache(Cache):  # type: ignore[misc]  # transformers is untyped
    """Keys and values of one prompt while it is read, block by block of tokens.

    Args:
        begun: A prompt that begins in the same way; None for none.
        shared: Tokens that are taken over from it, whole blocks.
        layers: Of the network.
        block: Tokens of a block.
    """

    def __init__(self, begun: ReadPrompt | None, shared: int, *, layers: int, block: int) -> None:
        super().__init__(layers=[GrowingLayer() for _ in range(layers)])
        self._block = block
        if begun is not None:
            for layer, (keys, values) in zip(self.layers, begun.layers, strict=True):
                layer.update(keys[:, :, :shared], values[:, :, :shared])

    def states(self) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
        """Return keys ``(1, G, T, D)`` and values of each layer, without room for more."""
        return tuple(layer.whole() for layer in self.layers)

    def attend(
        self,
        layer: int,  # noqa: ARG002  # the same in every layer
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """Return the causal attention ``(1, n, H, Dv)`` of n new tokens.

        Args:
            layer: Which layer.
            query: ``(1, H, n, D)``.
            key: Of the whole prompt, ``(1, G, T, D)``.
            value: ``(1, G, T, Dv)``.
            scale: Factor of the products.
        """
        _, heads, new, depth = query.shape
        groups, start = key.shape[1], key.shape[2] - new
        queries = query.view(1, groups, heads // groups, new, depth)
        found = []
        for begin in range(0, new, self._block):
            end = min(new, begin + self._block)
            rows = queries[:, :, :, begin:end].flatten(2, 3)  # (1, G, H/G · rows, D)
            past, own = slice(0, start + begin), slice(start + begin, start + end)
            parts = [_within(rows, key[:, :, own], value[:, :, own], scale)]
            if start + begin:
                parts.append(attend(rows, key[:, :, past], value[:, :, past], scale))
            found.append(joined(parts).view(groups, heads // groups, end - begin, -1))
        whole = torch.cat(found, dim=2).flatten(0, 1).transpose(0, 1)  # (n, H, Dv)
        return whole.to(query.dtype)[None]


def _within(rows: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> Part:
    """Return the attention of a block's tokens to the block's own, each to itself and before.

    Args:
        rows: ``(1, G, H/G · n, D)``, the tokens of each head together.
        key: ``(1, G, n, D)``.
        value: ``(1, G, n, Dv)``.
        scale: Factor of the products.
    """
    size, device = key.shape[2], rows.device
    later = torch.ones((size, size), dtype=torch.bool, device=device).triu(1)
    mask = torch.zeros((size, size), dtype=rows.dtype, device=device)
    mask = mask.masked_fill(later, -torch.inf).repeat(rows.shape[2] // size, 1)
    return attend(rows, key, value, scale, mask=mask[None, None])


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
