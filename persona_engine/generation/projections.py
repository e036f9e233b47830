"""Linear layers that decode fast, treat every row alike, and may be changed by adapters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import nn
from torch.nn.functional import linear

# The batch that weights are laid out for: decoding reads few rows at a time.
_ROWS = 8


class Change(Protocol):
    """What adapters make of the outputs of linear layers."""

    def applied(self, path: str, inputs: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Return the output of the layer of that path as it is changed."""


class Matrix(Protocol):
    """A matrix that rows are multiplied with."""

    def times(self, rows: torch.Tensor) -> torch.Tensor:
        """Return ``x Wᵀ + b`` of ``(..., in)``."""

    def added_to(self, output: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return ``y + x Wᵀ`` of ``(..., in)``."""


def use_projections(network: nn.Module) -> None:
    """Put a `Projection` in the place of every linear layer of a network.

    oneDNN lays bfloat16 weights out anew at each call unless they are kept in its own order. And a
    matrix times a single row is
    added up in another order than times several, which agree with one another: with a row beside
    it, a branch's text is the same however many run along. Both concern the CPU only.

    The weights are bit for bit those of the model folder, and so are the results of two rows or
    more. What was packed is not held a second time.
    """
    for parent_path, parent in list(network.named_modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is not nn.Linear:
                continue
            path = f"{parent_path}.{name}" if parent_path else name
            setattr(parent, name, Projection(layer, path))


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
        self._matrix = as_matrix(layer.weight.detach(), layer.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ``x Wᵀ + b`` of ``(..., in)``, as adapters change it."""
        output = self._matrix.times(inputs)
        change = _present.change
        return output if change is None else change.applied(self.path, inputs, output)


def as_matrix(weight: torch.Tensor, bias: torch.Tensor | None = None) -> Matrix:
    """Return a matrix ``(out, in)`` as this processor multiplies it fastest."""
    if weight.device.type != "cpu":
        return _Dense(weight, bias)
    packs = torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    kind = _Packed if packs and weight.dtype == torch.bfloat16 else _Steady
    return kind(weight, bias)


class _Dense:
    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._weight, self._bias = weight, bias

    def times(self, rows: torch.Tensor) -> torch.Tensor:
        return linear(rows, self._weight, self._bias)

    def added_to(self, output: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return output + self.times(rows)


class _Steady(_Dense):
    """Multiplies at least two rows."""

    def times(self, rows: torch.Tensor) -> torch.Tensor:
        if rows.numel() > rows.shape[-1]:
            return self._multiply(rows)
        return self._multiply(rows.expand(2, *rows.shape[1:]))[:1]

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        return linear(rows, self._weight, self._bias)


class _Packed(_Steady):
    """Holds bfloat16 weights in oneDNN's order: an opaque tensor, not to be moved or saved."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__(torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS), bias)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self._weight, self._bias, "none", [], ""
        )
        return product


class _Present(threading.local):
    change: Change | None = None


_present = _Present()
