"""The adapters that one network has in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from persona_engine.errors import NotFoundError
from persona_engine.generation.adapter_files import read_adapter
from persona_engine.generation.mixing import Adapter, Joined, Members, Mix, join
from persona_engine.generation.projections import Projection

if TYPE_CHECKING:
    from persona_engine.generation.loading import LoadedModel

# Batches of one product use the same few adapters again and again.
_KEPT_JOINED = 8


class Adapters:
    """The adapters that one network has in memory.

    Rows of a batch may use different ones: the matrices of those in use stand side by side, and a
    mask leaves to each row what is its own. That is one more pair of products a group of layers,
    whatever the number of adapters.

    Args:
        model: The network.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._held: dict[str, Adapter] = {}
        self._joined: OrderedDict[tuple[Adapter, ...], Joined] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, name: str, folder: Path) -> bool:
        """Take an adapter into memory; return whether it took the place of one of the same name.

        Raises:
            WeightsError: The folder has no adapter of this network, or one of a kind that is not
                known here.
        """
        adapter = read_adapter(folder, self._model)
        with self._lock:
            replaced = self._held.get(name)
            self._held[name] = adapter
            self._drop_joined(replaced)
        return replaced is not None

    def unload(self, name: str) -> None:
        """Give an adapter's memory back, once nothing that grows uses it.

        Raises:
            NotFoundError: There is none of that name.
        """
        self.find(name)
        with self._lock:
            self._drop_joined(self._held.pop(name, None))

    def find(self, name: str) -> Adapter:
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

    def holds(self, adapter: Adapter) -> bool:
        """Return whether an adapter is still in memory under its name."""
        return any(each is adapter for each in tuple(self._held.values()))

    def mix(
        self, of_row: Sequence[Adapter | None], *, beside: Sequence[Adapter] = ()
    ) -> Mix | None:
        """Return what a batch's rows add to each layer; None where no row has an adapter.

        Args:
            of_row: The adapter of each row; None for none.
            beside: Adapters whose matrices stand first, in use or not.
        """
        own = [each for each in of_row if each is not None]
        if not own:
            return None
        used = tuple(dict.fromkeys([*beside, *own]))
        places = [-1 if each is None else used.index(each) for each in of_row]
        of = torch.tensor(places, device=self._model.device)
        return Mix(self._join(used), of, self._model.dtype)

    def _join(self, used: tuple[Adapter, ...]) -> Joined:
        with self._lock:
            joined = self._joined.pop(used, None)
            if joined is None:
                joined = join(used, self._members)
                while len(self._joined) >= _KEPT_JOINED:
                    self._joined.popitem(last=False)
            self._joined[used] = joined
            return joined

    def _drop_joined(self, gone: Adapter | None) -> None:
        for used in [each for each in self._joined if gone in each]:
            del self._joined[used]

    @cached_property
    def _members(self) -> Members:
        found: dict[str, list[tuple[str, slice]]] = {}
        for path, layer in self._model.network.named_modules():
            if isinstance(layer, Projection):
                found.setdefault(layer.group, []).append((path, layer.columns))
        return found
