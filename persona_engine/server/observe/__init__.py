"""Metrics and traces of a server, for whom its operator names and for nobody else."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response

from persona_engine.errors import ConfigError
from persona_engine.observing import SILENT, Attribute, Observer
from persona_engine.server.observe.metrics import Metrics, shared_by_workers
from persona_engine.server.observe.requests import PAGE, WatchRequests
from persona_engine.server.observe.traces import Traces, configured
from persona_engine.server.security.loopback import from_loopback, is_loopback

if TYPE_CHECKING:
    from persona_engine.engine import PersonaEngine
    from persona_engine.server.settings import ServerSettings

__all__ = ["Metrics", "Traces", "install", "shared_by_workers", "watch"]


def install(app: FastAPI, settings: ServerSettings, engine: PersonaEngine) -> None:
    """Observe an engine and its server as the settings say; without any, do nothing at all.

    Args:
        app: The server; it answers ``/metrics`` where metrics are on.
        settings: ``metrics``, ``metrics_token``, ``otlp_endpoint`` and ``observe_tenants``.
        engine: Whose steps are told.

    Raises:
        ConfigError: A setting cannot be used.
        MissingExtraError: What a setting needs is not installed.
    """
    tenants = settings.observe_tenants
    token = settings.metrics_token
    if settings.metrics and token is None and not is_loopback(settings.host):
        raise ConfigError(
            f"metrics are on and host is {settings.host!r}, which others can reach",
            remedy="set metrics_token to a secret that Prometheus sends as bearer token",
        )
    watch(
        app,
        engine,
        metrics=Metrics(by_tenant=tenants) if settings.metrics else None,
        traces=configured(settings.otlp_endpoint, tenants=tenants),
        token=None if token is None else token.get_secret_value(),
    )


def watch(
    app: FastAPI,
    engine: PersonaEngine,
    *,
    metrics: Metrics | None = None,
    traces: Traces | None = None,
    token: str | None = None,
) -> None:
    """Tell these observers of an engine's steps and of a server's requests.

    Args:
        app: The server.
        engine: Its engine.
        metrics: Counts and times, or None.
        traces: Spans, or None.
        token: What ``/metrics`` wants to hear as bearer token; None for nothing, but then it
            answers this machine alone.
    """
    observers: list[Observer] = [each for each in (metrics, traces) if each is not None]
    if not observers:
        return
    app.add_middleware(WatchRequests, metrics=metrics, traces=traces)
    engine.observe(observers[0] if len(observers) == 1 else Several(*observers))
    _close_with(app, engine, traces)
    if metrics is not None:
        _serve(app, metrics, token)


class Several:
    """Tells several observers."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def span(self, step: str, **attributes: Attribute) -> Iterator[None]:
        """Give a span of each."""
        with ExitStack() as spans:
            for each in self._observers:
                spans.enter_context(each.span(step, **attributes))
            yield

    def took(self, step: str, seconds: float, **attributes: Attribute) -> None:
        """Tell each."""
        for each in self._observers:
            each.took(step, seconds, **attributes)

    def count(self, what: str, amount: float = 1, **attributes: Attribute) -> None:
        """Tell each."""
        for each in self._observers:
            each.count(what, amount, **attributes)


def _serve(app: FastAPI, metrics: Metrics, token: str | None) -> None:
    def page(request: Request) -> Response:
        if not _may_read(request, token):
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        content, kind = metrics.page()
        return Response(content, headers={"content-type": kind, "cache-control": "no-store"})

    app.add_api_route(PAGE, page, include_in_schema=False)


def _may_read(request: Request, token: str | None) -> bool:
    if token is None:
        return from_loopback(request)
    shown = request.headers.get("authorization", "")
    return hmac.compare_digest(shown.encode(), f"Bearer {token}".encode())


def _close_with(app: FastAPI, engine: PersonaEngine, traces: Traces | None) -> None:
    """Send what is left when the server ends."""
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with before(app) as state:
            try:
                yield state
            finally:
                engine.observe(SILENT)
                if traces is not None:
                    traces.close()

    app.router.lifespan_context = lifespan
