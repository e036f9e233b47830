"""Calibrates the embedding selector on the judged pairs that it ships, and reports how well.

    python tests/benchmarks/calibrate_embedding_selector.py --weights FOLDER [--nlsi FILE] [--check]

Fits on the split ``train``; ``validation`` chose the features; ``test`` was written afterwards and
is only reported. Figures go to standard output as JSON. ``--check`` writes nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from persona_embedding_selector.calibration import (
    DATA,
    Calibration,
    Values,
    fit_noisy_or,
    probabilities,
    save_calibration,
)
from persona_embedding_selector.features import general_features, topical_features
from persona_engine.encoders import sentence_encoder
from persona_engine.interfaces import Encoder
from persona_engine.types import FloatArray, Instruction

# Instructions about a topic were given as many requests that they fit as others, but fit fewer in
# use: each misfit counts for two.
_MISFIT_WEIGHT = 2.0
_THRESHOLD = 1 / 3
_BINS = 10


@dataclass(frozen=True)
class Pairs:
    """Judged pairs with their features: general ``(n, 4)``, topical ``(n, 3)``."""

    general: FloatArray
    topical: FloatArray
    applies: FloatArray
    split: np.ndarray[Any, Any]


def main() -> None:
    """Calibrate, save and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--weights", type=Path, required=True, help="folder of all-minilm-l6-v2")
    parser.add_argument("--nlsi", type=Path, help="nlsi_dev.jsonl.gz, to report on")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    encoder = sentence_encoder(weights=options.weights)
    anchors = _read(DATA / "anchors.jsonl")
    general, topical = (
        _encode(encoder, [row["text"] for row in anchors if row["sort"] == sort])
        for sort in ("general", "topical")
    )
    pairs = _pairs(encoder, _read(DATA / "examples.jsonl"), general, topical)
    train = pairs.split == "train"
    weight = np.where(pairs.applies == 1, 1.0, _MISFIT_WEIGHT)
    u, v = fit_noisy_or(
        pairs.general[train], pairs.topical[train], pairs.applies[train], weight=weight[train]
    )
    calibration = Calibration(encoder.fingerprint, general, topical, u, v)
    if not options.check:
        save_calibration(calibration, DATA)
    figures: dict[str, Any] = {"general": u.round(2).tolist(), "topical": v.round(2).tolist()}
    p = probabilities(calibration, pairs.general, pairs.topical)[0]
    for split in ("train", "validation", "test"):
        at = pairs.split == split
        figures[split] = _figures(p[at], pairs.applies[at])
    if options.nlsi:
        figures["nlsi"] = _on_nlsi(encoder, calibration, options.nlsi)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


def _pairs(
    encoder: Encoder, rows: Sequence[dict[str, Any]], general: FloatArray, topical: FloatArray
) -> Pairs:
    wishes = [_instruction(row["instruction"]) for row in rows]
    embeddings = _encode(encoder, [row["instruction"] for row in rows])
    requests = _encode(encoder, [row["request"] for row in rows])
    return Pairs(
        general_features(wishes, embeddings, general=general, topical=topical),
        topical_features(wishes, embeddings, requests),
        np.array([row["applies"] for row in rows], np.float64),
        np.array([row["split"] for row in rows]),
    )


def _figures(p: Values, applies: Values) -> dict[str, float]:
    """Return accuracy, F1, recall, expected calibration error and log loss.

    The first error is as the pairs come, the second with misfits counted twice, as fitted.
    """
    chosen = p >= _THRESHOLD
    hits = float((chosen & (applies == 1)).sum())
    weight = np.where(applies == 1, 1.0, _MISFIT_WEIGHT)
    right = np.where(applies == 1, p, 1 - p)
    figures = {
        "pairs": len(p),
        "accuracy": float((chosen == (applies == 1)).mean()),
        "accuracy_at_half": float(((p >= 0.5) == (applies == 1)).mean()),
        "always_used": float(applies.mean()),
        "f1": 2 * hits / float(chosen.sum() + applies.sum()),
        "recall": hits / float(applies.sum()),
        "ece": _calibration_error(p, applies, np.ones(len(p))),
        "ece_misfits_twice": _calibration_error(p, applies, weight),
        "nll": float(-np.log(np.maximum(right, 1e-12)).mean()),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def _calibration_error(p: Values, applies: Values, weight: Values) -> float:
    bins = np.minimum((p * _BINS).astype(int), _BINS - 1)
    gap = [float((weight * (p - applies))[bins == b].sum()) for b in np.unique(bins)]
    return sum(map(abs, gap)) / float(weight.sum())


def _on_nlsi(encoder: Encoder, calibration: Calibration, path: Path) -> dict[str, float]:
    """Return NLSI's exact match and mean F1 besides the figures over all pairs."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    requests = _encode(encoder, [row["utterance"].rsplit("User:", 1)[-1].strip() for row in rows])
    profiles = _encode(encoder, [text for row in rows for text in row["profile"]])
    ends = np.cumsum([len(row["profile"]) for row in rows])[:-1]
    everything, labels, exact, f1 = [], [], [], []
    for row, request, embeddings in zip(rows, requests, np.split(profiles, ends), strict=True):
        wishes = [_instruction(text) for text in row["profile"]]
        general = general_features(
            wishes, embeddings, general=calibration.general, topical=calibration.topical
        )
        p = probabilities(calibration, general, topical_features(wishes, embeddings, request))[0]
        gold = np.isin(row["profile"], row["applicable"])
        chosen = p >= _THRESHOLD
        exact.append(bool((chosen == gold).all()))
        either = int(chosen.sum() + gold.sum())
        f1.append(2 * int((chosen & gold).sum()) / either if either else 1.0)
        everything.append(p)
        labels.append(gold)
    figures = _figures(np.concatenate(everything), np.concatenate(labels).astype(float))
    return figures | {
        "exact_match": round(float(np.mean(exact)), 3),
        "f1_by_request": round(float(np.mean(f1)), 3),
    }


def _instruction(text: str) -> Instruction:
    return Instruction(text, text, datetime(2026, 1, 1, tzinfo=UTC))


def _encode(encoder: Encoder, texts: Sequence[str]) -> FloatArray:
    unique = sorted(set(texts))
    vectors = encoder.encode([[]] * len(unique), unique)
    row_of = {text: row for row, text in enumerate(unique)}
    return vectors[[row_of[text] for text in texts]]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
