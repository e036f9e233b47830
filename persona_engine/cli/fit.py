"""``persona fit``: learn what all users of a tenant share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, SeedOption, options_of
from persona_engine.cli.output import jsonable, print_json, print_table
from persona_engine.cli.progress import console_progress
from persona_engine.errors import InvalidInputError


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
    options = options_of(context)
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
        print_table("Fit", ("figure", "value"), _rows(jsonable(report)))


def _rows(fields: Mapping[str, object]) -> list[tuple[str, object]]:
    return [
        (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else value)
        for name, value in fields.items()
    ]
