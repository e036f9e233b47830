"""Rows of results: mean and spread over seeds of what each method came to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from persona_engine.evaluation.files import replaced
from persona_engine.evaluation.judging import CellResult, TrialResult
from persona_engine.evaluation.metrics import (
    expected_calibration_error,
    worst_decile,
    worst_group,
)

EXPERIENCED = 50
FIGURES = (
    "accuracy",
    "accuracy_se",
    "nll",
    "nll_se",
    "ece",
    "ece_se",
    "worst_decile",
    "worst_group",
    "adapt_ms",
    "fit_s",
    "users",
    "queries",
)

Row = dict[str, Any]


def few_shot_rows(common: Mapping[str, Any], cells: Sequence[CellResult]) -> list[Row]:
    """Return a row for each number of shots, of one method over its seeds.

    Args:
        common: What stands in every row.
        cells: One for each seed.
    """
    rows = []
    for number, trial in enumerate(cells[0].trials):
        trials = [cell.trials[number] for cell in cells]
        rows.append({**common, "shots": trial.shots, **_figures(trials, cells)})
    return rows


def left_out_rows(common: Mapping[str, Any], folds: Sequence[Sequence[CellResult]]) -> list[Row]:
    """Return two rows of one method: all judgments, and those of experienced people.

    Every judgment counts alike, as in the published figures.

    Args:
        common: What stands in every row.
        folds: For each seed, one cell for each group that was left out.
    """
    rows = []
    for subset, least in (("all", 0), (f"more than {EXPERIENCED} comparisons", EXPERIENCED + 1)):
        seeds = [_pooled(cells, least) for cells in folds]
        rows.append({**common, "shots": None, "subset": subset, **_over_seeds(seeds)})
    return rows


def failed_rows(common: Mapping[str, Any], shots: Sequence[int | None], error: str) -> list[Row]:
    """Return rows without figures, which say why there are none."""
    nothing = dict.fromkeys(FIGURES)
    failure = {"seeds": 0, "status": "failed", "error": error}
    return [{**common, "shots": each, **nothing, **failure} for each in shots]


def write_results(path: Path, rows: Sequence[Row], protocol: Mapping[str, Any]) -> None:
    """Write ``results.json``, whole or not at all.

    Raises:
        InvalidInputError: The folder cannot be written.
    """
    document = {"results": rows, "protocol": protocol}
    with replaced(path) as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")


def _figures(trials: Sequence[TrialResult], cells: Sequence[CellResult]) -> Row:
    seeds = []
    for trial, cell in zip(trials, cells, strict=True):
        if not trial.accuracy:
            continue
        accuracy = np.array(trial.accuracy)
        seeds.append(
            {
                "accuracy": float(accuracy.mean()),
                "nll": float(np.mean(trial.nll)),
                "ece": expected_calibration_error(np.array(trial.bins)),
                "worst_decile": worst_decile(accuracy),
                "worst_group": worst_group(trial.groups),
                "adapt_ms": trial.adapt_ms,
                "fit_s": cell.fit_s,
                "users": len(accuracy),
                "queries": sum(trial.queries),
            }
        )
    return _over_seeds(seeds)


def _pooled(folds: Sequence[CellResult], least: int) -> Row:
    """Return figures over the judgments of people with enough evidence, of all left-out groups."""
    trials = [trial for cell in folds for trial in cell.trials]
    shares = [np.where(np.array(t.support) >= least, t.queries, 0) for t in trials]
    total = int(sum(share.sum() for share in shares))
    if total == 0:
        return {}
    right = [float(share @ trial.accuracy) for share, trial in zip(shares, trials, strict=True)]
    lost = [float(share @ trial.nll) for share, trial in zip(shares, trials, strict=True)]
    of_group = [r / share.sum() for r, share in zip(right, shares, strict=True) if share.any()]
    bins = np.sum([trial.bins for trial in trials], 0)
    return {
        "accuracy": sum(right) / total,
        "nll": sum(lost) / total,
        "ece": None if least else expected_calibration_error(bins),
        "worst_group": float(min(of_group)),
        "adapt_ms": float(np.median([trial.adapt_ms for trial in trials])),
        "fit_s": float(np.mean([cell.fit_s for cell in folds])),
        "users": int(sum(np.count_nonzero(share) for share in shares)),
        "queries": total,
    }


def _over_seeds(seeds: Sequence[Row]) -> Row:
    """Return means over seeds, and standard errors of three of them."""
    kept = [each for each in seeds if each]
    row: Row = dict.fromkeys(FIGURES)
    for name in FIGURES:
        values = [each[name] for each in kept if each.get(name) is not None]
        if values:
            row[name] = float(np.mean(values))
    for name in ("accuracy", "nll", "ece"):
        values = [each[name] for each in kept if each[name] is not None]
        row[f"{name}_se"] = standard_error(values)
    row["seeds"] = len(kept)
    row["status"] = "ok" if kept else "no data"
    row["error"] = None if kept else "nobody has that many comparisons and one more to predict"
    return row


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean, None for fewer than two values.

    Examples:
        >>> standard_error([1.0, 3.0])
        1.0
    """
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))
