"""Trains the scorer on composed examples, and reports on held-out domains and templates.

    python -m persona_applicability.train --weights FOLDER [--examples 4000] [--seed 0] [--check]

``--weights`` is the folder of all-minilm-l6-v2. Fits on all domains with three quarters of the
templates; calibration and the reported figures come from a fit that never saw a quarter of the
domains nor the other templates. ``--check`` reports without writing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from persona_applicability.compose import Composer, Example
from persona_applicability.learn import calibrated, fit, judged
from persona_applicability.learn_tastes import recalls, say_tastes
from persona_applicability.material import Material, read_material
from persona_applicability.phrasebook import Phrasebook
from persona_applicability.space import DATA, Weights, save_weights
from persona_engine.encoders import sentence_encoder
from persona_engine.types import FloatArray

_HELD_OUT = 0.25
_BINS = 10


class OnceEncoded:
    """Encodes each text once."""

    def __init__(self, weights: Path) -> None:
        self._encoder = sentence_encoder(weights=weights)
        self.fingerprint = self._encoder.fingerprint
        self._known: dict[str, FloatArray] = {}

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return the embeddings ``(n, E)``."""
        new = [each for each in dict.fromkeys(texts) if each not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode([()] * len(new), new), strict=True))
        return np.stack([self._known[each] for each in texts])


def main() -> None:
    """Train, save and report."""
    options = _options()
    material, embed = read_material(), OnceEncoded(options.weights)
    book = Phrasebook(material, options.seed)
    everything = frozenset(domains_of(material))
    known, unknown = split(material, seed=options.seed)
    say(f"{len(known)} domains to fit, {len(unknown)} held out")
    held_out = Composer(material, Phrasebook(material, options.seed + 1, held_out=True), unknown)
    unseen = draw(held_out, options.examples // 5, seed=options.seed + 1)
    some = draw(Composer(material, book, known), options.examples, seed=options.seed + 2)
    trial = fit(
        material, book, known, some, embed, fingerprint=embed.fingerprint, seed=options.seed
    )
    report = {"held_out": figures(trial, unseen, embed)}
    strangers = say_tastes(material, book, unknown, embed)
    report["held_out_tastes"] = recalls(strangers, trial, among=50, seed=options.seed)
    say(json.dumps(report))
    examples = draw(Composer(material, book, everything), options.examples, seed=options.seed)
    weights = fit(
        material,
        book,
        everything,
        examples,
        embed,
        fingerprint=embed.fingerprint,
        seed=options.seed,
    )
    # People ask about domains like those fitted and about others: half of the way is taken.
    slope, offset = calibrated(trial, unseen, embed).tolist()
    platt = np.array([(1 + slope) / 2, offset / 2], np.float32)
    weights = Weights(weights.fingerprint, {**weights.arrays, "second_platt": platt})
    report["fitted"] = figures(weights, examples[: len(unseen)], embed)
    if not options.check:
        about = {"seed": options.seed, "examples": options.examples, **report}
        save_weights(weights, DATA, about=about)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def domains_of(material: Material) -> list[str]:
    """Return every service and topic."""
    return sorted({s.label for s in material.services} | {t.topic for t in material.tastes})


def split(material: Material, *, seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """Return the domains to fit, and those held out."""
    order = np.random.default_rng(seed).permutation(domains_of(material)).tolist()
    count = int(len(order) * _HELD_OUT)
    return frozenset(order[count:]), frozenset(order[:count])


def draw(composer: Composer, count: int, *, seed: int) -> list[Example]:
    """Return examples."""
    rng = np.random.default_rng(seed)
    return [composer.draw(rng) for _ in range(count)]


def figures(
    weights: Weights, examples: Sequence[Example], embed: OnceEncoded, *, threshold: float = 0.35
) -> dict[str, Any]:
    """Return exact match, mean F1 and calibration error, over what is labelled."""
    exact, f1, pairs = [], [], []
    for each in examples:
        labels = np.array(each.labels)
        found, gold = judged(each, embed, weights)[labels >= 0], labels[labels >= 0] > 0
        used = found >= threshold
        either = int(used.sum() + gold.sum())
        exact.append(bool((used == gold).all()))
        f1.append(2 * int((used & gold).sum()) / either if either else 1.0)
        pairs.append((found, gold))
    p = np.concatenate([each for each, _ in pairs])
    y = np.concatenate([each for _, each in pairs])
    bins = np.minimum((p * _BINS).astype(int), _BINS - 1)
    error = sum(abs(float((p - y)[bins == b].sum())) for b in range(_BINS)) / len(p)
    return {
        "exact": round(float(np.mean(exact)), 3),
        "f1": round(float(np.mean(f1)), 3),
        "ece": round(error, 3),
    }


def say(message: str) -> None:
    """Tell how far the run is, on standard error."""
    sys.stderr.write(message + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--weights", type=Path, required=True, help="folder of all-minilm-l6-v2")
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="write nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
