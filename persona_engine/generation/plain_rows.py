"""Rows of one batch on the caches that transformers makes, for attention that is not known here."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from persona_engine.generation.layer_tap import LayerTap
from persona_engine.generation.mixing import Adapter
from persona_engine.generation.projections import changed_by
from persona_engine.generation.rows import Asked, Tokens

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel


class PlainRows:
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

    def rest(self) -> None:
        """Hear that nothing more will be read soon; see `Rows.rest`."""

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


def read_alone(model: LoadedModel, prompt: Asked) -> tuple[Any, torch.Tensor]:
    """Read a prompt; return its cache, and the logits ``(V,)`` of what follows."""
    from transformers import DynamicCache

    network: Any = model.network
    cache: Any = DynamicCache(config=network.config)
    tokens = torch.tensor([prompt.tokens], device=model.device)
    with changed_by(model.adapters.mix([prompt.adapter])):
        output = network(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache, output.logits[0, -1]
