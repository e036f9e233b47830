"""``persona adapters train``: train, judge and publish the adapters of user clusters."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, SeedOption, options_of
from persona_engine.cli.output import print_json, print_table, stderr, stdout
from persona_engine.cli.progress import console_progress
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.engine import AdapterReport

_COLUMNS = ("cluster", "status", "version", "accuracy", "wins", "independent", "KL", "neutral")
_ALL = "all"


def register(app: Commands) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    context: typer.Context,
    *,
    cluster: Annotated[
        str, typer.Option(help="Name of the cluster, or `all`.", metavar="NAME|all")
    ] = _ALL,
    loss: Annotated[
        str | None,
        typer.Option(
            help="Plugin that trains: tangent, dpo, ipo, robust_dpo, sppo, kto, raft … "
            "[default: tangent; dpo with --worst-group]"
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of the plugin, such as margin=40, or of the plan, such as limits.kl=2.",
        ),
    ] = None,
    worst_group: Annotated[
        bool,
        typer.Option("--worst-group", help="Weigh parts of a cluster by how badly they fare."),
    ] = False,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Train an adapter for each cluster, and publish those that beat the base model.

    Broken off, the same command goes on where it stood; what is finished is not done again.
    """
    settings, changes = _told(set_ or ())
    if worst_group:
        settings["worst_group"] = True
    options = options_of(context)
    with console_progress() as progress, options.engine(progress) as engine, _resumable():
        from persona_engine.engine import AdapterPlan

        reports = engine.train_adapters(
            tenant=options.tenant,
            cluster=None if cluster == _ALL else cluster,
            loss=loss or ("dpo" if worst_group else "tangent"),
            settings=settings,
            plan=AdapterPlan().changed(changes),
            seed=seed,
            progress=progress,
        )
    if json:
        print_json({"adapters": [each.as_json() for each in reports]})
        return
    print_table("Adapters", _COLUMNS, [_cells(each) for each in reports], width=120)
    for each in reports:
        stdout().print(f"{each.cluster}: {each.reason}", soft_wrap=True)


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        stderr().print("\nThe same command goes on from here.")
        raise


def _told(settings: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is set of the plugin, and of the plan: its names have a dot.

    Examples:
        >>> _told(["margin=40", "limits.kl=2", "target=attention", "judge=attributes"])
        ({'margin': 40, 'target': 'attention'}, {'limits.kl': 2, 'judge': 'attributes'})
    """
    plugin: dict[str, Any] = {}
    plan: dict[str, Any] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"--set {each!r}, expected KEY=VALUE, such as margin=40")
        of_plan = "." in name or name == "judge"
        (plan if of_plan else plugin)[name] = _value(value)
    return plugin, plan


def _value(text: str) -> object:
    """Return a number, truth value or null as such, and anything else as text."""
    try:
        found = json_module.loads(text)
    except ValueError:
        return text
    return text if isinstance(found, str) else found


def _cells(report: AdapterReport) -> tuple[object, ...]:
    figures = report.figures
    status = "published" if report.published else "not published"
    if figures is None:
        return (report.cluster, status, report.version or "", *[""] * (len(_COLUMNS) - 3))
    return (
        report.cluster,
        status,
        report.version,
        f"{figures.accuracy:.3f} (base {figures.base_accuracy:.3f})",
        f"{figures.wins.value:.2f}",
        f"{figures.independent_wins.value:.2f}",
        f"{figures.kl:.2f}",
        f"{figures.neutral:.3f}",
    )
