"""LoRA adapters on a network, and batches whose rows use different ones."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from persona_engine.errors import NotFoundError, WeightsError
from persona_engine.generation.projections import Matrix, Projection, as_matrix
from persona_engine.jsonlines import decoded

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

_PREFIX = "base_model.model."
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

# What PEFT's LoRA can also be, and this arithmetic is not.
_UNKNOWN = ("use_dora", "modules_to_save", "layer_replication", "fan_in_fan_out", "lora_bias")

# Layers that read the same inputs, by the names that architectures give them.
_TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


@dataclass(frozen=True, slots=True, eq=False)
class LoraAdapter:
    """W x becomes W x + s B A x (LoRA, Hu et al. 2021, arXiv 2106.09685).

    Args:
        layers: For each linear layer's path, A transposed ``(in, r)`` and s B transposed
            ``(r, out)``.
    """

    layers: Mapping[str, tuple[torch.Tensor, torch.Tensor]]


class Adapters:
    """The adapters that one network has in memory.

    Rows of a batch may use different ones: the matrices of those in use stand side by side, and a
    mask leaves to each row what is its own. That is one more pair of products a layer, whatever the
    number of adapters.

    Args:
        model: The network.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._held: dict[str, LoraAdapter] = {}
        self._joined: dict[tuple[LoraAdapter, ...], Joined] = {}
        self._lock = threading.Lock()

    def load(self, name: str, folder: Path) -> None:
        """Take an adapter into memory, in place of one of the same name.

        Raises:
            WeightsError: The folder has no LoRA adapter of this network, or one of a kind that is
                not known here.
        """
        adapter = read_adapter(folder, self._model)
        with self._lock:
            self._held[name] = adapter
            self._joined.clear()

    def unload(self, name: str) -> None:
        """Give an adapter's memory back, once nothing that grows uses it.

        Raises:
            NotFoundError: There is none of that name.
        """
        self.find(name)
        with self._lock:
            del self._held[name]
            self._joined.clear()

    def find(self, name: str) -> LoraAdapter:
        """Return an adapter.

        Raises:
            NotFoundError: There is none of that name.
        """
        if name not in self._held:
            raise NotFoundError(
                f"adapter {name!r} is not loaded, only {', '.join(self._held) or 'none'}",
                remedy="load it with `LocalGenerator.load_adapter`",
            )
        return self._held[name]

    def mix(self, of_row: Sequence[LoraAdapter | None]) -> Mix | None:
        """Return what a batch's rows add to each layer; None where no row has an adapter."""
        used = tuple(dict.fromkeys(each for each in of_row if each is not None))
        if not used:
            return None
        with self._lock:
            joined = self._joined.get(used)
            if joined is None:
                joined = self._joined[used] = _joined(used)
        places = [-1 if each is None else used.index(each) for each in of_row]
        return Mix(joined, torch.tensor(places, device=self._model.device))


def read_adapter(folder: Path, model: LoadedModel) -> LoraAdapter:
    """Read a LoRA adapter in PEFT's layout.

    Raises:
        WeightsError: The folder has no LoRA adapter of this network, or one of a kind that is not
            known here.
    """
    from safetensors.torch import load_file

    config = _read_config(folder)
    try:
        tensors = load_file(folder / _WEIGHTS)
    except Exception as error:  # safetensors raises its own kind
        raise WeightsError(
            f"{folder / _WEIGHTS} cannot be read as safetensors: {error}",
            remedy="save the adapter with PEFT's `save_pretrained`",
        ) from error
    layers = {
        path: layer
        for path, layer in model.network.named_modules()
        if isinstance(layer, Projection)
    }
    found = {}
    for key in sorted(tensors):
        path, _, part = key.removeprefix(_PREFIX).rpartition(".lora_")
        if part not in ("A.weight", "B.weight") or path not in layers:
            raise WeightsError(
                f"{folder} changes {key!r}, which is no linear layer of this network",
                remedy="use an adapter that was trained on the same base model",
            )
        if part == "A.weight":
            found[path] = _pair(tensors, key, layers[path], config, model)
    return LoraAdapter(found)


