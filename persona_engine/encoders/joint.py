"""Reads two texts together, through the upper layers of a bidirectional encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from persona_engine.generation.loading import LoadedModel
from persona_engine.types import FloatArray

PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
Map = Callable[[Tensor], Tensor]
_NORMS = ("attention.output.LayerNorm", "output.LayerNorm")


@dataclass(frozen=True, slots=True, eq=False)
class UpperLayers:
    """The upper layers of an encoder such as BERT, changed by low-rank matrices.

    W' = W + U D,  U (out, r), D (r, in)

    for each linear map W (LoRA: Hu et al. 2021, arXiv:2106.09685). The layers below read each text
    by itself; here the tokens of both attend to each other, as MacAvaney et al. 2020
    (arXiv:2004.14255) split a ranker, so that what the lower layers say of a text serves all pairs.

    Args:
        maps: The linear map of every part of every layer.
        norms: Weight and bias of the layers' normalisations.
        sides: Added to the tokens of the first and of the second text, ``(2, H)``.
        heads: Number of attention heads.
        epsilon: Of the normalisations.
    """

    maps: Sequence[Mapping[str, Map]]
    norms: Sequence[Mapping[str, tuple[Tensor, Tensor]]]
    sides: Tensor
    heads: int
    epsilon: float

    def __call__(self, one: Tensor, other: Tensor, masks: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean states of both texts, ``(B, 2, H)``.

        Args:
            one: Lower states of the first texts, ``(B, T, H)``.
            other: Of the second ones, ``(B, T', H)``.
            masks: 1 for tokens, 0 for padding, ``(B, T)`` and ``(B, T')``.
        """
        hidden = torch.cat([one + self.sides[0], other + self.sides[1]], dim=1)  # (B, T + T', H)
        mask = torch.cat(masks, dim=1)
        seen = mask[:, None, None, :] > 0
        for maps, norms in zip(self.maps, self.norms, strict=True):
            hidden = self._layer(hidden, seen, maps, norms)
        hidden = hidden.float() * mask[..., None]
        length = one.shape[1]
        sums = torch.stack([hidden[:, :length].sum(1), hidden[:, length:].sum(1)], dim=1)
        counts = torch.stack([each.sum(1) for each in masks], dim=1)
        return sums / counts[..., None]

    def _layer(
        self,
        hidden: Tensor,
        seen: Tensor,
        maps: Mapping[str, Map],
        norms: Mapping[str, tuple[Tensor, Tensor]],
    ) -> Tensor:
        query, key, value = (self._split(maps[part](hidden)) for part in PARTS[:3])
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=seen)  # (B, A, T, H/A)
        mixed = maps[PARTS[3]](mixed.transpose(1, 2).flatten(2))
        hidden = self._norm(hidden + mixed, norms[_NORMS[0]])
        wide = gelu(maps[PARTS[4]](hidden))
        return self._norm(hidden + maps[PARTS[5]](wide), norms[_NORMS[1]])

    def _split(self, states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], self.heads, -1).transpose(1, 2)

    def _norm(self, states: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        return layer_norm(states, states.shape[-1:], *weights, eps=self.epsilon)


def upper_layers(
    network: nn.Module, adapter: Mapping[str, Tensor], lower: int, *, merged: bool = True
) -> UpperLayers:
    """Return the layers above ``lower`` of a network, with an adapter's changes.

    Args:
        network: A BERT of transformers.
        adapter: ``sides`` and, by ``<layer>.<part>``, ``.down (r, in)`` and ``.up (out, r)``;
            layers count from 0 above ``lower``.
        lower: How many layers read each text by itself.
        merged: Whether W + U D is computed once, which serves many texts; else W x + U (D x), which
            costs less where gradients are wanted for U and D alone.
    """
    config: Any = network.config
    encoder: Any = network.encoder
    maps, norms = [], []
    for number, layer in enumerate(encoder.layer[lower:]):
        changed: dict[str, Map] = {}
        for part in PARTS:
            up, down = (adapter[f"{number}.{part}.{side}"] for side in ("up", "down"))
            changed[part] = _changed(layer.get_submodule(part), up, down, merged)
        maps.append(changed)
        norms.append({n: (m.weight, m.bias) for n in _NORMS for m in [layer.get_submodule(n)]})
    return UpperLayers(
        maps, norms, adapter["sides"], config.num_attention_heads, config.layer_norm_eps
    )


def _changed(module: Any, up: Tensor, down: Tensor, merged: bool) -> Map:  # noqa: ANN401
    weight, bias = module.weight, module.bias
    if merged:
        return partial(linear, weight=weight + up @ down, bias=bias)
    return lambda x: linear(x, weight, bias) + linear(linear(x, down), up)


@torch.no_grad()
def lower_states(
    model: LoadedModel, lower: int, sequences: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Return the states after layer ``lower`` of each text by itself ``(B, T, H)``, and the mask.

    Args:
        model: The network.
        lower: Which layer's output, counted from 1.
        sequences: Token ids, ``B`` texts of any length.
    """
    longest = max(map(len, sequences))
    tokens = torch.zeros((len(sequences), longest), dtype=torch.long)  # (B, T)
    mask = torch.zeros((len(sequences), longest))
    for row, sequence in enumerate(sequences):
        tokens[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1.0
    tokens, mask = tokens.to(model.device), mask.to(model.device)
    hidden = model.tap(lower).run_up_to_layer(
        model.network, input_ids=tokens, attention_mask=mask.long()
    )
    return hidden.float(), mask


@torch.no_grad()
def mean_pair_states(
    model: LoadedModel,
    upper: UpperLayers,
    lower: int,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> FloatArray:
    """Return the mean states of both texts of each pair, read together, ``(B, 2, H)``.

    Args:
        model: The network.
        upper: Its upper layers, of `upper_layers`.
        lower: How many layers read each text by itself.
        pairs: Token ids of both texts.
    """
    distinct = {tuple(sequence): None for pair in pairs for sequence in pair}
    position = {sequence: row for row, sequence in enumerate(distinct)}
    hidden, mask = lower_states(model, lower, list(distinct))
    sides = []
    for side in (0, 1):
        rows = torch.tensor([position[tuple(pair[side])] for pair in pairs])
        longest = max(len(pair[side]) for pair in pairs)
        sides.append((hidden[rows, :longest], mask[rows, :longest]))
    (one, seen), (other, also_seen) = sides
    means: FloatArray = upper(one, other, (seen, also_seen)).cpu().numpy()
    return means
