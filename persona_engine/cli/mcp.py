"""``persona mcp``: the engine for assistants that speak the Model Context Protocol."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import options_of
from persona_engine.cli.output import stderr
from persona_engine.cli.progress import console_progress
from persona_engine.errors import ConfigError, MissingExtraError

KEY = "PERSONA_KEY"


def register(app: Commands) -> None:
    """Add the command."""
    app.command("mcp")(mcp)


def mcp(
    context: typer.Context,
    *,
    user: Annotated[
        str | None,
        typer.Option("--user", "-u", help="The one person it is for; else each call names one."),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP, each request with a key of its own.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on. 0 takes any.", min=0, max=65_535)
    ] = 8081,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Name that clients may call it by over HTTP; repeatable."),
    ] = None,
    per_minute: Annotated[
        int, typer.Option(help="Calls a minute of keys without a limit of their own.", min=1)
    ] = 600,
) -> None:
    """Serve wishes and tastes to an assistant: over stdio, with the key in PERSONA_KEY.

    A key of `persona keys create` says what the assistant may do: chat tells what to keep to,
    feedback keeps instructions and preferences, admin forgets people, too.
    """
    try:
        from persona_engine.integrations.mcp.serve import serve_http, serve_stdio
    except ImportError as error:
        raise MissingExtraError(
            f"the MCP SDK is not installed ({error})",
            remedy="pip install 'persona-engine[mcp]'",
        ) from error
    if http and user is not None:
        raise ConfigError(
            f"--user {user} with --http, where each call names its person",
            remedy="leave out --user, or serve over stdio",
        )
    secret = os.environ.get(KEY, "")
    if not http and not secret:
        raise ConfigError(
            f"{KEY} is not set, so nobody knows what this assistant may do",
            remedy=f"make a key with `persona keys create NAME --scope feedback`, and set {KEY}",
        )
    with console_progress() as progress, options_of(context).engine(progress) as engine:
        if not http:
            serve_stdio(engine, secret, user=user)
            return
        serve_http(
            engine,
            host=host,
            port=port,
            hosts=tuple(allowed_host or ()),
            per_minute=per_minute,
            listening=lambda address: stderr().print(f"Serving on {address}", soft_wrap=True),
        )
