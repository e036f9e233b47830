"""``persona infer`` and ``persona reencode``: what is done for all users at once."""

from __future__ import annotations

from typing import Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, SeedOption, options_of
from persona_engine.cli.output import jsonable, print_json, print_table
from persona_engine.cli.progress import console_progress


def register(app: Commands) -> None:
    """Add the commands."""
    app.command("infer")(infer)
    app.command("reencode")(reencode)


def infer(context: typer.Context, *, json: JsonOption = False) -> None:
    """Build everybody's posterior at once, where it is missing or late.

    After `persona import` or `persona fit`: without it each is built when it is first needed.
    """
    options = options_of(context)
    with console_progress() as progress, options.engine(progress) as engine:
        report = engine.infer_all(tenant=options.tenant, progress=progress)
    _tell("Inferred", report, json=json)


def reencode(
    context: typer.Context,
    *,
    to_generator: Annotated[
        str | None, typer.Option(help="Language model of the new space, by name or folder.")
    ] = None,
    to_feature_encoder: Annotated[
        str | None, typer.Option(help="Plugin that gives features in the new space.")
    ] = None,
    to_sentence_encoder: Annotated[
        str | None, typer.Option(help="Sentence encoder of the new space, by name or folder.")
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Fill another model's feature space while the present one serves.

    Texts are encoded, a population is fitted and posteriors inferred there. Broken off, the same
    command goes on. Afterwards set what was named here in the settings.
    """
    options = options_of(context)
    with console_progress() as progress, options.engine(progress) as engine:
        report = engine.reencode(
            generator=to_generator,
            feature_encoder=to_feature_encoder,
            sentence_encoder=to_sentence_encoder,
            tenant=options.tenant,
            seed=seed,
            progress=progress,
        )
    _tell("Ready in the other feature space", report, json=json)


def _tell(title: str, report: object, *, json: bool) -> None:
    if json:
        print_json(report)
        return
    rows = [
        (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else value)
        for name, value in jsonable(report).items()
    ]
    print_table(title, ("figure", "value"), rows)
