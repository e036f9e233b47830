"""``persona db``: the schema of the database and whether what it holds is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from persona_engine.cli.exits import EXIT_CODES
from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, options_of
from persona_engine.cli.output import print_json, stdout
from persona_engine.errors import SchemaVersionError, StoreError

if TYPE_CHECKING:
    from persona_engine.store import SchemaStatus

app = Commands(no_args_is_help=True, help="Upgrade and check the database.")


@app.command("upgrade")
def upgrade_database(context: typer.Context, *, json: JsonOption = False) -> None:
    """Bring the database to the schema of this version, keeping its data."""
    from persona_engine.store import schema_status, upgrade

    url = options_of(context).settings().database
    before = schema_status(url)
    upgrade(url)
    after = schema_status(url)
    if json:
        print_json({**_fields(after), "before": before.revision})
    elif before.current:
        stdout().print(f"{after.where} is at {after.revision} already.", soft_wrap=True)
    else:
        was = before.revision or "empty"
        stdout().print(f"{after.where}: {was} -> {after.revision}", soft_wrap=True)


@app.command("status")
def print_status(context: typer.Context, *, json: JsonOption = False) -> None:
    """Print the schema that the database has and the one that this version needs."""
    from persona_engine.store import schema_status

    status = schema_status(options_of(context).settings().database)
    if json:
        print_json(_fields(status))
        return
    stdout().print(status.where, soft_wrap=True)
    stdout().print(f"schema {status.revision or 'none'}, this version needs {status.head}")
    if not status.current:
        stdout().print("Bring it there with `persona db upgrade`.")


@app.command("check")
def check(context: typer.Context, *, json: JsonOption = False) -> None:
    """Check that what the database holds is sound; exit code 5 when it is not."""
    from persona_engine.store import Store, schema_status

    url = options_of(context).settings().database
    status = schema_status(url)
    if not status.current:
        raise SchemaVersionError(
            f"{status.where} has schema {status.revision or 'none'}, expected {status.head}",
            remedy="run `persona db upgrade`",
        )
    with Store(url) as store:
        faults = store.check()
    if json:
        print_json({"database": status.where, "sound": not faults, "faults": faults})
    else:
        for line in faults or (f"{status.where} is sound.",):
            stdout().print(line, soft_wrap=True)
    if faults:
        raise typer.Exit(dict(EXIT_CODES)[StoreError])


@app.command("vacuum")
def vacuum(context: typer.Context, *, json: JsonOption = False) -> None:
    """Write the database anew, so that its files hold nothing that was deleted."""
    from persona_engine.store import Store

    with Store(options_of(context).settings().database) as store:
        clean = store.vacuum()
    if json:
        print_json({"vacuumed": clean})
    elif clean:
        stdout().print("The database was written anew.")
    else:
        stdout().print("Written anew, but others still read the old: run it again later.")


def _fields(status: SchemaStatus) -> dict[str, object]:
    return {
        "database": status.where,
        "revision": status.revision,
        "head": status.head,
        "current": status.current,
    }
