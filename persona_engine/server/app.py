"""The ASGI application of one engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from persona_engine import __version__
from persona_engine.engine import PersonaEngine
from persona_engine.errors import PersonaError
from persona_engine.server import console, observe, problems, security
from persona_engine.server.document import Described
from persona_engine.server.paths import EncodedSlashes
from persona_engine.server.routes import ROUTERS
from persona_engine.server.settings import ServerSettings
from persona_engine.server.work import Work

logger = logging.getLogger("persona_engine.server")


def create_app(
    engine: PersonaEngine,
    settings: ServerSettings | None = None,
    *,
    closing: Callable[[], None] | None = None,
) -> FastAPI:
    """Return the server of an engine, for any ASGI server.

    Args:
        engine: It stays the caller's, who closes it once the app has shut down.
        settings: From the environment if omitted.
        closing: Called when the app has shut down and all its work is done.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with PersonaEngine(f"sqlite:///{folder}/persona.db") as engine:
        ...         app = create_app(engine, ServerSettings(insecure_loopback=True))
        >>> app.title
        'persona_engine'
    """
    settings = ServerSettings() if settings is None else settings
    app = Described(
        title="persona_engine",
        version=__version__,
        docs_url=None,  # these pages take scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan(closing),
    )
    app.state.engine = engine
    app.state.settings = settings
    app.state.work = Work(settings, engine.observer)
    app.state.unready = "the model is being loaded"
    problems.install(app)
    for router in (*ROUTERS, *console.ROUTERS):
        app.include_router(router)
    app.add_middleware(EncodedSlashes)
    security.install(app, settings, engine)
    observe.install(app, settings, engine)
    return app


def _lifespan(
    closing: Callable[[], None] | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = threading.Thread(target=_load, args=(app,), name="persona-load", daemon=True)
        loading.start()
        try:
            yield
        finally:
            await security.close(app)
            await asyncio.to_thread(_finish, app, loading, closing)

    return lifespan


def _load(app: FastAPI) -> None:
    """Have the model in memory before the first request needs it."""
    try:
        if app.state.settings.preload:
            app.state.engine.warm_up()
    except PersonaError as error:
        logger.error("the engine is not ready: %s", error)
        app.state.unready = error.message
        return
    app.state.unready = None


def _finish(app: FastAPI, loading: threading.Thread, closing: Callable[[], None] | None) -> None:
    app.state.unready = "the server is shutting down"
    app.state.work.close()
    loading.join()
    if closing is not None:
        closing()
