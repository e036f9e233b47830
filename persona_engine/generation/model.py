"""A model folder: what its ``config.json`` says, and the network, loaded once when first needed."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from persona_engine.errors import ConfigError, WeightsError
from persona_engine.weights import weights_hash

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

Dtype = Literal["bfloat16", "float16", "float32"]
ModelKind = Literal["causal", "bidirectional"]

# Architectures name the same size differently.
_HIDDEN_SIZE = ("hidden_size", "n_embd", "d_model")
_LAYER_COUNT = ("num_hidden_layers", "n_layer", "num_layers")
_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")


class LocalModel:
    """A local model folder whose network is loaded on first use and then shared.

    Everything but `load` is answered from files, without torch.

    Args:
        weights: Folder with ``config.json``, a tokenizer and safetensors.
        device: Where it runs, such as ``"cuda:1"``; None takes CUDA when present, else the CPU.
        dtype: Number format of the weights and of the computation.
        kind: ``causal`` models generate; ``bidirectional`` ones only encode.

    Raises:
        WeightsError: The folder or its ``config.json`` is missing or damaged.
    """

    def __init__(
        self,
        weights: Path,
        *,
        device: str | None = None,
        dtype: Dtype = "bfloat16",
        kind: ModelKind = "causal",
    ) -> None:
        if dtype not in ("bfloat16", "float16", "float32"):
            raise ConfigError(f"dtype is {dtype!r}, expected bfloat16, float16 or float32")
        self.weights = Path(weights)
        self.device = device
        self.dtype: Dtype = dtype
        self.kind: ModelKind = kind
        self._config = _read_config(self.weights)
        self._lock = threading.Lock()
        self._loaded: LoadedModel | None = None

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of the weights' content hash."""
        return weights_hash(self.weights)[:16]

    @property
    def hidden_size(self) -> int:
        """Width of a hidden state."""
        return self._size(_HIDDEN_SIZE)

    @property
    def layer_count(self) -> int:
        """Number of decoder or encoder layers."""
        return self._size(_LAYER_COUNT)

    @property
    def context(self) -> int:
        """Most tokens that the model reads at once."""
        return self._size(_CONTEXT)

    def layer_at(self, fraction: float) -> int:
        """Return the layer, from 1 to `layer_count`, at that fraction of the depth.

        Raises:
            ConfigError: The fraction is outside 0 to 1.
        """
        if not 0.0 < fraction <= 1.0:
            raise ConfigError(f"layer_fraction is {fraction!r}, expected above 0, at most 1")
        return max(1, round(fraction * self.layer_count))

    def load(self) -> LoadedModel:
        """Return the network and its tokenizer; the first call loads them, others wait for it.

        Raises:
            WeightsError: They could not be read.
            ConfigError: The device does not exist.
        """
        with self._lock:
            if self._loaded is None:
                from persona_engine.generation.loading import load_model

                self._loaded = load_model(
                    self.weights,
                    device=self.device,
                    dtype=self.dtype,
                    kind=self.kind,
                    layer_count=self.layer_count,
                )
            return self._loaded

    @property
    def loaded(self) -> LoadedModel | None:
        """The network and its tokenizer, if they have been loaded."""
        return self._loaded

    def _size(self, names: tuple[str, ...]) -> int:
        for name in names:
            value = self._config.get(name)
            if isinstance(value, int):
                return value
        raise WeightsError(f"{self.weights / 'config.json'} has none of {', '.join(names)}")


def shared_model(weights: Path, *, device: str | None, dtype: Dtype, kind: ModelKind) -> LocalModel:
    """Return the one `LocalModel` of these settings while anybody in the process still uses it.

    A generator and an encoder that are configured apart on the same folder share its memory.
    """
    key = (str(Path(weights).resolve()), device, dtype, kind)
    with _shared_lock:
        model = _shared.get(key)
        if model is None:
            model = _shared[key] = LocalModel(weights, device=device, dtype=dtype, kind=kind)
        return model


_shared: WeakValueDictionary[tuple[str, str | None, str, str], LocalModel] = WeakValueDictionary()
_shared_lock = threading.Lock()


def _read_config(weights: Path) -> Mapping[str, Any]:
    path = weights / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path} does not exist, expected a model folder with config, tokenizer and weights",
            remedy="`persona weights pull NAME`, or pass the folder's path",
        ) from error
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read as JSON: {error}", remedy="pull the weights again"
        ) from error
    nested = config.get("text_config")  # multimodal models keep the language model's sizes there
    return nested if isinstance(nested, dict) else config
