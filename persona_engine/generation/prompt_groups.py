"""Rows that continue different prompts, each of which is attended to by its own rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from persona_engine.generation.attention import Part, attend, attend_prompt, rows_together

if TYPE_CHECKING:
    from persona_engine.generation.key_values import ReadPrompt


class PromptGroups:
    """Rows by the prompt that they continue.

    Args:
        of_row: The prompt of each row, ``B`` of them.
    """

    def __init__(self, of_row: Sequence[ReadPrompt]) -> None:
        self._members: dict[ReadPrompt, list[int]] = {}
        for row, prompt in enumerate(of_row):
            self._members.setdefault(prompt, []).append(row)
        self._rows = len(of_row)
        self._plans: dict[tuple[int, int], _Plan] = {}

    def attend(self, layer: int, queries: torch.Tensor, scale: float) -> Part:
        """Return the attention ``(B, k, G, Q, Dv)`` of rows' new tokens to their prompts.

        Args:
            layer: Which layer.
            queries: ``(B, k, G, Q, D)``: rows, tokens, groups of heads, heads of a group.
            scale: Factor of the products.
        """
        rows, new, groups, heads, _ = queries.shape
        flat = queries.flatten(0, 1)
        if len(self._members) == 1:
            keys, values = next(iter(self._members)).layers[layer]
            found, normaliser = attend_prompt(flat, keys, values, scale)
        else:
            found, normaliser = self._attend_each(layer, flat, new, scale)
        return found.view(rows, new, groups, heads, -1), normaliser.view(rows, new, groups, heads)

    def _attend_each(self, layer: int, queries: torch.Tensor, new: int, scale: float) -> Part:
        """Return the attention of queries ``(B · k, G, Q, D)`` to several prompts."""
        _, groups, heads, width = queries.shape
        plan = self._plan(new, rows_together(heads), queries.device)
        folded = queries[plan.gathered].view(-1, plan.together, groups, heads, width)
        folded = folded.transpose(1, 2).reshape(-1, groups, plan.together * heads, width)
        parts = []
        for prompt, chunks in zip(self._members, torch.split(folded, plan.chunks), strict=True):
            keys, values = (each.expand(len(chunks), -1, -1, -1) for each in prompt.layers[layer])
            parts.append(attend(chunks, keys, values, scale))
        found, normaliser = (torch.cat(each) for each in zip(*parts, strict=True))
        found = found.view(-1, groups, plan.together, heads, found.shape[-1]).transpose(1, 2)
        normaliser = normaliser.view(-1, groups, plan.together, heads).transpose(1, 2)
        return found.flatten(0, 1)[plan.back], normaliser.flatten(0, 1)[plan.back]

    def _plan(self, new: int, together: int, device: torch.device) -> _Plan:
        if (new, together) not in self._plans:
            members = [
                [row * new + each for row in rows for each in range(new)]
                for rows in self._members.values()
            ]
            self._plans[new, together] = _Plan(members, together, device)
        return self._plans[new, together]


class _Plan:
    """How queries stand together, always as many, those that are left over beside the first.

    Args:
        members: The queries of each prompt.
        together: How many are computed at once.
        device: Where they are.
    """

    def __init__(
        self, members: Sequence[Sequence[int]], together: int, device: torch.device
    ) -> None:
        self.together = together
        self.chunks = [-(-len(each) // together) for each in members]
        padded = [
            [*each, *[each[0]] * (chunks * together - len(each))]
            for each, chunks in zip(members, self.chunks, strict=True)
        ]
        order = [query for each in padded for query in each]
        places = {query: place for place, query in reversed(list(enumerate(order)))}
        self.gathered = torch.tensor(order, device=device)
        self.back = torch.tensor([places[query] for query in sorted(places)], device=device)
