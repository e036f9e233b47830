"""Loads a network and its tokenizer from a local folder; safetensors only, no remote code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from persona_engine.errors import ConfigError, WeightsError
from persona_engine.generation.adapters import Adapters
from persona_engine.generation.attention import use_branch_attention
from persona_engine.generation.layer_tap import LayerTap
from persona_engine.generation.model import Dtype, ModelKind
from persona_engine.generation.projections import use_projections
from persona_engine.generation.prompts import PromptReader
from persona_engine.generation.sharing import can_share_prompts

_LOADING = threading.Lock()
"""Transformers sets switches of the process while it loads: two loads at once lose tensors."""


class LoadedModel:
    """A network in memory, with its tokenizer and taps on its layers."""

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Any,  # noqa: ANN401  # a transformers tokenizer
        device: torch.device,
        *,
        layer_count: int,
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.device = device
        self.layer_count = layer_count
        self._layers = _decoder_layers(network, layer_count)
        self._taps: dict[int, LayerTap] = {}
        self._lock = threading.Lock()

    def tap(self, layer: int) -> LayerTap:
        """Return the tap that reads the hidden states after ``layer``, counted from 1."""
        with self._lock:
            if layer not in self._taps:
                self._taps[layer] = LayerTap(self._layers[layer - 1])
            return self._taps[layer]

    def layer(self, number: int) -> nn.Module:
        """Return a decoder layer, counted from 1."""
        return self._layers[number - 1]

    @property
    def vocabulary(self) -> int:
        """Number of tokens that the network gives a logit."""
        network: Any = self.network
        return int(network.config.get_text_config().vocab_size)

    @cached_property
    def shares_prompts(self) -> bool:
        """Whether many rows can attend to one copy of their prompt."""
        return can_share_prompts(self)

    @cached_property
    def adapters(self) -> Adapters:
        """The adapters that are in memory."""
        return Adapters(self)

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        network: Any = self.network
        found: torch.dtype = network.dtype
        return found

    @cached_property
    def prompt_reader(self) -> PromptReader:
        """Reads prompts and remembers the last few; only where prompts can be shared."""
        return PromptReader(self)

    def end_tokens(self) -> tuple[int, ...]:
        """Return every token that ends a reply, wherever the model folder names it."""
        network: Any = self.network
        named = (
            getattr(network.generation_config, "eos_token_id", None),
            getattr(network.config, "eos_token_id", None),
            self.tokenizer.eos_token_id,
        )
        lists = (each if isinstance(each, list) else [each] for each in named)
        return tuple(sorted({token for each in lists for token in each if token is not None}))


def load_model(
    weights: Path, *, device: str | None, dtype: Dtype, kind: ModelKind, layer_count: int
) -> LoadedModel:
    """Load a model folder.

    Raises:
        WeightsError: The folder cannot be read as a model of that kind.
        ConfigError: The device does not exist.
    """
    from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

    place = _device(device)
    architecture = AutoModelForCausalLM if kind == "causal" else AutoModel
    try:
        with _LOADING, _no_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(weights, local_files_only=True)
            network, info = architecture.from_pretrained(
                weights,
                dtype=getattr(torch, dtype),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # each reader (JSON, tokenizers, safetensors) raises its own kind
        raise WeightsError(
            f"{weights} cannot be loaded as a {kind} model: {error}",
            remedy="pull the weights again (`persona weights pull NAME`)",
        ) from error
    # Transformers fills what a file lacks with random numbers; only an unused pooler may lack.
    lacking = sorted(name for name in info["missing_keys"] if "pooler" not in name)
    if lacking:
        raise WeightsError(
            f"{weights} lacks {len(lacking)} tensors of the model, such as {lacking[0]}",
            remedy="pull the weights again (`persona weights pull NAME`)",
        )
    network.eval().requires_grad_(False).to(place)
    if kind == "causal":
        use_branch_attention(network)
        use_projections(network)
    return LoadedModel(network, tokenizer, place, layer_count=layer_count)


def _device(name: str | None) -> torch.device:
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(chosen)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device is {name!r}, which this machine does not have: {error}",
            remedy="leave it out: CUDA is used when present, else the CPU",
        ) from error
    return device


def _decoder_layers(network: nn.Module, count: int) -> nn.ModuleList:
    # Modules are walked outside in, so the stack of layers comes before any list inside a layer.
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise WeightsError(
        f"{type(network).__name__} has no list of {count} layers, expected a transformer"
    )


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
