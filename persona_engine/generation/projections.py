"""Linear layers that decode fast, treat every row alike, and may be changed by adapters."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from persona_engine.generation.matrices import as_matrix

# Layers that read the same inputs, by the names that architectures give them.
_TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class Change(Protocol):
    """What adapters make of the outputs of linear layers."""

    def applied(self, group: str, inputs: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Return the output of the layers of that group, side by side, as it is changed."""


def use_projections(network: nn.Module) -> None:
    """Put a `Projection` in the place of every linear layer of a network.

    Layers that read the same inputs are computed in one product, which saves a pass for each of the
    others. The weights are bit for bit those of the model folder; what was packed is not held a
    second time.
    """
    for parent_path, parent in list(network.named_modules()):
        layers = {name: each for name, each in parent.named_children() if type(each) is nn.Linear}
        for names in _groups(layers):
            paths = [f"{parent_path}.{name}" if parent_path else name for name in names]
            group = _Group(paths[0], [layers[name] for name in names])
            for name, path in zip(names, paths, strict=True):
                setattr(parent, name, Projection(path, group, layers[name]))


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
        path: Its path in the network.
        group: The layers that are computed with it.
        layer: What it takes the place of.

    Attributes:
        group: Path of the first layer that is computed with it, which may be itself.
        columns: Its part of the group's output.
    """

    def __init__(self, path: str, group: _Group, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.path, self.group = path, group.path
        self.columns = group.take(self.out_features)
        self._group, self._alone = group, group.members == 1

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ``x Wᵀ + b`` of ``(..., in)``, as adapters change it."""
        output = self._group.output(inputs)
        return output if self._alone else output[..., self.columns]


def _groups(layers: Mapping[str, nn.Linear]) -> list[tuple[str, ...]]:
    """Return the names of linear layers of one parent that are computed in one product."""
    joint = [names for names in _TOGETHER if _may_join([layers.get(name) for name in names])]
    taken = {name for names in joint for name in names}
    return [*joint, *((name,) for name in layers if name not in taken)]


def _may_join(layers: Sequence[nn.Linear | None]) -> bool:
    having = [each for each in layers if each is not None]
    kinds = {(each.in_features, each.bias is None, each.weight.dtype) for each in having}
    return len(having) == len(layers) and len(kinds) == 1


class _Group:
    """Linear layers that read the same inputs.

    Args:
        path: Of the first of them.
        layers: All of them, in the order in which they are called.
    """

    def __init__(self, path: str, layers: Sequence[nn.Linear]) -> None:
        self.path = path
        weights = [each.weight.detach() for each in layers]
        biases = [each.bias.detach() for each in layers if each.bias is not None]
        self._matrix = as_matrix(torch.cat(weights), torch.cat(biases) if biases else None)
        self.members, self._taken = len(layers), 0

    def take(self, width: int) -> slice:
        """Return the next part of the output, of this width."""
        start, self._taken = self._taken, self._taken + width
        return slice(start, self._taken)

    def output(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return all members' outputs, computed for the first of them that asks."""
        if self.members == 1:
            return self._computed(inputs)
        held = _present.held
        if held is None or held.group is not self or held.inputs is not inputs:
            held = _present.held = _Held(self, inputs, self._computed(inputs), self.members)
        held.left -= 1
        if not held.left:
            _present.held = None
        return held.output

    def _computed(self, inputs: torch.Tensor) -> torch.Tensor:
        output = self._matrix.times(inputs)
        change = _present.change
        return output if change is None else change.applied(self.path, inputs, output)


@dataclass(slots=True)
class _Held:
    """What a group computed, until the last of its members has asked for it."""

    group: _Group
    inputs: torch.Tensor
    output: torch.Tensor
    left: int


class _Present(threading.local):
    change: Change | None = None
    held: _Held | None = None


_present = _Present()
