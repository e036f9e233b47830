"""The arithmetic of adapters, in batches whose rows use different ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from persona_engine.generation.matrices import Matrix, as_matrix

Members = Mapping[str, Sequence[tuple[str, slice]]]
"""For each group of layers, the path and the part of the output of each of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """W x becomes W x + s B A x (LoRA, Hu et al. 2021, arXiv 2106.09685), or W x + v.

    Args:
        layers: For each linear layer's path, A transposed ``(in, r)`` and s B transposed
            ``(r, out)``.
        shifts: For each linear layer's path, v ``(out,)``: activation steering.
    """

    layers: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    shifts: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Several adapters' matrices side by side.

    Args:
        downs: For each group of layers that read the same inputs, all their A: ``(R, in)``.
        owners: For each group, the adapter of each column of its product, ``(R,)``.
        ups: For each group, all their s B, zero where a column is another layer's: ``(out, R)``.
        shifts: For each group, every adapter's v and a last one of zeros, ``(n + 1, out)``.
    """

    downs: Mapping[str, Matrix]
    owners: Mapping[str, torch.Tensor]
    ups: Mapping[str, Matrix]
    shifts: Mapping[str, torch.Tensor]


def join(adapters: Sequence[Adapter], members: Members) -> Joined:
    """Put adapters side by side.

    One product with all A of a group and one with all B cost less than a pair for every layer and
    adapter: most of the price of so small a product is to begin it.
    """
    downs, owners, ups, shifts = {}, {}, {}, {}
    for group, layers in members.items():
        width = max(columns.stop for _, columns in layers)
        parts = [
            (n, columns, each.layers[path])
            for path, columns in layers
            for n, each in enumerate(adapters)
            if path in each.layers
        ]
        if parts:
            downs[group] = as_matrix(torch.cat([down.t() for _, _, (down, _) in parts]))
            whose = [n for n, _, (down, _) in parts for _ in range(down.shape[1])]
            owners[group] = torch.tensor(whose, device=parts[0][2][0].device)
            ups[group] = as_matrix(torch.cat([_wide(up, at, width) for _, at, (_, up) in parts], 1))
        vectors = [
            (n, columns, each.shifts[path])
            for path, columns in layers
            for n, each in enumerate(adapters)
            if path in each.shifts
        ]
        if vectors:
            shifts[group] = vectors[0][2].new_zeros(len(adapters) + 1, width)
            for n, columns, vector in vectors:
                shifts[group][n, columns] = vector
    return Joined(downs, owners, ups, shifts)


def _wide(up: torch.Tensor, columns: slice, width: int) -> torch.Tensor:
    """Return s B of one layer as the columns of its group's output that it is: ``(out, r)``."""
    wide = up.new_zeros(width, up.shape[0])
    wide[columns] = up.t()
    return wide


class Mix:
    """What the rows of one batch add to each group of layers.

    Args:
        joined: The adapters in use.
        of_row: The adapter of each row ``(B,)``, -1 for none.
        dtype: Of the network's hidden states.
    """

    def __init__(self, joined: Joined, of_row: torch.Tensor, dtype: torch.dtype) -> None:
        shifts = {group: rows[of_row][:, None] for group, rows in joined.shifts.items()}
        self._parts = {
            group: _Part(
                joined.downs.get(group),
                joined.ups.get(group),
                _mask(joined.owners.get(group), of_row, dtype),
                shifts.get(group),
            )
            for group in {*joined.downs, *shifts}
        }

    def applied(self, group: str, inputs: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Return a group's output ``(B, k, out)`` with what each row's adapter adds."""
        part = self._parts.get(group)
        return output if part is None else part.applied(inputs, output)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What rows add to one group of layers.

    Args:
        down: All A of the group.
        up: All its s B.
        mask: Which columns of A x are a row's own, ``(B, 1, R)``; None where all are.
        shift: Each row's v ``(B, 1, out)``.
    """

    down: Matrix | None
    up: Matrix | None
    mask: torch.Tensor | None
    shift: torch.Tensor | None

    def applied(self, inputs: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        if self.down is not None and self.up is not None:
            output = self.up.added_to(output, self._inner(self.down, inputs))
        return output if self.shift is None else output + self.shift

    def _inner(self, down: Matrix, inputs: torch.Tensor) -> torch.Tensor:
        """Return A x ``(B, k, R)``, zero in the columns of other rows' adapters."""
        if self.mask is None:
            return down.times(inputs)
        several = inputs.shape[1] > 1
        return down.masked(
            inputs, self.mask.expand(-1, inputs.shape[1], -1) if several else self.mask
        )


def _mask(
    owners: torch.Tensor | None, of_row: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor | None:
    if owners is None:
        return None
    own = owners == of_row[:, None]  # (B, R)
    return None if bool(own.all()) else own[:, None].to(dtype)
