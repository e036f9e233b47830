"""The command ``persona``: its global options and where its commands are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persona_engine.cli import (
    adapters,
    audit,
    chat,
    cluster,
    data,
    db,
    doctor,
    evaluate,
    exploring,
    feedback,
    fit,
    instructions,
    keys,
    mcp,
    onboard,
    plugins,
    profile,
    scale,
    serve,
    steer,
    weights,
)
from persona_engine.cli.demo import command as demo
from persona_engine.cli.exits import EXIT_CODES_HELP
from persona_engine.cli.groups import Commands, RootGroup
from persona_engine.cli.options import GlobalOptions

app = Commands(
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Make a language model's replies fit each person.",
    epilog=EXIT_CODES_HELP,
)
for module in (
    demo,
    chat,
    onboard,
    instructions,
    feedback,
    steer,
    profile,
    data,
    fit,
    scale,
    cluster,
    exploring,
    evaluate,
    plugins,
    doctor,
    serve,
    mcp,
):
    module.register(app)
app.add_typer(weights.app, name="weights")
app.add_typer(db.app, name="db")
app.add_typer(adapters.app, name="adapters")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")


@app.callback()
def set_options(
    context: typer.Context,
    *,
    database: Annotated[
        str | None, typer.Option(help="Store: sqlite:///FILE or postgresql://USER@HOST/NAME.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose users are meant.")] = "default",
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    generator: Annotated[
        str | None, typer.Option(help="Language model, by name or path of its folder.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Make a language model's replies fit each person.

    The options below may also stand after the command.
    """
    context.obj = GlobalOptions(database, tenant, config, generator, debug)
