"""What protects the server: keys, rates, limits, stored answers, headers, the audit trail."""

from __future__ import annotations

from fastapi import FastAPI

from persona_engine.engine import PersonaEngine
from persona_engine.errors import ConfigError
from persona_engine.server.security.keys import Keys
from persona_engine.server.security.loopback import is_loopback
from persona_engine.server.settings import ServerSettings
from persona_engine.store import Store

__all__ = ["check_start", "install"]


def install(app: FastAPI, settings: ServerSettings, engine: PersonaEngine) -> None:
    """Protect an app; to be called once its routes are there."""
    app.state.keys = Keys(engine.store, open_to_loopback=settings.insecure_loopback)


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
