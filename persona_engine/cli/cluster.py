"""``persona cluster``: find groups of users with shared taste."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, SeedOption, options_of
from persona_engine.cli.output import print_json, print_table, stdout
from persona_engine.cli.progress import console_progress

if TYPE_CHECKING:
    from persona_engine.engine import ClusterReport, ClusterSummary

_COLUMNS = ("cluster", "users", "share", "comparisons", "sure", "unsure", "likes")


def register(app: Commands) -> None:
    """Add the command."""
    app.command("cluster")(cluster)


def cluster(
    context: typer.Context,
    *,
    clusterer: Annotated[
        str | None, typer.Option(help="Plugin that finds them; the configured one if omitted.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="PNG to draw users and clusters to.", dir_okay=False)
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Find the tenant's groups of users with shared taste, name them and put them to use."""
    options = options_of(context)
    with console_progress() as progress, options.engine(progress) as engine:
        report = engine.cluster(
            tenant=options.tenant, clusterer=clusterer, plot=plot, seed=seed, progress=progress
        )
    if json:
        print_json(report)
        return
    _print(report)
    if plot is not None:
        stdout().print(f"drawn to {plot}", soft_wrap=True)


def _print(report: ClusterReport) -> None:
    title = (
        f"{len(report.clusters)} clusters of {report.users} users by {report.clusterer}, "
        f"version {report.version}"
    )
    print_table(title, _COLUMNS, _rows(report.clusters), width=110)
    stdout().print("sure: mean membership of a cluster's users; unsure: served by the base model")


def _rows(clusters: Sequence[ClusterSummary]) -> list[tuple[object, ...]]:
    from persona_engine.onboarding import in_words  # loads numpy, which no help needs

    return [
        (
            each.name,
            each.size,
            f"{each.share:.2f}",
            each.comparisons,
            "" if each.sureness is None else f"{each.sureness:.2f}",
            "" if each.unsure is None else f"{each.unsure:.2f}",
            in_words(each.tastes),
        )
        for each in clusters
    ]
