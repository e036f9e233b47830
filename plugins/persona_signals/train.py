"""Trains the two classifiers on the committed examples: ``python -m persona_signals.train``.

Prints, as JSON, figures on held-out examples: five folds in which neither a frame nor a domain of
the judged examples stands among those learned from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import FloatArray
from persona_signals.candidates import candidate_of, cue_matrix, gram_sets
from persona_signals.classifier import DATA, Classifier, fit, save, stack
from persona_signals.cues import CUE_NAMES
from persona_signals.examples import Example, reaction_examples, wish_examples
from persona_signals.features import gram_matrix, vocabulary
from persona_signals.reactions import REACTION_CLASSES, reaction_cues, reaction_grams

WISH_CLASSES = ("none", "wish", "fact")
_FOLDS = 5
_LEAST = 3
Embed = Callable[[Sequence[str]], FloatArray]


def main() -> None:
    """Train, report and save."""
    parser = argparse.ArgumentParser(description="Train the classifiers of persona_signals.")
    parser.add_argument("--weights", type=Path, help="folder of all-minilm-l6-v2")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    embed, fingerprint = _encoder(options.weights)
    figures: dict[str, Any] = {}
    for name, make in (("wishes", _wish_rows), ("reactions", _reaction_rows)):
        rows = make(embed)
        figures[name] = rows.report()
        if not options.check:
            save(rows.classifier(fingerprint), name, DATA)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


class Rows:
    """Examples as arrays.

    Args:
        examples: ``n`` of them.
        cues: ``(n, cues)``.
        cue_names: Names of these columns.
        grams: Of each example.
        embeddings: ``(n, E)``.
        classes: What is told apart.
        l2: Penalty.
        least: In how many examples a gram must stand.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        cues: FloatArray,
        cue_names: tuple[str, ...],
        gram_sets: Sequence[set[str]],
        embeddings: FloatArray,
        *,
        classes: tuple[str, ...],
        l2: float,
        least: int,
    ) -> None:
        self.examples, self.cues, self.cue_names = list(examples), cues, cue_names
        self.grams, self.embeddings = list(gram_sets), embeddings
        self.classes, self.l2, self.least = classes, l2, least
        self.labels: NDArray[np.int64] = np.array([classes.index(each.label) for each in examples])
        self.weight = np.array([each.weight for each in examples], np.float32)

    def classifier(self, fingerprint: str, at: NDArray[np.bool_] | None = None) -> Classifier:
        """Return what is learned from the rows at ``at``; from all without."""
        chosen = np.arange(len(self.examples)) if at is None else np.flatnonzero(at)
        known = vocabulary([self.grams[n] for n in chosen], self.least)
        columns = {gram: n for n, gram in enumerate(known)}
        matrix = gram_matrix([self.grams[n] for n in chosen], columns)
        weights, bias = fit(
            stack(self.cues[chosen], matrix, self.embeddings[chosen]),
            self.labels[chosen],
            self.weight[chosen],
            classes=len(self.classes),
            l2=self.l2,
        )
        return Classifier(fingerprint, self.classes, self.cue_names, known, weights, bias)

    def held_out(self) -> FloatArray:
        """Return ``(n, C)``: rows judged by what saw neither frame nor domain, or NaN."""
        judged = np.full((len(self.examples), len(self.classes)), np.nan, np.float32)
        fold_of_group = np.array([_fold(each.group) for each in self.examples])
        fold_of_domain = np.array([_fold(each.domain) for each in self.examples])
        for fold in range(_FOLDS):
            at = np.flatnonzero((fold_of_group == fold) & (fold_of_domain == fold))
            learned = self.classifier("", (fold_of_group != fold) & (fold_of_domain != fold))
            judged[at] = learned.probabilities(
                self.cues[at], [self.grams[n] for n in at], self.embeddings[at]
            )
        return judged

    def report(self) -> dict[str, Any]:
        """Return figures on what was held out."""
        judged = self.held_out()
        out = ~np.isnan(judged[:, 0])
        judged, labels = judged[out], self.labels[out]
        none = self.classes.index("none")
        p = 1 - judged[:, none]
        return {
            "examples": len(self.examples),
            "held_out": int(out.sum()),
            "share": {
                c: round(float((self.labels == n).mean()), 3) for n, c in enumerate(self.classes)
            },
            "accuracy": round(float((judged.argmax(axis=1) == labels).mean()), 3),
            **_binary(p, labels != none),
        }


def _binary(p: FloatArray, true: NDArray[np.bool_]) -> dict[str, float]:
    found = p >= 0.5
    hits = float((found & true).sum())
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [
        abs(float(p[bins == n].mean()) - float(true[bins == n].mean())) * float((bins == n).mean())
        for n in range(10)
        if (bins == n).any()
    ]
    return {
        "precision": round(hits / max(float(found.sum()), 1.0), 3),
        "recall": round(hits / max(float(true.sum()), 1.0), 3),
        "ece": round(sum(gaps), 3),
    }


def _fold(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % _FOLDS


def _wish_rows(embed: Embed) -> Rows:
    judged = [(each, candidate_of(each.sentence)) for each in wish_examples()]
    kept = [(each, candidate) for each, candidate in judged if candidate is not None]
    candidates = [candidate for _, candidate in kept]
    return Rows(
        [each for each, _ in kept],
        cue_matrix(candidates),
        CUE_NAMES,
        gram_sets(candidates),
        embed([each.plain for each in candidates]),
        classes=WISH_CLASSES,
        l2=2.0,
        least=_LEAST,
    )


def _reaction_rows(embed: Embed) -> Rows:
    examples = reaction_examples()
    texts = [each.sentence.frame for each in examples]
    names, cues = reaction_cues(texts)
    return Rows(
        examples,
        cues,
        names,
        [reaction_grams(each) for each in texts],
        embed(texts),
        classes=REACTION_CLASSES,
        l2=0.3,
        least=2,
    )


def _encoder(weights: Path | None) -> tuple[Embed, str]:
    from persona_engine.encoders import sentence_encoder
    from persona_engine.testing.language import language_tools
    from persona_engine.weights import resolve

    encoder = sentence_encoder(weights=weights or resolve("all-minilm-l6-v2"))
    return language_tools(encoder).embed, encoder.fingerprint


if __name__ == "__main__":
    main()
