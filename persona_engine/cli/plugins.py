"""``persona plugins``: what is installed, and why something is not active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, options_of
from persona_engine.cli.output import print_json, print_table

if TYPE_CHECKING:
    from persona_engine.plugins import PluginRecord

_COLUMNS = ("name", "kind", "version", "distribution", "status", "reason")


def register(app: Commands) -> None:
    """Add the command."""
    app.command("plugins")(list_plugins)


def list_plugins(
    context: typer.Context,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail with exit code 7 when a plugin failed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List every plugin: name, kind, version, distribution, status, and why it failed."""
    from persona_engine.plugins import discover

    settings = options_of(context).settings()
    found = discover(blocked=settings.blocked_plugins, strict=strict or settings.strict_plugins)
    rows = [_row(record) for record in found.records]
    if json:
        print_json({"plugins": rows})
        return
    print_table("Plugins", _COLUMNS, [[row[name] for name in _COLUMNS] for row in rows])


def _row(record: PluginRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _COLUMNS}
