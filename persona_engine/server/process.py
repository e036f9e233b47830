"""Server processes: one, or several that share a port and a database."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from persona_engine.config import EngineConfig
from persona_engine.engine import PersonaEngine
from persona_engine.errors import ConfigError
from persona_engine.server import security
from persona_engine.server.app import create_app
from persona_engine.server.observe import shared_by_workers
from persona_engine.server.security.log_redaction import configure_logs
from persona_engine.server.settings import ServerSettings

logger = logging.getLogger("persona_engine.server")

_BACKLOG = 2048
_IDLE = 30  # seconds that a connection is kept; longer than clients keep theirs
_HUNG = 60  # seconds without a sign of life after which a process is replaced

OnListening = Callable[[str], None]


def serve(config: EngineConfig, settings: ServerSettings, *, listening: OnListening) -> None:
    """Serve until told to stop by SIGTERM or SIGINT; what runs then is finished.

    Args:
        config: Of the engine of each process.
        settings: Of the server.
        listening: Called with the server's address, before it answers; `/ready` says when it does.

    Raises:
        ConfigError: Nobody could be authenticated, or the address cannot be listened on.
        StoreUnavailableError: The database cannot be opened.
    """
    config = _sharing(config, settings)
    configure_logs()
    engine = PersonaEngine(config=config)  # also migrates, before several processes look
    with engine:
        security.check_start(settings, engine.store)
        listener = _listen(settings)
        host, port = listener.getsockname()[:2]
        listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        if settings.workers == 1:
            server = uvicorn.Server(_uvicorn(create_app(engine, settings), settings))
            with _surviving_signals():
                server.run(sockets=[listener])
            return
    listener.set_inheritable(True)
    # Processes are spawned: each makes an engine of its own.
    several = _uvicorn(partial(_worker, config, settings), settings, factory=True)
    with shared_by_workers(settings.metrics):
        Multiprocess(several, sockets=[listener]).run()


def _sharing(config: EngineConfig, settings: ServerSettings) -> EngineConfig:
    """Have replies that are generated at the same time read by one network pass a token."""
    if "batch_rows" in config.model_fields_set:
        return config
    return config.model_copy(update={"batch_rows": settings.batch_rows})


@contextmanager
def _surviving_signals() -> Iterator[None]:
    """Have the signals that end a server, which it raises again at its end, end it well."""
    ending = (signal.SIGTERM, signal.SIGINT)
    before = {each: signal.signal(each, lambda *_: None) for each in ending}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _worker(config: EngineConfig, settings: ServerSettings) -> FastAPI:
    configure_logs()
    engine = PersonaEngine(config=config)
    return create_app(engine, settings, closing=engine.close)


def _uvicorn(app: object, settings: ServerSettings, *, factory: bool = False) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # an app, or what makes one
        factory=factory,
        workers=settings.workers,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=round(settings.shutdown_seconds),
        timeout_worker_healthcheck=_HUNG,
    )


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)  # whoever comes while the server starts waits
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {settings.host!r}, port {settings.port}: {error}",
            remedy="choose another --host or --port; port 0 takes any that is free",
        ) from error
    return listener
