"""``persona demo``: the whole way of the engine on two made-up people, in a few minutes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persona_engine.cli.groups import Commands
from persona_engine.cli.options import GlobalOptions, JsonOption, SeedOption, options_of
from persona_engine.cli.output import print_json, stdout
from persona_engine.cli.progress import ProgressCallback, console_progress

if TYPE_CHECKING:
    from persona_engine.cli.demo.acts import Act
    from persona_engine.engine import PersonaEngine

TENANT = "persona-demo"
"""Where the two people live unless --tenant says otherwise."""


def register(app: Commands) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    *,
    seed: SeedOption = 0,
    candidates: Annotated[int | None, typer.Option(min=2, help="Replies to choose among.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest reply, in tokens.")] = None,
    json: JsonOption = False,
) -> None:
    """Show how replies come to fit two people with opposite tastes.

    They answer four questions each, one gives a standing instruction, both ask the same; then one
    corrects a reply, exports everything and is forgotten. It happens in a temporary database unless
    --database names one.
    """
    from persona_engine.cli.demo.acts import as_document
    from persona_engine.cli.demo.performance import Performance, Sampling
    from persona_engine.cli.demo.story import load_story

    options = options_of(context)
    sampling = Sampling(seed, candidates, max_tokens)
    tenant = TENANT if options.tenant == "default" else options.tenant
    started = time.perf_counter()
    with console_progress() as progress, _engine(options, progress) as engine:
        engine.ensure_population(tenant=tenant, progress=progress)
        performance = Performance(
            engine, load_story(), tenant=tenant, sampling=sampling, progress=progress
        )
        acts = list(_shown(performance.acts(), silent=json))
        generator = engine.config.generator
    seconds = time.perf_counter() - started
    if json:
        head = {"seed": seed, "tenant": tenant, "generator": generator, "seconds": seconds}
        print_json({**head, **as_document(acts)})
    else:
        stdout().print(f"\n{seconds:.0f} seconds in all.")


@contextmanager
def _engine(options: GlobalOptions, progress: ProgressCallback) -> Iterator[PersonaEngine]:
    """Open the engine on --database, or on a database that vanishes with the demo."""
    if options.database is not None:
        with options.engine(progress) as engine:
            yield engine
        return
    with tempfile.TemporaryDirectory(prefix="persona-demo-") as folder:
        place = {"database": f"sqlite:///{folder}/persona.db", "data_folder": Path(folder)}
        with options.engine(progress, **place) as engine:
            yield engine


def _shown(acts: Iterator[Act], *, silent: bool) -> Iterator[Act]:
    """Pass acts on, each shown first unless it is to be silent."""
    if silent:
        yield from acts
        return
    from persona_engine.cli.demo.stage import Stage

    stage = Stage(stdout())
    for act in acts:
        stage.show(act)
        yield act
