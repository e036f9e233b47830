"""``persona adapters``: list, show, publish, roll back, delete and export adapters of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persona_engine.cli import adapters_train
from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, options_of
from persona_engine.cli.output import jsonable, print_json, print_table, stdout
from persona_engine.cli.progress import console_progress
from persona_engine.errors import NotFoundError

if TYPE_CHECKING:
    from persona_engine.adapters.registry import AdapterRegistry
    from persona_engine.store import AdapterRow

VersionArgument = Annotated[str, typer.Argument(help="Id of the version.", metavar="VERSION")]
_COLUMNS = ("version", "cluster", "base", "status", "trainer", "size", "created", "metrics")
_FEW = 4

app = Commands(no_args_is_help=True, help="The adapters of user clusters, version by version.")
adapters_train.register(app)


@app.command("list")
def list_adapters(
    context: typer.Context,
    *,
    cluster: Annotated[str | None, typer.Option(help="Only those of this cluster.")] = None,
    json: JsonOption = False,
) -> None:
    """List every version: cluster, base, whether it is published, and what it was judged by."""
    with _registry(context) as registry:
        rows = registry.versions(cluster)
    if json:
        print_json({"adapters": rows})
        return
    print_table("Adapters", _COLUMNS, [_cells(row) for row in rows], width=120)


@app.command("show")
def show(context: typer.Context, version: VersionArgument, *, json: JsonOption = False) -> None:
    """Show a version's manifest, once its files are verified against it."""
    with _registry(context) as registry:
        row, manifest = registry.find(version), registry.verify(version)
    if json:
        print_json({"adapter": row, "manifest": manifest})
        return
    fields = {**jsonable(manifest), "version": row.version, "status": _status(row)}
    print_table("Adapter", ("what", "value"), sorted(fields.items()), width=100)


@app.command("publish")
def publish(context: typer.Context, version: VersionArgument, *, json: JsonOption = False) -> None:
    """Put a version to use for its cluster, in place of the one before."""
    with _registry(context) as registry:
        registry.publish(version)
        row = registry.find(version)
    _say(row, f"{version} serves cluster {row.cluster!r} from now on.", json=json)


@app.command("unpublish")
def unpublish(
    context: typer.Context, version: VersionArgument, *, json: JsonOption = False
) -> None:
    """Take a version out of use: the base model serves its cluster."""
    with _registry(context) as registry:
        registry.unpublish(version)
        row = registry.find(version)
    _say(row, f"The base model serves cluster {row.cluster!r} from now on.", json=json)


@app.command("rollback")
def rollback(
    context: typer.Context,
    cluster: Annotated[str, typer.Argument(help="Name of the cluster.", metavar="CLUSTER")],
    *,
    base: Annotated[
        str | None, typer.Option(help="Hash of the base model, where there are several.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Put to use again what was published for a cluster before; again for one further back."""
    with _registry(context) as registry:
        row = registry.rollback(cluster, base=base)
    _say(row, f"{row.version} serves cluster {cluster!r} again.", json=json)


@app.command("delete")
def delete(
    context: typer.Context,
    version: VersionArgument,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Even if it is published: the base model serves then.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Delete a version: its rows and its files."""
    with _registry(context) as registry:
        row = registry.find(version)
        registry.delete(version, force=force)
    _say(row, f"{version} is deleted.", json=json)


@app.command("export")
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where each version gets a folder.")],
    *,
    version: Annotated[
        list[str] | None, typer.Option(help="Which; all that are published if omitted.")
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="The base model as the server knows it; the generator if omitted."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write adapters as vLLM and other multi-LoRA servers load them, one folder for each."""
    options = options_of(context)
    name = base_model or options.settings().generator or ""
    with _registry(context) as registry:
        wanted = version or [row.version for row in registry.versions() if row.published]
        if not wanted:
            raise NotFoundError("no adapter is published", remedy="publish one, or name --version")
        written = {each: registry.export(each, folder, base_model=name) for each in wanted}
    if json:
        print_json({"exported": written, "base_model": name})
        return
    for path in written.values():
        stdout().print(str(path), soft_wrap=True)


@contextmanager
def _registry(context: typer.Context) -> Iterator[AdapterRegistry]:
    options = options_of(context)
    with console_progress() as progress, options.engine(progress) as engine:
        yield engine.adapters(tenant=options.tenant)


def _say(row: AdapterRow, words: str, *, json: bool) -> None:
    if json:
        print_json({"adapter": row})
    else:
        stdout().print(words, soft_wrap=True)


def _cells(row: AdapterRow) -> tuple[object, ...]:
    told = row.meta
    return (
        row.version,
        row.cluster,
        row.base,
        _status(row),
        told.get("trainer", ""),
        f"{told.get('size', 0) / 1e6:.1f} MB",
        f"{row.created_at:%Y-%m-%d %H:%M}",
        _figures(told.get("metrics", {})),
    )


def _status(row: AdapterRow) -> str:
    status = "published" if row.published else "kept"
    return f"{status}, wants training anew" if row.stale else status


def _figures(metrics: dict[str, Any]) -> str:
    """Return the first few numbers in words."""
    numbers = [(name, each) for name, each in metrics.items() if isinstance(each, int | float)]
    return ", ".join(f"{name} {each:.3g}" for name, each in numbers[:_FEW])
