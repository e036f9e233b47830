"""Adapters in a generator's memory: loaded when they are first needed, within a limit."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from persona_engine.adapters.manifest import WEIGHTS
from persona_engine.adapters.routing import Route
from persona_engine.errors import ArtefactError, NotFoundError, WeightsError
from persona_engine.interfaces import Generator, TakesAdapters
from persona_engine.types import DecodingRequest

logger = logging.getLogger("persona_engine.adapters")

_numbers = count(1)

Open = Callable[[str, str], Path]
"""Returns the verified folder of a tenant's version."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one reply is decoded with.

    Args:
        adapter: Version that it is read with, or None.
        weights: For decoders that add up adapters, the weight of each version.
        names: What the generator calls each version.
        reason: Why, or why not, in words.
        silent: Whether that is not worth telling.
    """

    adapter: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    silent: bool = False

    @property
    def active(self) -> bool:
        """Whether any adapter has a say."""
        return self.adapter is not None or bool(self.weights)

    def asked(self, request: DecodingRequest) -> DecodingRequest:
        """Return the request as it is to be decoded."""
        if not self.active:
            return request
        weights = {self.names[version]: share for version, share in self.weights.items()}
        adapter = None if self.adapter is None else self.names[self.adapter]
        return replace(request, adapter=adapter, adapter_weights=weights)


@dataclass(slots=True, eq=False)
class _Seat:
    """One adapter: its size in memory, who uses it, and the lock of its loading."""

    size: int = 0
    users: int = 0
    loaded: bool = False
    loading: threading.Lock = field(default_factory=threading.Lock)


class AdapterServer:
    """Keeps the adapters that replies need in one generator's memory.

    They go by their version, which is a hash of their content, and by a number of this server:
    several engines of one process share a network. The one that was used longest ago
    makes room; one that a reply is using stays until it is done, so that the limit may be exceeded
    by as many as are in use at once.

    Args:
        open_adapter: Returns the verified folder of a tenant's version.
        limit: Most bytes of weights files in memory.
    """

    def __init__(self, open_adapter: Open, *, limit: int) -> None:
        self._open = open_adapter
        self._limit = limit
        self._seats: OrderedDict[str, _Seat] = OrderedDict()  # used last, last
        self._guard = threading.Lock()
        self._number = next(_numbers)

    @property
    def loaded(self) -> tuple[str, ...]:
        """Versions in memory, longest unused first."""
        with self._guard:
            return tuple(version for version, seat in self._seats.items() if seat.loaded)

    @contextmanager
    def serving(
        self, route: Route, tenant: str, generator: Generator, *, weighed: bool = False
    ) -> Iterator[Served]:
        """Have a route's adapter in memory while a reply is made.

        A generator that takes no adapters serves without, and so does one whose adapter cannot be
        trusted: the reply's trace says why.

        Args:
            route: The user's.
            tenant: Theirs.
            generator: What decodes.
            weighed: Whether the decoder adds up adapters by membership.
        """
        wanted = tuple(route.weights) if weighed else (route.adapter,) if route.adapter else ()
        if not wanted:
            yield Served(reason=route.reason, silent=route.silent)
            return
        if not isinstance(generator, TakesAdapters):
            yield Served(reason=f"{route.reason}; generator {generator.name!r} takes no adapters")
            return
        try:
            self._take(wanted, tenant, generator)
        except (ArtefactError, NotFoundError, WeightsError) as error:
            logger.warning("served by the base model: %s", error)
            yield Served(reason=f"{route.reason}, but {error.message}")
            return
        try:
            weights = route.weights if weighed else {}
            yield Served(
                None if weighed else route.adapter,
                weights,
                {version: self._name(version) for version in wanted},
                _told(route, weights),
            )
        finally:
            self._give_back(wanted, generator)

    def _name(self, version: str) -> str:
        """Return what the generator calls a version."""
        return f"{version}@{self._number}"

    def _take(self, versions: Sequence[str], tenant: str, generator: TakesAdapters) -> None:
        taken: list[str] = []
        try:
            for version in versions:
                taken.append(version)
                self._load(self._seat(version), version, tenant, generator)
        except BaseException:
            self._give_back(taken, generator)
            raise
        self._make_room(generator)

    def _seat(self, version: str) -> _Seat:
        with self._guard:
            seat = self._seats.setdefault(version, _Seat())
            self._seats.move_to_end(version)
            seat.users += 1
            return seat

    def _load(self, seat: _Seat, version: str, tenant: str, generator: TakesAdapters) -> None:
        with seat.loading:
            if not seat.loaded:
                folder = self._open(tenant, version)
                generator.load_adapter(self._name(version), folder)
                seat.size = (folder / WEIGHTS).stat().st_size
                seat.loaded = True

    def _give_back(self, versions: Sequence[str], generator: TakesAdapters) -> None:
        with self._guard:
            for version in versions:
                seat = self._seats[version]
                seat.users -= 1
                if not (seat.users or seat.loaded):
                    del self._seats[version]
        self._make_room(generator)

    def _make_room(self, generator: TakesAdapters) -> None:
        """Unload what nobody uses, longest unused first, until the rest is within the limit."""
        with self._guard:
            idle = [v for v, seat in self._seats.items() if seat.loaded and not seat.users]
            for version in idle:
                if sum(seat.size for seat in self._seats.values()) <= self._limit:
                    return
                # Under the guard: nobody can take a new seat of that name before this is done.
                generator.unload_adapter(self._name(version))
                del self._seats[version]


def _told(route: Route, weights: Mapping[str, float]) -> str:
    if not weights:
        return f"adapter {route.adapter}: {route.reason}"
    shares = ", ".join(f"{version} {share:.2f}" for version, share in weights.items())
    return f"adapters by membership: {shares}"
