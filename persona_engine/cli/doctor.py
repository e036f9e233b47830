"""``persona doctor``: is everything in order, and how to mend what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from persona_engine.cli.exits import FAILURE
from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, options_of
from persona_engine.cli.output import print_json, print_table
from persona_engine.cli.progress import console_progress

if TYPE_CHECKING:
    from persona_engine.engine import Check


def register(app: Commands) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(context: typer.Context, *, json: JsonOption = False) -> None:
    """Check weights, database, migrations, indexes and plugins; exit code 1 when one is bad."""
    options = options_of(context)
    with console_progress() as progress, options.engine(progress) as engine:
        checks = engine.doctor(tenant=options.tenant)
    bad = [each for each in checks if not each.ok]
    if json:
        print_json({"ok": not bad, "checks": checks})
    else:
        _print_checks(checks)
    if bad:
        raise typer.Exit(FAILURE)


def _print_checks(checks: tuple[Check, ...]) -> None:
    rows = [
        (each.name, "ok" if each.ok else "BAD", each.detail, each.remedy or "") for each in checks
    ]
    print_table("Doctor", ("check", "", "finding", "to mend it"), rows)
