"""Linear layers that read their weights in the processor's own order, and treat every row alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

# The batch that weights are laid out for: decoding reads few rows at a time.
_ROWS = 8


def use_steady_projections(network: nn.Module) -> None:
    """Let every linear layer of a network on the CPU decode faster, with the same results.

    oneDNN lays bfloat16 weights out anew at each call unless they are kept in its own order: of
    SmolLM2's layers a step for one row took 20 ms, and takes 11. And a matrix times a single row is
    added up in another order than times several, which agree with one another: with a row beside
    it, a branch's text is the same however many run along.

    The weights are bit for bit those of the model folder, and so are the results of two rows or
    more. A packed layer has no ``weight`` any more: nothing is held twice.
    """
    packs = torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is not nn.Linear:
                continue
            bfloat16 = layer.weight.dtype == torch.bfloat16
            setattr(parent, name, _Packed(layer) if packs and bfloat16 else _Steady(layer))


class _Steady(nn.Module):
    """A linear layer that multiplies at least two rows."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ``x Wᵀ + b`` of ``(..., in)``."""
        if inputs.numel() > self.in_features:
            return self._multiply(inputs)
        return self._multiply(inputs.expand(2, *inputs.shape[1:]))[:1]

    def _multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        return linear(inputs, self.weight, self.bias)


class _Packed(_Steady):
    """A linear layer whose bfloat16 weights are in oneDNN's order."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer)
        del self.weight
        # Neither a parameter nor a buffer: an opaque tensor cannot be moved, cast or saved.
        self._packed: Any = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)

    def _multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs, self._packed, self.bias, "none", [], ""
        )
        return product
