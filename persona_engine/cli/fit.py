"""``persona fit``: learn what all users of a tenant share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import GlobalOptions, JsonOption, SeedOption, options_of
from persona_engine.cli.output import jsonable, print_json, print_table
from persona_engine.cli.progress import console_progress
from persona_engine.errors import InvalidInputError

if TYPE_CHECKING:
    from persona_engine.trust import GuardReport

_NAMED = 5
_BURSTS = {
    "simultaneous": "{count} new users came together",
    "alike": "{count} users answered alike beyond chance",
    "sybil": "{count} users came together and answered alike: they count as one",
}


def register(app: Commands) -> None:
    """Add the command."""
    app.command("fit")(fit)


def fit(
    context: typer.Context,
    *,
    default: Annotated[
        bool,
        typer.Option(
            "--default", help="Fit on synthetic users over the question bank, for this generator."
        ),
    ] = False,
    stale: Annotated[
        bool,
        typer.Option(
            "--stale",
            help="Fit again, without them, what learned from people who were forgotten since; for "
            "a schedule.",
        ),
    ] = False,
    vacuum: Annotated[
        bool, typer.Option(help="With --stale: write the database's file anew.")
    ] = True,
    reward_model: Annotated[
        str | None, typer.Option(help="Plugin to fit; the configured one if omitted.")
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Fit a population on the tenant's comparisons and publish it when it is not worse."""
    if default and reward_model is not None:
        raise InvalidInputError(
            "--default fits the configured reward model, not another one",
            remedy='set reward_model in the file that --config names, or leave "--default" out',
        )
    if stale and (default or reward_model is not None):
        raise InvalidInputError(
            "--stale fits the populations in use, whatever they are of",
            remedy="leave --default and --reward-model out",
        )
    options = options_of(context)
    if stale:
        _fit_stale(options, seed=seed, vacuum=vacuum, json=json)
        return
    with console_progress() as progress, options.engine(progress) as engine:
        if default:
            report = engine.fit_default(tenant=options.tenant, seed=seed, progress=progress)
        else:
            report = engine.fit(
                tenant=options.tenant, reward_model=reward_model, seed=seed, progress=progress
            )
    if json:
        print_json(report)
    else:
        fields = jsonable(report)
        fields.pop("guard")
        print_table("Fit", ("figure", "value"), _rows(fields))
        if report.guard is not None:
            _print_guard(report.guard)


def _fit_stale(options: GlobalOptions, *, seed: int, vacuum: bool, json: bool) -> None:
    with console_progress() as progress, options.engine(progress) as engine:
        report = engine.refit_stale(
            tenant=options.tenant, seed=seed, vacuum=vacuum, progress=progress
        )
    if json:
        print_json(report)
        return
    rows: list[tuple[str, object]] = [
        (f"fitted anew: {each.reward_model}", each.population) for each in report.fitted
    ]
    rows += [
        ("withdrawn", ", ".join(report.withdrawn) or "nothing"),
        ("clusters found anew", report.clusters or "none"),
        ("deleted for good", ", ".join(report.dropped) or "nothing"),
        ("adapters to train again", ", ".join(report.adapters) or "none"),
        ("in another feature space", ", ".join(report.elsewhere) or "none"),
        ("database's file written anew", "yes" if report.vacuumed else "no"),
    ]
    print_table("What forgotten people had taught", ("what", ""), rows)


def _print_guard(guard: GuardReport) -> None:
    rows: list[tuple[str, object]] = [
        ("users who had said more than counts", guard.capped),
        ("users who contradict all others", guard.outliers),
        ("these are", ", ".join(guard.names) or "nobody"),
        ("largest share of one user", f"{guard.largest_share:.1%}"),
    ]
    for each in guard.bursts:
        began = datetime.fromtimestamp(each.began, UTC)
        who = ", ".join(each.names[:_NAMED]) + (" …" if each.users > _NAMED else "")
        rows.append(
            (
                _BURSTS[each.kind].format(count=each.users),
                f"{who}; from {began:%Y-%m-%d %H:%M:%S} UTC on, within {each.seconds:.0f} s",
            )
        )
    print_table("Guard against few who shape what all share", ("what", ""), rows)


def _rows(fields: Mapping[str, object]) -> list[tuple[str, object]]:
    return [
        (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else value)
        for name, value in fields.items()
    ]
