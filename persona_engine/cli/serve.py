"""``persona serve``: the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import GlobalOptions, options_of
from persona_engine.cli.output import stdout
from persona_engine.errors import MissingExtraError

if TYPE_CHECKING:
    from persona_engine.server import ServerSettings


def register(app: Commands) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 8080. 0 takes any.", min=0, max=65_535)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes over one database; 1.", min=1, max=64)
    ] = None,
    insecure_loopback: Annotated[
        bool | None,
        typer.Option("--insecure-loopback", help="Ask for no key; on loopback addresses only."),
    ] = None,
) -> None:
    """Serve OpenAI's chat API, personal for each `user`, and all of the engine as REST.

    Requests need a key of `persona keys create`. SIGTERM or Ctrl-C ends it once what runs is
    finished. Further settings stand in the table [server] of --config, or in PERSONA_SERVER_…
    """
    try:
        from persona_engine.server.process import serve as serve_until_told
    except ImportError as error:
        raise MissingExtraError(
            f"the server's packages are not installed ({error})",
            remedy="pip install 'persona-engine[server]'",
        ) from error
    options = options_of(context)
    settings = _settings(
        options, host=host, port=port, workers=workers, insecure_loopback=insecure_loopback
    )
    serve_until_told(
        options.settings(),
        settings,
        listening=lambda address: stdout().print(f"Serving on {address}", soft_wrap=True),
    )


def _settings(options: GlobalOptions, **given: object) -> ServerSettings:
    from persona_engine.server import ServerSettings

    values: dict[str, Any] = {name: each for name, each in given.items() if each is not None}
    if options.config is not None:
        return ServerSettings.from_toml(options.config, **values)
    return ServerSettings(**values)
