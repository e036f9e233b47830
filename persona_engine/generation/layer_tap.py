"""Reads one layer's hidden states while the network runs, without keeping the others'."""

from __future__ import annotations

import threading
from typing import Any, Literal

import torch
from torch import nn


class LayerTap:
    """A forward hook on one layer, safe to use from several threads at once.

    It relies on nothing but that the layer returns its hidden states (alone or first in a tuple),
    which holds for every decoder-only architecture in transformers.
    """

    def __init__(self, layer: nn.Module) -> None:
        self._reading = _Reading()
        layer.register_forward_hook(self._read)

    def run(self, network: nn.Module, **inputs: object) -> tuple[Any, torch.Tensor]:
        """Run the whole network; return its output and the layer's hidden states ``(B, T, H)``."""
        self._reading.mode = "pass"
        try:
            output = network(**inputs)
            return output, self._reading.take()
        finally:
            self._reading.mode = "off"

    def run_up_to_layer(self, network: nn.Module, **inputs: object) -> torch.Tensor:
        """Run the network no further than the layer; return its hidden states ``(B, T, H)``."""
        self._reading.mode = "stop"
        try:
            network(**inputs)
        except _LayerReachedError:
            return self._reading.take()
        finally:
            self._reading.mode = "off"
        raise AssertionError("the network ended without running the tapped layer")

    def _read(
        self, _layer: nn.Module, _inputs: object, output: torch.Tensor | tuple[torch.Tensor, ...]
    ) -> None:
        if self._reading.mode == "off":
            return
        self._reading.hidden = output[0] if isinstance(output, tuple) else output
        if self._reading.mode == "stop":
            # Leaving by exception is the one way to skip the upper layers and the vocabulary
            # projection that does not depend on how an architecture loops over its layers.
            raise _LayerReachedError


class _LayerReachedError(Exception):
    """The tapped layer has run; nothing above it is wanted."""


class _Reading(threading.local):
    mode: Literal["off", "pass", "stop"] = "off"
    hidden: torch.Tensor | None = None

    def take(self) -> torch.Tensor:
        hidden, self.hidden = self.hidden, None
        assert hidden is not None, "the network ran without the tapped layer"
        return hidden
