"""Runs an MCP server over stdio, for the program that started it, or over HTTP, for many."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from persona_engine.engine import PersonaEngine
from persona_engine.errors import ConfigError
from persona_engine.integrations.mcp.access import BearerKeys, OneKey
from persona_engine.integrations.mcp.server import create_server

PATH = "/mcp"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHUTDOWN_SECONDS = 10


def serve_stdio(engine: PersonaEngine, secret: str, *, user: str | None = None) -> None:
    """Serve whoever holds the other ends of stdin and stdout, until they close.

    Args:
        engine: Knows the people.
        secret: Of the key that says what may be done.
        user: The one person that it is for; None where each call names one.

    Raises:
        ConfigError: It is no key, or has expired or been revoked.
        ScopeError: ``user`` is not a name of 1 to 256 characters.
    """
    create_server(engine, OneKey(engine.store.api_keys, secret), user=user).run("stdio")


def serve_http(
    engine: PersonaEngine,
    *,
    host: str = "127.0.0.1",
    port: int = 8081,
    hosts: tuple[str, ...] = (),
    per_minute: int | None = None,
    listening: Callable[[str], None],
) -> None:
    """Serve requests that show a key in ``Authorization: Bearer …``, until told to stop.

    Every request stands for itself, so that several processes may serve behind one address.

    Args:
        engine: Knows the people.
        host: Address to listen on.
        port: Port to listen on; 0 for any that is free.
        hosts: Names that clients may call it by, as in their header ``Host``, such as
            ``mcp.example.org`` or ``mcp.example.org:*``; by the loopback names alone if empty.
        per_minute: Calls a minute of keys that have no limit of their own; None for no limit.
        listening: Called with the server's address, once it can be connected to.

    Raises:
        ConfigError: The address cannot be listened on, or it is no loopback address and ``hosts``
            is empty.
    """
    if host not in _LOOPBACK and not hosts:
        raise ConfigError(
            f"host is {host!r}, but no name is given that clients may call it by",
            remedy="name it, such as --allowed-host mcp.example.org",
        )
    app = create_server(
        engine, BearerKeys(engine.store.api_keys), per_minute=per_minute
    ).streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        transport_security=_security(hosts) if hosts else None,
        host=host,
    )
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    with _listener(host, port) as listener:
        where, bound = listener.getsockname()[:2]
        listening(f"http://{f'[{where}]' if ':' in where else where}:{bound}{PATH}")
        uvicorn.Server(config).run(sockets=[listener])


def _security(hosts: tuple[str, ...]) -> TransportSecuritySettings:
    origins = [f"{scheme}://{each}" for each in hosts for scheme in ("http", "https")]
    return TransportSecuritySettings(allowed_hosts=list(hosts), allowed_origins=origins)


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host!r}, port {port}: {error}",
            remedy="choose another --host or --port; port 0 takes any that is free",
        ) from error
    return listener
