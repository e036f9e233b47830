"""Linear layers that decode fast, treat every row alike, and may be changed by adapters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.functional import linear

# The batch that weights are laid out for: decoding reads few rows at a time.
_ROWS = 8


class Change(Protocol):
    """What is added to the outputs of linear layers."""

    def added(self, path: str, inputs: torch.Tensor) -> torch.Tensor | None:
        """Return what is added to the output of the layer of that path; None for nothing."""


def use_projections(network: nn.Module, *, on_cpu: bool) -> None:
    """Put a `Projection` in the place of every linear layer of a network.

    oneDNN lays bfloat16 weights out anew at each call unless they are kept in its own order: of
    SmolLM2's layers a step for one row took 20 ms, and takes 11. And a matrix times a single row is
    added up in another order than times several, which agree with one another: with a row beside
    it, a branch's text is the same however many run along. Both concern the CPU only.

    The weights are bit for bit those of the model folder, and so are the results of two rows or
    more. A packed layer has no ``weight`` any more: nothing is held twice.
    """
    packs = on_cpu and torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    for parent_path, parent in list(network.named_modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is not nn.Linear:
                continue
            path = f"{parent_path}.{name}" if parent_path else name
            packed = packs and layer.weight.dtype == torch.bfloat16
            kind = _Packed if packed else _Steady if on_cpu else Projection
            setattr(parent, name, kind(layer, path))


@contextmanager
def changed_by(change: Change | None) -> Iterator[None]:
    """Let a change act on this thread's forward passes."""
    before, _present.change = _present.change, change
    try:
        yield
    finally:
        _present.change = before


class Projection(nn.Module):
    """A linear layer that adapters may change.

    Args:
        layer: What it takes the place of.
        path: Its path in the network.
    """

    def __init__(self, layer: nn.Linear, path: str) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.path = path
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ``x Wᵀ + b`` of ``(..., in)``, and what a change adds."""
        product = self._multiply(inputs)
        more = None if _present.change is None else _present.change.added(self.path, inputs)
        return product if more is None else product + more

    def _multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        return linear(inputs, self.weight, self.bias)


class _Steady(Projection):
    """A linear layer that multiplies at least two rows."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ``x Wᵀ + b`` of ``(..., in)``, and what a change adds."""
        if inputs.numel() > self.in_features:
            return super().forward(inputs)
        return super().forward(inputs.expand(2, *inputs.shape[1:]))[:1]


class _Packed(_Steady):
    """A linear layer whose bfloat16 weights are in oneDNN's order."""

    def __init__(self, layer: nn.Linear, path: str) -> None:
        super().__init__(layer, path)
        del self.weight
        # Neither a parameter nor a buffer: an opaque tensor cannot be moved, cast or saved.
        self._packed: Any = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)

    def _multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs, self._packed, self.bias, "none", [], ""
        )
        return product


class _Present(threading.local):
    change: Change | None = None


_present = _Present()
