"""Rows of one batch that continue prompts: on shared prompts, or on a model's own cache."""

from __future__ import annotations

import copy
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


def open_rows(
    model: LoadedModel, tap: LayerTap, prompts: Sequence[Asked], of_row: Sequence[int]
) -> tuple[Rows, torch.Tensor]:
    """Read prompts, each once; return rows that continue them, and the logits ``(R, V)``.

    Args:
        model: The network.
        tap: Reads the layer whose hidden states are wanted.
        prompts: Different prompts.
        of_row: The prompt of each row.
    """
    if model.shares_prompts:
        known = [model.prompt_reader.read(each.tokens, adapter=each.adapter) for each in prompts]
        logits = torch.stack([each.logits for each in known])
        return SharedPromptRows(model, tap, known, of_row), logits[list(of_row)]
    read = [_read(model, each) for each in prompts]
    logits = torch.stack([each for _, each in read])
    caches = [cache for cache, _ in read]
    names = [each.adapter for each in prompts]
    return _PlainRows(model, tap, caches, names, of_row=of_row), logits[list(of_row)]


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
        self._mask = nothing_masked(model.device)

    def read(self, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Read one token in each row, or several side by side; see `Rows.read`."""
        cache, device = self._cache, self._model.device
        new = len(tokens[0])
        starts = [len(cache.prompts[prompt].tokens) + cache.length for prompt in cache.of_row]
        positions = torch.tensor(starts, device=device)[:, None].expand(-1, new)
        with reading(cache), changed_by(self._mix()):
            output, hidden = self._tap.run(
                self._model.network,
                input_ids=torch.tensor(tokens, device=device),
                position_ids=positions,
                attention_mask=self._mask,
                past_key_values=cache,
                use_cache=True,
            )
        if new == 1:
            cache.advance()
        return output.logits, hidden

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

    def _mix(self) -> Mix | None:
        """Return what the present rows' adapters add."""
        of_row = tuple(self._cache.of_row)
        if of_row not in self._mixes:
            names = [self._cache.prompts[prompt].adapter for prompt in of_row]
            self._mixes[of_row] = self._model.adapters.mix(names)
        return self._mixes[of_row]


class _PlainRows:
    """Rows on the cache that transformers makes for an architecture, one for each prompt.

    For attention that `SharedPromptRows` does not know: sliding windows, recurrences, softcaps.
    """

    def __init__(
        self,
        model: LoadedModel,
        tap: LayerTap,
        caches: list[Any],
        adapters: Sequence[Adapter | None],
        *,
        of_row: Sequence[int],
    ) -> None:
        self._model = model
        self._mixes = [model.adapters.mix([each]) for each in adapters]
        self._tap = tap
        self._of_row = list(of_row)
        self._caches = caches
        self._side_by_side: list[Any] = []
        for prompt, cache in enumerate(caches):
            cache.batch_repeat_interleave(self._of_row.count(prompt))

    def read(self, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Read one token in each row, or several side by side; see `Rows.read`."""
        new = len(tokens[0])
        caches = self._caches if new == 1 else [copy.deepcopy(each) for each in self._caches]
        found: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for prompt, cache in enumerate(caches):
            members = self._members(prompt)
            if members:
                chosen = [tokens[row] for row in members]
                with changed_by(self._mixes[prompt]):
                    logits, hidden = self._run(cache, chosen)
                found.update(zip(members, zip(logits, hidden, strict=True), strict=True))
        self._side_by_side = [] if new == 1 else caches
        ordered = [found[row] for row in range(len(self._of_row))]
        return torch.stack([each for each, _ in ordered]), torch.stack([its for _, its in ordered])

    def choose(self, columns: list[int]) -> None:
        """Keep one token in each row; see `Rows.choose`."""
        for prompt, cache in enumerate(self._side_by_side):
            members = self._members(prompt)
            if members:
                new = cache.layers[0].keys.shape[0] // len(members)
                rows = [place * new + columns[row] for place, row in enumerate(members)]
                cache.batch_select_indices(torch.tensor(rows, device=self._model.device))
        self._caches, self._side_by_side = self._side_by_side, []

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows; see `Rows.keep`."""
        of_row = [self._of_row[row] for row in rows]
        for prompt, cache in enumerate(self._caches):
            places = {row: place for place, row in enumerate(self._members(prompt))}
            chosen = [places[row] for row in rows if self._of_row[row] == prompt]
            if chosen:
                cache.batch_select_indices(torch.tensor(chosen, device=self._model.device))
        self._of_row = of_row

    def save(self) -> tuple[Any, ...]:
        """Return a copy of the present state: some architectures write over theirs."""
        return copy.deepcopy(self._caches), list(self._of_row)

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Return to a saved state."""
        caches, of_row = saved
        self._caches, self._of_row = copy.deepcopy(caches), list(of_row)

    def _members(self, prompt: int) -> list[int]:
        return [row for row, its in enumerate(self._of_row) if its == prompt]

    def _run(self, cache: Any, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401
        count, new = len(tokens), len(tokens[0])
        if new > 1:
            cache.batch_repeat_interleave(new)
        flat = [[token] for row in tokens for token in row]
        output, hidden = self._tap.run(
            self._model.network,
            input_ids=torch.tensor(flat, device=self._model.device),
            past_key_values=cache,
            use_cache=True,
        )
        return output.logits.view(count, new, -1), hidden.view(count, new, -1)


def _read(model: LoadedModel, prompt: Asked) -> tuple[Any, torch.Tensor]:
    """Read a prompt; return its cache, and the logits ``(V,)`` of what follows."""
    from transformers import DynamicCache

    network: Any = model.network
    cache: Any = DynamicCache(config=network.config)
    tokens = torch.tensor([prompt.tokens], device=model.device)
    with changed_by(model.adapters.mix([prompt.adapter])):
        output = network(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache, output.logits[0, -1]
