"""The adapters of one engine: a registry for each tenant, their routing and their serving."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from persona_engine.adapters.registry import AdapterRegistry
from persona_engine.adapters.routing import Route, Router
from persona_engine.adapters.serving import AdapterServer, Served
from persona_engine.belief import Belief
from persona_engine.interfaces import Clusterer, Generator, WeighsAdapters
from persona_engine.store import Store


class Adapters:
    """Registers, routes and serves the adapters of user clusters.

    Args:
        store: Where their rows are.
        folder: Where their files are.
        clusterer: Makes a clusterer by its plugin's name.
        base: Returns the hash of the model that adapters must be for.
        confidence: Least membership at which a user is served by a cluster's adapter.
        memory: Most bytes of adapters in the generator's memory.
        refresh_seconds: How long what is published may be remembered.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        clusterer: Callable[[str], Clusterer],
        base: Callable[[], str],
        confidence: float,
        memory: int,
        refresh_seconds: float,
    ) -> None:
        self._store = store
        self._folder = folder
        self._base = base
        self._router = Router(
            store,
            clusterer=clusterer,
            base=base,
            confidence=confidence,
            refresh_seconds=refresh_seconds,
        )
        self._server = AdapterServer(self._open, limit=memory)

    def registry(self, tenant: str) -> AdapterRegistry:
        """Return a tenant's registry; what it publishes is served at once."""
        return AdapterRegistry(
            self._store.tenant(tenant),
            self._folder,
            changed=lambda: self._router.forget(tenant),
        )

    def route(self, tenant: str, belief: Callable[[], Belief | None]) -> Route:
        """Return a user's adapter, or why they have none; see `Router.route`."""
        return self._router.route(tenant, belief)

    def serving(
        self, route: Route, tenant: str, generator: Generator, decoder: object
    ) -> AbstractContextManager[Served]:
        """Have a route's adapter in memory while a decoder makes a reply.

        One that adds up adapters (`WeighsAdapters`) has all of the route's; see
        `AdapterServer.serving`.
        """
        weighed = isinstance(decoder, WeighsAdapters) and decoder.weighs_adapters
        return self._server.serving(route, tenant, generator, weighed=weighed)

    @property
    def base(self) -> str:
        """Hash of the model that adapters must be for."""
        return self._base()

    def _open(self, tenant: str, version: str) -> Path:
        return self.registry(tenant).open(version, base=self._base())