def _pair(
    tensors: Mapping[str, torch.Tensor],
    key: str,
    layer: Projection,
    config: Mapping[str, Any],
    model: LoadedModel,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A transposed ``(in, r)`` and s B transposed ``(r, out)`` of one layer."""
    down, up = tensors[key], tensors.get(key.replace("lora_A", "lora_B"))
    rank = down.shape[0]
    if (
        up is None
        or down.shape != (rank, layer.in_features)
        or up.shape
        != (
            layer.out_features,
            rank,
        )
    ):
        raise WeightsError(
            f"{key} has shapes {tuple(down.shape)} and {None if up is None else tuple(up.shape)}, "
            f"expected (r, {layer.in_features}) and ({layer.out_features}, r)",
            remedy="use an adapter that was trained on the same base model",
        )
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    changed = (down.t().contiguous(), (scale * up.float()).t().contiguous())
    return changed[0].to(model.device, model.dtype), changed[1].to(model.device, model.dtype)


def _read_config(folder: Path) -> Mapping[str, Any]:
    try:
        config = decoded((folder / _CONFIG).read_bytes(), str(folder / _CONFIG))
    except OSError as error:
        raise WeightsError(
            f"{folder / _CONFIG} cannot be read: {error}, expected an adapter's folder",
            remedy="save the adapter with PEFT's `save_pretrained`",
        ) from error
    if not isinstance(config, dict):
        raise WeightsError(f"{folder / _CONFIG} is {config!r}, expected a JSON object")
    other = [name for name in _UNKNOWN if config.get(name)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or other:
        raise WeightsError(
            f"{folder / _CONFIG} describes {config.get('peft_type')!r} with {other or 'a bias'}, "
            "expected a plain LoRA adapter",
            remedy="train with peft.LoraConfig(bias='none') and none of these options",
        )
    return config


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Several adapters' matrices side by side.

    Args:
        downs: For each group of layers that read the same inputs, all their A: ``(R, in)``.
        owners: For each group, the adapter of each column of its product, ``(R,)``.
        ups: For each layer's path, its group, its part of the group's columns, and s B.
    """

    downs: Mapping[str, Matrix]
    owners: Mapping[str, torch.Tensor]
    ups: Mapping[str, tuple[str, slice, Matrix]]


def _joined(adapters: Sequence[LoraAdapter]) -> Joined:
    groups: dict[str, list[str]] = {}
    for path in sorted({path for adapter in adapters for path in adapter.layers}):
        groups.setdefault(_group(path), []).append(path)
    downs, owners, ups = {}, {}, {}
    for group, paths in groups.items():
        columns: list[torch.Tensor] = []
        whose: list[int] = []
        for path in paths:
            having = [
                (n, each.layers[path]) for n, each in enumerate(adapters) if path in each.layers
            ]
            start = len(whose)
            for n, (down, _) in having:
                columns.append(down.t())
                whose += [n] * down.shape[1]
            up = torch.cat([up for _, (_, up) in having]).t().contiguous()
            ups[path] = (group, slice(start, len(whose)), as_matrix(up))
        downs[group] = as_matrix(torch.cat(columns).contiguous())
        owners[group] = torch.tensor(whose, device=columns[0].device)
    return Joined(downs, owners, ups)


def _group(path: str) -> str:
    """Return what layers that read the same inputs have in common, by the names they go by."""
    parent, _, name = path.rpartition(".")
    together = next((names for names in _TOGETHER if name in names), (name,))
    return f"{parent}.{together[0]}"


class Mix:
    """What the rows of one batch add to each layer.

    Args:
        joined: The adapters in use.
        of_row: The adapter of each row ``(B,)``, -1 for none.
    """

    def __init__(self, joined: Joined, of_row: torch.Tensor) -> None:
        self._joined = joined
        self._masks = {
            group: (owners == of_row[:, None])[:, None]  # (B, 1, R)
            for group, owners in joined.owners.items()
        }
        self._last: tuple[str, torch.Tensor, torch.Tensor] | None = None

    def applied(self, path: str, inputs: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Return a layer's output ``(B, k, out)`` with what each row's adapter adds."""
        found = self._joined.ups.get(path)
        if found is None:
            return output
        group, columns, up = found
        return up.added_to(output, self._inner(group, inputs)[..., columns])

    def _inner(self, group: str, inputs: torch.Tensor) -> torch.Tensor:
        """Return A x of a group's layers ``(B, k, R)``, computed for the first that asks."""
        if self._last is None or self._last[0] != group or self._last[1] is not inputs:
            inner = self._joined.downs[group].times(inputs)
            self._last = (group, inputs, inner * self._masks[group])
        return self._last[2]
