"""``persona import``, ``export`` and ``forget``: a person's data, in, out and gone."""

from __future__ import annotations

import contextlib
import json as jsonlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persona_engine.cli.document import read_document
from persona_engine.cli.exits import FAILURE
from persona_engine.cli.groups import Commands
from persona_engine.cli.options import GlobalOptions, JsonOption, UserOption, options_of
from persona_engine.cli.output import jsonable, print_json, print_table, printable, stderr, stdout
from persona_engine.cli.progress import console_progress
from persona_engine.cli.terminal import confirmed
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.importing import ImportReport
    from persona_engine.types import Receipt


def register(app: Commands) -> None:
    """Add the commands."""
    app.command("import")(import_file)
    app.command("export")(export)
    app.command("forget")(forget)


def import_file(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="An export (.json), or comparisons (.jsonl, .csv, .parquet).")
    ],
    *,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="Whose export it becomes.")
    ] = None,
    format: Annotated[  # noqa: A002
        str | None, typer.Option("--format", help="jsonl, csv or parquet, where no name tells.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Import a person's export, or comparisons of many people.

    Comparisons have user, prompt, chosen, rejected and, if need be, weight, tie, time and id. The
    whole file is checked before anything is written; broken off, the same command goes on, and a
    file that was imported before changes nothing.
    """
    from persona_engine.tables import format_of

    options = options_of(context)
    if format is None and format_of(file) is None:
        count = _import_export(options, file, user)
        told = {"file": file, "kind": "export", "imported": count}
        words = f"Imported {count:,} records from {file}."
    else:
        report = _import_comparisons(options, file, format, user)
        told = {"file": file, "kind": "comparisons", "imported": report.written, "of": report.rows}
        words = f"Imported {report.written:,} comparisons from {file}."
        if report.written < report.rows:
            words += f" {report.rows - report.written:,} were imported before."
    if json:
        print_json(told)
    else:
        stdout().print(words, soft_wrap=True)


def export(
    context: typer.Context,
    *,
    user: UserOption,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; stdout if omitted.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
    json: JsonOption = False,  # noqa: ARG001  # it is JSON in any case
) -> None:
    """Write everything kept about a person as one JSON document."""
    if output is not None and output.exists() and not force:
        raise InvalidInputError(f"{output} is there already", remedy="pass --force to replace it")
    with options_of(context).user(user) as person:
        document = person.export()
    if output is None:
        print_json(document)
        return
    write_document(output, document)
    stderr().print(f"Wrote {output}.", soft_wrap=True)


def forget(
    context: typer.Context,
    *,
    user: UserOption,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Erase a person everywhere and print the receipt."""
    options = options_of(context)
    if not yes:
        _require_consent(user, options.tenant)
    with options.user(user) as person:
        receipt = person.forget()
    if json:
        print_json(receipt)
    else:
        print_receipt(receipt)


def print_receipt(receipt: Receipt) -> None:
    """Print what was erased."""
    rows: list[tuple[str, object]] = [("rows of " + k, n) for k, n in receipt.rows.items() if n]
    rows += [("vectors of index " + name, count) for name, count in receipt.index_vectors.items()]
    rows += [
        ("cached embeddings", receipt.cached_embeddings),
        ("unfinished adapters", receipt.files.get("training", 0)),
        *((f"taken out of {old}", new) for old, new in receipt.corrected.items()),
        ("to be fitted again", ", ".join(receipt.refit) or "nothing"),
        *(("remains", each) for each in receipt.remains),
        ("erased at", receipt.erased_at.isoformat()),
        ("sha256", receipt.sha256),
    ]
    print_table(f"Forgotten: {printable(receipt.user)} ({receipt.tenant})", ("what", ""), rows)


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON to a file that appears whole or not at all.

    Raises:
        InvalidInputError: It cannot be written.
    """
    text = jsonlib.dumps(jsonable(document), ensure_ascii=False, indent=1) + "\n"
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _import_comparisons(
    options: GlobalOptions, file: Path, kind: str | None, user: str | None
) -> ImportReport:
    if user is not None:
        raise InvalidInputError(
            f"--user is {user!r}, but each row of comparisons names its own user",
            remedy="leave --user out",
        )
    with console_progress() as progress, options.engine(progress) as engine:
        return engine.import_file(
            file,
            tenant=options.tenant,
            format=kind,  # type: ignore[arg-type]  # checked where it is read
            progress=progress,
        )


def _import_export(options: GlobalOptions, file: Path, user: str | None) -> int:
    if user is None:
        raise InvalidInputError(
            f"{file} is taken for an export, but --user is missing",
            remedy="pass --user NAME, or name a file of comparisons .jsonl, .csv or .parquet",
        )
    document = read_document(file)
    with options.user(user) as person:
        return person.import_(document)


def _require_consent(user: str, tenant: str) -> None:
    question = f"Erase everything about {printable(user)!r} in tenant {tenant!r} for good?"
    answer = confirmed(question)
    if answer is None:
        raise InvalidInputError("nobody answered", remedy="pass --yes to erase without asking")
    if not answer:
        stderr().print("Nothing was erased.")
        raise typer.Exit(FAILURE)
