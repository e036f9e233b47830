"""Runs methods over seeds on one dataset; what is finished stays finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from persona_engine.errors import InvalidInputError, PersonaError
from persona_engine.evaluation.cells import Cells, source_digest
from persona_engine.evaluation.dataset import NO_GROUP, Comparisons, Dataset, Doubles
from persona_engine.evaluation.features import Features
from persona_engine.evaluation.judging import Aids, CellResult, Material, judge
from persona_engine.evaluation.report import Row, failed_rows, few_shot_rows, left_out_rows
from persona_engine.evaluation.splits import Disjoint, Split, few_shot_split, group_splits
from persona_engine.interfaces import Progress, RewardModel, no_progress

ProtocolName = Literal["few-shot", "leave-group-out"]
Ties = Literal["drop", "half"]

SHOTS = (0, 1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How methods are judged.

    Args:
        name: ``few-shot`` predicts people who were not fitted on, from their first comparisons;
            ``leave-group-out`` predicts each group of comparisons from all others.
        shots: Numbers of comparisons that are evidence.
        seeds: Number of repetitions; seeds are 0, 1, …
        disjoint: What queries must not share with the support or the population.
        fewest: People with fewer comparisons are not judged.
        folds: Groups to leave out, None for all.
        ties: Whether ties are left out, or half a preference each way for fit and support; they are
            never predicted. None leaves them out of ``few-shot``, whose queries are preferences:
            on UKPConvArg1, where 23% are ties, learning from them makes the pooled reward too
            unsure (calibration error .047 instead of .021). In ``leave-group-out`` None learns from
            them: with new topics, less sure is better (cross-entropy .528 instead of .543).

    Raises:
        InvalidInputError: A value is out of range, or does not go with the protocol.
    """

    name: ProtocolName = "few-shot"
    shots: tuple[int, ...] = SHOTS
    seeds: int = 3
    disjoint: Disjoint | None = None
    fewest: int = 1
    folds: int | None = None
    ties: Ties | None = None

    def __post_init__(self) -> None:
        least = {"seeds": 1, "fewest": 1, "folds": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise InvalidInputError(f"{name} is {value!r}, expected at least {bound}")
        if not self.shots or min(self.shots) < 0:
            raise InvalidInputError(
                f"shots is {self.shots!r}, expected numbers from 0 up", remedy="for example 0,4,16"
            )
        if self.name == "leave-group-out" and self.disjoint is not None:
            raise InvalidInputError(
                f"disjoint is {self.disjoint!r}, which is for the few-shot protocol",
                remedy="leave --disjoint out: a left-out group shares no comparison with the rest",
            )

    @property
    def without_ties(self) -> bool:
        """Whether ties are left out."""
        return self.ties == "drop" or (self.ties is None and self.name == "few-shot")

    @property
    def reported_shots(self) -> tuple[int | None, ...]:
        """What ``shots`` is in the rows of results."""
        return tuple(sorted(set(self.shots))) if self.name == "few-shot" else (None,)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation came to.

    Args:
        rows: Results, as in ``results.json``.
        cells: Finished cells of each method, over seeds and folds.
        failures: What went wrong, by method.
    """

    rows: tuple[Row, ...]
    cells: Mapping[str, tuple[CellResult, ...]]
    failures: Mapping[str, str] = field(default_factory=dict)

    def bins(self, shots: int | None) -> dict[str, Doubles]:
        """Return the reliability bins of each method over all cells at one number of shots."""
        return {
            name: np.sum([t.bins for cell in cells for t in cell.trials if t.shots == shots], 0)
            for name, cells in self.cells.items()
        }


@dataclass(frozen=True, slots=True)
class _Part:
    """One fit to make: its name, what it depends on, and its data."""

    name: str
    settings: Mapping[str, Any]
    seed: int
    rows: Comparisons
    split: Split


def evaluate(
    dataset: Dataset,
    features: Features,
    methods: Mapping[str, Callable[[], RewardModel]],
    protocol: Protocol = Protocol(),
    *,
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    aids: Aids = Aids(),  # noqa: B008  # frozen
    progress: Progress = no_progress,
) -> Outcome:
    """Judge methods on a dataset.

    Every method gets equal features, splits and seeds. A cell (a method and a seed, or a method and
    a left-out group) is written to ``folder`` as soon as it is finished, and read from there when
    everything that it depends on is equal: data, features, protocol, settings and the method's
    source. A method that raises is reported as failed, and the others go on.

    Args:
        dataset: People and what they compared.
        features: Features of the dataset's items.
        methods: What makes each method, by name.
        protocol: How they are judged.
        folder: Where finished cells are kept.
        settings: Settings of the methods, by name; they only tell cells apart.
        aids: What some methods need besides.
        progress: Told of finished cells and of fits.

    Raises:
        InvalidInputError: Nobody can be judged on this data by this protocol.
    """
    run = _Run(dataset, features, protocol, Cells(folder), aids, progress)
    parts = list(_parts(dataset, features, protocol))
    rows: list[Row] = []
    cells: dict[str, tuple[CellResult, ...]] = {}
    failures: dict[str, str] = {}
    for number, (name, make) in enumerate(methods.items()):
        about = {**_common(dataset, features, protocol), "method": name}
        try:
            model = make()
            mine = {"method": name, "settings": (settings or {}).get(name, {})}
            mine["source"] = source_digest(model)
            results: list[CellResult] = []
            for part in parts:
                done = number * len(parts) + len(results)
                progress(f"judging on {dataset.name}", done, len(methods) * len(parts))
                results.append(run.cell(model, part, mine))
        except Exception as error:  # a plugin may raise anything, and the others go on
            failures[name] = _reason(error)
            rows += failed_rows(about, protocol.reported_shots, failures[name])
            continue
        cells[name] = tuple(results)
        rows += _rows(about, results, protocol)
    total = len(methods) * len(parts)
    progress(f"judging on {dataset.name}", total, total)
    return Outcome(tuple(rows), cells, failures)


@dataclass(frozen=True, slots=True)
class _Run:
    """One evaluation under way."""

    dataset: Dataset
    features: Features
    protocol: Protocol
    store: Cells
    aids: Aids
    progress: Progress

    def cell(self, model: RewardModel, part: _Part, mine: Mapping[str, Any]) -> CellResult:
        """Return a cell that is finished already, or finish it."""
        name, depends = f"{model.name}-{part.name}", {**part.settings, **mine}
        found = self.store.load(name, depends)
        if found is not None:
            return found
        result = judge(
            model,
            Material(part.rows, self.features, self.dataset.groups, self.aids),
            part.split,
            seed=part.seed,
            progress=lambda what, done, total: self.progress(f"{name}: {what}", done, total),
        )
        self.store.save(name, depends, result)
        return result


def _parts(dataset: Dataset, features: Features, protocol: Protocol) -> Iterator[_Part]:
    """Yield every fit that a method has to make.

    Raises:
        InvalidInputError: Nobody can be judged.
    """
    for seed in range(protocol.seeds):
        drawing, dividing = (np.random.default_rng([seed, each]) for each in (0, 1))
        rows = dataset.draw(
            drawing, support=max(protocol.shots), disjoint_items=protocol.disjoint == "items"
        )
        if protocol.without_ties:
            rows = rows.take(~rows.tied)
        settings = {
            "data": dataset.digest,
            "features": features.fingerprint,
            "protocol": {
                **asdict(protocol),
                **{"seeds": None, "folds": None, "ties": protocol.without_ties},
            },
            "seed": seed,
        }
        for name, split in _splits(dataset, rows, protocol, dividing):
            if not len(split.fit) or not any(trial.cases for trial in split.trials):
                raise _nobody(dataset, rows, protocol)
            about = {**settings, "fold": name}
            yield _Part(f"{dataset.name}-seed{seed}{name}", about, seed, rows, split)


def _splits(
    dataset: Dataset, rows: Comparisons, protocol: Protocol, rng: np.random.Generator
) -> Iterator[tuple[str, Split]]:
    if protocol.name == "few-shot":
        yield (
            "",
            few_shot_split(
                rows,
                dataset.items,
                users=len(dataset.users),
                shots=protocol.shots,
                rng=rng,
                disjoint=protocol.disjoint,
                fewest=protocol.fewest,
            ),
        )
        return
    if len(np.unique(rows.group[rows.group != NO_GROUP])) < 2:
        raise InvalidInputError(
            f"{dataset.name} has fewer than two groups of comparisons, expected some to leave out",
            remedy='give each row a "group", or use --protocol few-shot',
        )
    for group, split in group_splits(rows, rng=rng, folds=protocol.folds):
        if any(trial.cases for trial in split.trials):
            yield f"-without-{dataset.groups[group]}", split


def _rows(about: Row, results: Sequence[CellResult], protocol: Protocol) -> list[Row]:
    if protocol.name == "few-shot":
        return few_shot_rows(about, results)
    folds = len(results) // protocol.seeds
    return left_out_rows(
        about, [results[n : n + folds] for n in range(0, len(results), max(folds, 1))]
    )


def _common(dataset: Dataset, features: Features, protocol: Protocol) -> Row:
    return {
        "dataset": dataset.name,
        "protocol": protocol.name,
        "disjoint": protocol.disjoint,
        "features": features.fingerprint,
    }


def _nobody(dataset: Dataset, rows: Comparisons, protocol: Protocol) -> InvalidInputError:
    most = int(np.bincount(rows.user).max()) if len(rows) else 0
    return InvalidInputError(
        f"{dataset.name}: nobody can be judged with shots {protocol.shots}, disjoint "
        f"{protocol.disjoint} and at least {protocol.fewest} comparisons; there are "
        f"{len(dataset.users)} people with at most {most} comparisons",
        remedy="bring more comparisons, or lower --shots and --min-comparisons",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, PersonaError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
