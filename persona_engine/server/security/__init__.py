"""What protects the server: keys, rates, limits, stored answers, headers, the audit trail."""

from __future__ import annotations

from fastapi import FastAPI

from persona_engine.engine import PersonaEngine
from persona_engine.errors import ConfigError
from persona_engine.server.security.audit import AuditRequests, AuditTrail
from persona_engine.server.security.headers import SecurityHeaders
from persona_engine.server.security.idempotency import Idempotent
from persona_engine.server.security.keys import Keys
from persona_engine.server.security.limits import BodyLimit
from persona_engine.server.security.loopback import is_loopback
from persona_engine.server.security.rates import RateLimits
from persona_engine.server.security.request_ids import RequestIds
from persona_engine.server.security.sessions import ConsoleSessions
from persona_engine.server.security.unforeseen import Unforeseen
from persona_engine.server.settings import ServerSettings
from persona_engine.store import Store

__all__ = ["check_start", "close", "install"]


def install(app: FastAPI, settings: ServerSettings, engine: PersonaEngine) -> None:
    """Protect an app: give it what routes ask for, and put the middleware around it."""
    sessions = ConsoleSessions(
        engine.store, seconds=settings.session_hours * 3600.0, https=settings.https
    )
    app.state.sessions = sessions
    app.state.keys = Keys(
        engine.store,
        sessions=sessions,
        rates=RateLimits(engine.store, per_minute=settings.requests_per_minute),
        open_to_loopback=settings.insecure_loopback,
    )
    app.state.trail = AuditTrail(engine.store)
    _add_middleware(app, settings, engine.store)


async def close(app: FastAPI) -> None:
    """Have the audit trail whole; to be awaited when no request runs any more."""
    trail: AuditTrail = app.state.trail
    await trail.drained()


def _add_middleware(app: FastAPI, settings: ServerSettings, store: Store) -> None:
    """Add it from the inside out."""
    app.add_middleware(Unforeseen)
    app.add_middleware(Idempotent, store=store, seconds=settings.idempotency_hours * 3600.0)
    app.add_middleware(AuditRequests, trail=app.state.trail)
    app.add_middleware(
        BodyLimit,
        most=settings.most_body_bytes,
        most_imported=settings.most_import_bytes,
        seconds=settings.body_seconds,
    )
    app.add_middleware(SecurityHeaders, https=settings.https, embedded_by=settings.embed_origins)
    app.add_middleware(RequestIds)


def check_start(settings: ServerSettings, store: Store) -> None:
    """Refuse to serve without authentication, but on loopback where it was asked for.

    Raises:
        ConfigError: The server would be open to others than this machine, or nobody could call it.
    """
    if settings.insecure_loopback:
        if not is_loopback(settings.host):
            raise ConfigError(
                f"--insecure-loopback with host {settings.host!r}, which others can reach",
                remedy="leave out --insecure-loopback and make keys, or listen on 127.0.0.1",
            )
    elif not store.api_keys.any_live():
        raise ConfigError(
            "no key exists that is valid, so nobody could call the server",
            remedy="make one with `persona keys create NAME --scope chat`; on your own machine "
            "`persona serve --insecure-loopback` needs none",
        )
