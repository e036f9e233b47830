"""``persona evaluate``: judge reward models on your own comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from persona_engine.cli.bench import Bench
from persona_engine.cli.groups import Commands
from persona_engine.cli.options import JsonOption, options_of
from persona_engine.cli.output import print_json, print_table, printable, stderr
from persona_engine.cli.progress import console_progress
from persona_engine.errors import InvalidInputError, MissingExtraError, PersonaError

if TYPE_CHECKING:
    from persona_engine.evaluation import Dataset, Outcome, Protocol
    from persona_engine.evaluation.report import Row
    from persona_engine.plugins import Plugins

POOLED = "bradley_terry"
ALL = "all"
_COLUMNS = ("method", "shots", "accuracy", "nll", "ece", "w10%", "wgrp", "adapt", "fit", "n")
_FORMATS = {
    "nll": ".3f",
    "ece": ".3f",
    "worst_decile": ".3f",
    "worst_group": ".3f",
    "adapt_ms": ".3g",
    "fit_s": ".3g",
    "users": ".0f",
}
_LEGEND = """\
accuracy ± standard error over seeds; w10%, wgrp: accuracy of the worst tenth of people and of the
worst group; adapt: CPU milliseconds to learn a new person; fit: seconds; n: people"""
_WIDTH = 110


MoreMethodsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="METHOD", help="More methods, after --method."),
]
ComparisonsOption = Annotated[
    Path | None,
    typer.Option(
        help="JSON lines {user, prompt, chosen, rejected}; optional weight, tie, group, time."
    ),
]
VotesOption = Annotated[
    Path | None,
    typer.Option(help="JSON lines {user, item, vote} or {user, a, b, label}; with --items."),
]
ItemsOption = Annotated[Path | None, typer.Option(help="JSON lines {item, text}.")]
GroupsOption = Annotated[
    Path | None, typer.Option(help="JSON lines {user, group}, for the worst group.")
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option(help="Reward models by name, or all; the configured one if omitted."),
]
EncoderOption = Annotated[
    str | None, typer.Option(help="hidden-state (default), sentence, or NAME+item.")
]
FeaturesOption = Annotated[
    Path | None,
    typer.Option(
        help="NumPy archive: ids or texts, features; optionally prompts, prompt_texts and "
        "prompt_features."
    ),
]
ShotsOption = Annotated[str, typer.Option(help="Comparisons of a new person.")]
SeedsOption = Annotated[
    int | None, typer.Option(help="Repetitions; 3, and 1 for leave-group-out.", min=1)
]
DisjointOption = Annotated[
    Literal["items", "prompts"] | None,
    typer.Option(help="Ask about other texts, or prompts, than were learned from."),
]
ProtocolOption = Annotated[
    Literal["few-shot", "leave-group-out"], typer.Option(help="Who or what is predicted.")
]
FoldsOption = Annotated[int | None, typer.Option(help="Leave only so many groups out.", min=1)]
MinComparisonsOption = Annotated[
    int,
    typer.Option(help="Judge people with at least so many, for equal people at all shots.", min=1),
]
TiesOption = Annotated[
    Literal["drop", "half"] | None,
    typer.Option(
        help="Leave ties out (few-shot), or learn half a preference each way (leave-group-out)."
    ),
]
OutOption = Annotated[Path, typer.Option(help="Folder of results, pictures and what is done.")]


def register(app: Commands) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    context: typer.Context,
    more_methods: MoreMethodsArgument = None,
    *,
    comparisons: ComparisonsOption = None,
    votes: VotesOption = None,
    items: ItemsOption = None,
    groups: GroupsOption = None,
    method: MethodOption = None,
    encoder: EncoderOption = None,
    features: FeaturesOption = None,
    shots: ShotsOption = "0,1,2,4,8,16",
    seeds: SeedsOption = None,
    disjoint: DisjointOption = None,
    protocol: ProtocolOption = "few-shot",
    folds: FoldsOption = None,
    min_comparisons: MinComparisonsOption = 1,
    ties: TiesOption = None,
    out: OutOption = Path("persona-evaluation"),
    json: JsonOption = False,
) -> None:
    """Judge reward models on people whom they never saw, from a few comparisons of theirs.

    Writes results.json, few-shot.png and reliability.png to --out. A run that was interrupted goes
    on where it was when the same command is given again. Pooled Bradley-Terry is always judged too.
    """
    from persona_engine.evaluation import Protocol
    from persona_engine.plugins import discover

    settings = options_of(context).settings()
    plugins = discover(blocked=settings.blocked_plugins, strict=settings.strict_plugins)
    names = _methods([*(method or ()), *(more_methods or ())], plugins, settings.reward_model)
    how = Protocol(
        name=protocol,
        shots=_shots(shots),
        seeds=seeds or (3 if protocol == "few-shot" else 1),
        disjoint=disjoint,
        fewest=min_comparisons,
        folds=folds,
        ties=ties,
    )
    dataset = _dataset(comparisons, votes, items, groups)
    try:
        with console_progress() as progress:
            bench = Bench(plugins, settings, out, progress)
            outcome = bench.judge(dataset, bench.features(dataset, encoder, features), names, how)
    except KeyboardInterrupt:
        stderr().print(
            f"\nWhat is done stays in {out}; the same command goes on from there.", soft_wrap=True
        )
        raise
    _finish(outcome, how, out, as_json=json)


def _methods(asked: Sequence[str], plugins: Plugins, default: str) -> list[str]:
    """Return the names of what is judged, the pooled baseline first."""
    known = plugins.names("reward_model")
    names = [each.strip() for name in asked for each in name.split(",") if each.strip()]
    for name in {*names} - {ALL}:
        if name not in known:
            plugins.create("reward_model", name)  # raises, and says which there are
    if ALL in names:
        names = [*_quick(known, plugins, asked=names), *(each for each in names if each != ALL)]
    return list(dict.fromkeys([POOLED, *(names or [default])]))


def _quick(known: Sequence[str], plugins: Plugins, *, asked: Sequence[str]) -> list[str]:
    """Return all methods but those that ask a language model about every comparison."""
    from persona_engine.interfaces import AsksLanguageModel

    quick = []
    for name in known:
        try:
            slow = isinstance(plugins.create("reward_model", name), AsksLanguageModel)
        except PersonaError:
            slow = False  # that it cannot be made will stand in its row
        if not slow:
            quick.append(name)
        elif name not in asked:
            stderr().print(
                f"{name} asks the language model about every comparison, which takes hours, and is "
                f"left out; name it to judge it: --method all --method {name}",
                soft_wrap=True,
            )
    return quick


def _shots(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(each) for each in text.split(",")}))
    except ValueError:
        raise InvalidInputError(
            f"--shots is {text!r}, expected numbers", remedy="for example --shots 0,4,16"
        ) from None


def _dataset(
    comparisons: Path | None, votes: Path | None, items: Path | None, groups: Path | None
) -> Dataset:
    from persona_engine.evaluation import read_comparisons, read_votes

    if (comparisons is None) == (votes is None):
        raise InvalidInputError(
            "expected one of --comparisons and --votes",
            remedy="pass --comparisons FILE.jsonl, or --votes FILE --items FILE",
        )
    if comparisons is not None:
        if items is not None:
            raise InvalidInputError("--items goes with --votes, not with --comparisons")
        return read_comparisons(comparisons, groups=groups)
    if votes is None or items is None:
        raise InvalidInputError(
            "--votes names items, but there are no --items",
            remedy='pass --items FILE, JSON lines such as {"item": "17", "text": "…"}',
        )
    return read_votes(votes, items, groups=groups)


def _finish(outcome: Outcome, protocol: Protocol, out: Path, *, as_json: bool) -> None:
    """Write the files, then print."""
    from persona_engine.evaluation.report import write_results

    write_results(out / "results.json", outcome.rows, asdict(protocol))
    console = stderr()
    try:
        _draw(outcome, out)
    except MissingExtraError as error:
        console.print(printable(f"No pictures: {error}"), soft_wrap=True)
    for name, reason in outcome.failures.items():
        console.print(printable(f"{name} failed: {reason}"), soft_wrap=True)
    if as_json:
        print_json({"results": outcome.rows})
    else:
        _print(outcome.rows)
        console.print(f"{_LEGEND}\nWritten to {out}.", soft_wrap=True)


def _draw(outcome: Outcome, out: Path) -> None:
    from persona_engine.evaluation.pictures import draw_few_shot_curve, draw_reliability

    shots = [row["shots"] for row in outcome.rows if row["accuracy"] is not None]
    if not shots:
        return
    title = "reliability"
    if shots[0] is not None:
        draw_few_shot_curve(out / "few-shot.png", outcome.rows)
        title += f" at {max(shots)} comparisons"
    most = None if shots[0] is None else max(shots)
    draw_reliability(out / "reliability.png", outcome.bins(most), title)


def _print(rows: Sequence[Row]) -> None:
    first = rows[0]
    disjoint = f", {first['disjoint']}-disjoint" if first["disjoint"] else ""
    print_table(
        f"{first['dataset']}: {first['protocol']}{disjoint}",
        _COLUMNS,
        map(_cells, rows),
        width=_WIDTH,
    )


def _cells(row: Row) -> list[object]:
    shots = row["shots"] if row["shots"] is not None else row.get("subset", "all")
    if row["status"] == "failed":
        return [row["method"], shots, "failed", *[""] * len(_FORMATS)]
    spread = "" if row["accuracy_se"] is None else f"±{row['accuracy_se']:.3f}"
    figures = (_shown(row[name], text) for name, text in _FORMATS.items())
    return [row["method"], shots, _shown(row["accuracy"], ".3f") + spread, *figures]


def _shown(value: float | None, text: str) -> str:
    return "" if value is None else format(value, text)
