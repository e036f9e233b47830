"""Matrices that rows are multiplied with, as each processor does it fastest, every row alike."""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn.functional import linear

# The batch that weights are laid out for: decoding reads few rows at a time.
_ROWS = 8


class Matrix(Protocol):
    """A matrix that rows are multiplied with."""

    def times(self, rows: torch.Tensor) -> torch.Tensor:
        """Return ``x Wᵀ + b`` of ``(..., in)``."""

    def masked(self, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return ``(x Wᵀ + b) ∘ m`` of ``(..., in)`` and a mask of the product's shape."""

    def added_to(self, output: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return ``y + x Wᵀ + b`` of ``(..., in)``."""


def as_matrix(weight: torch.Tensor, bias: torch.Tensor | None = None) -> Matrix:
    """Return a matrix ``(out, in)`` as this processor multiplies it fastest.

    oneDNN lays bfloat16 weights out anew at each call unless they are kept in its own order. And a
    matrix times a single row is added up in another order than times several, which agree with one
    another: with a row beside it, a branch's text is the same however many run along. Both concern
    the CPU only.
    """
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

    def masked(self, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.times(rows) * mask

    def added_to(self, output: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return output + self.times(rows)


class _Steady(_Dense):
    """Multiplies at least two rows."""

    def times(self, rows: torch.Tensor) -> torch.Tensor:
        if not _is_single(rows):
            return self._multiply(rows)
        return self._multiply(_twice(rows))[:1]

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        return linear(rows, self._weight, self._bias)


class _Packed(_Steady):
    """Holds bfloat16 weights in oneDNN's order: an opaque tensor, not to be moved or saved."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__(torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS), bias)
        # Looking them up takes as long as a small addition.
        self._alone = torch.ops.mkldnn._linear_pointwise.default
        self._beside = torch.ops.mkldnn._linear_pointwise.binary

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = self._alone(rows, self._weight, self._bias, "none", [], "")
        return product

    def masked(self, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self._with("mul", rows, mask)

    def added_to(self, output: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return self._with("add", rows, output)

    def _with(self, operation: str, rows: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return the product joined with another operand of its shape, in one pass of oneDNN."""
        single = _is_single(rows)
        if single:
            rows, other = _twice(rows), _twice(other)
        product: torch.Tensor = self._beside(rows, other, self._weight, self._bias, operation)
        return product[:1] if single else product


def _is_single(rows: torch.Tensor) -> bool:
    return rows.numel() == rows.shape[-1]


def _twice(rows: torch.Tensor) -> torch.Tensor:
    return rows.expand(2, *rows.shape[1:])
