"""Trains the scorer on the examples that the package holds, and says how good it is.

    python -m persona_adherence.train --weights FOLDER [--check]

Domains are held out together: in each of eight folds, directions and weights are fitted to the
other domains, and the fold is judged with them. The weights that are shipped are fitted to features
whose directions were learned without the example's own domain, as it will be for new ones.
Figures go to standard output as JSON; ``--check`` writes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persona_adherence.directions import Directions, fit_directions
from persona_adherence.examples import (
    Example,
    made_examples,
    read_concepts,
    read_contrasts,
    read_written,
)
from persona_adherence.features import FEATURES, Vectors, features, relevance_features, texts_of
from persona_adherence.scorer import DATA, Scorer, Values, save_scorer
from persona_adherence.wishes import parse
from persona_engine.modelling import sigmoid
from persona_engine.types import FloatArray

Embed = Callable[[Sequence[str]], FloatArray]
Folds = NDArray[np.int64]
Flags = NDArray[np.bool_]
FOLDS = 8
PER_CONTRAST = 6
_WRITTEN_WEIGHT = 3.0  # of a written example, against one made from a template
_KEPT_SHARE = 0.3  # generic replies break a preference more often than not (PrefEval)
_RIDGE = 1.0
_CONCEPT_SCALE = 0.5  # siblings of a category are less of an opposite than a contrast is
_SHARPNESS = 4.0
_L2 = 3.0
_RELEVANCE_L2 = 300.0
_BEARING_SHARE = 0.8  # a verifier is asked of what a selector chose
_STRANGERS = 3  # requests of other domains to each example, to learn what bears on what
_GENERAL = ("tone of replies", "addressing me", "emails", "writing help", "essays")


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything to learn from, embedded.

    Args:
        examples: Written and made.
        vectors: Of every text.
        names: Embeddings of concepts' names, ``(n, E)``.
        targets: Their directions, ``(n, E)``.
        domains: Of the names.
    """

    examples: Sequence[Example]
    vectors: Vectors
    names: FloatArray
    targets: FloatArray
    domains: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One row for each reply: features ``(n, F)``, label, weight, fold, and whether written."""

    features: FloatArray
    keeps: Values
    weight: Values
    fold: Folds
    written: Flags


def main() -> None:
    """Train, save and report."""
    from persona_engine.encoders import sentence_encoder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="folder of all-minilm-l6-v2")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    encoder = sentence_encoder(weights=options.weights)

    def embed(texts: Sequence[str]) -> FloatArray:
        return encoder.encode([()] * len(texts), texts)

    scorer, figures = train(embed, encoder.fingerprint, seed=options.seed)
    if not options.check:
        save_scorer(scorer, DATA)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


def train(embed: Embed, fingerprint: str, *, seed: int) -> tuple[Scorer, dict[str, float]]:
    """Return the scorer and its figures on domains held out."""
    material = gather(embed, seed=seed)
    rows = tabulate(material, seed=seed)
    held_out = np.zeros(len(rows.keeps))
    for fold in range(FOLDS):
        rest = rows.fold != fold
        mine = rows.fold == fold
        weights = fit_weights(rows.features[rest], rows.keeps[rest], rows.weight[rest])
        held_out[mine] = sigmoid(rows.features[mine] @ weights)
    weights = fit_weights(rows.features, rows.keeps, rows.weight)
    directions = fit_directions(
        material.names, material.targets, sharpness=_SHARPNESS, ridge=_RIDGE
    )
    relevance, figures = learn_relevance(material, seed=seed)
    figures = {**figures_of(material, rows, held_out), **figures}
    return Scorer(fingerprint, directions, weights, relevance), figures


def gather(embed: Embed, *, seed: int) -> Material:
    """Read the examples and embed all that is in them."""
    contrasts, written, concepts = read_contrasts(), read_written(), read_concepts()
    examples = [*written, *made_examples(contrasts, per_contrast=PER_CONTRAST, seed=seed)]
    texts = [t for each in examples for t in texts_of(each.instruction, each.request, each.replies)]
    sides = [side for each in contrasts for side in (each.bad, each.good)]
    sides += [side for _, side in concepts]
    texts += [text for side in sides for text in (*side.names, *side.replies)]
    unique = list(dict.fromkeys(texts))
    vectors = dict(zip(unique, embed(unique), strict=True))

    def mean(of: Sequence[str]) -> FloatArray:
        found: FloatArray = np.mean([vectors[text] for text in of], axis=0)
        return found

    found: list[tuple[str, FloatArray, str]] = []
    for contrast in contrasts:
        apart = mean(contrast.bad.replies) - mean(contrast.good.replies)
        for side, direction in ((contrast.bad, apart), (contrast.good, -apart)):
            found += [(name, direction, contrast.domain) for name in side.names]
    for example in written:
        pairs = list(zip(example.replies, example.keeps, strict=True))
        apart = mean([r for r, kept in pairs if kept]) - mean([r for r, kept in pairs if not kept])
        found += [(s.text, s.sign * apart, example.domain) for s in parse(example.instruction)]
    for domain in dict.fromkeys(domain for domain, _ in concepts):
        siblings = [side for at, side in concepts if at == domain]
        centre = np.mean([mean(side.replies) for side in siblings], axis=0)
        for side in siblings:
            apart = _CONCEPT_SCALE * (mean(side.replies) - centre)
            found += [(name, apart, domain) for name in side.names]
    names = np.stack([vectors[name] for name, _, _ in found])
    return Material(
        examples, vectors, names, np.stack([d for _, d, _ in found]), [d for _, _, d in found]
    )


def tabulate(material: Material, *, seed: int) -> Rows:
    """Return features whose directions were learned without the example's own fold of domains."""
    domains = sorted({*material.domains, *(each.domain for each in material.examples)})
    np.random.default_rng(seed).shuffle(domains)
    fold_of = {domain: place % FOLDS for place, domain in enumerate(domains)}
    of_names = np.array([fold_of[domain] for domain in material.domains])
    learned = [_directions_without(material, of_names, fold) for fold in range(FOLDS)]
    blocks = [
        features(
            each.instruction, each.request, each.replies,
            vectors=material.vectors, directions=learned[fold_of[each.domain]],
        )
        for each in material.examples
    ]  # fmt: skip
    keeps = np.concatenate([np.array(each.keeps, float) for each in material.examples])
    counts = [len(each.replies) for each in material.examples]
    written = np.repeat([each.written for each in material.examples], counts)
    weight = np.where(written, _WRITTEN_WEIGHT, 1.0)
    share = (weight * keeps).sum() / weight.sum()
    weight = weight * np.where(keeps > 0, _KEPT_SHARE / share, (1 - _KEPT_SHARE) / (1 - share))
    fold = np.repeat([fold_of[each.domain] for each in material.examples], counts)
    return Rows(np.concatenate(blocks), keeps, weight, fold, written)


def learn_relevance(material: Material, *, seed: int) -> tuple[FloatArray, dict[str, float]]:
    """Return what tells whether an instruction bears on a request, and how well it tells.

    An instruction bears on the requests that it was written for, and not on those of other domains,
    unless it is about how to speak to the person.
    """
    rng = np.random.default_rng(seed)
    inputs, bears, of = [], [], []
    for each in material.examples:
        strangers = rng.choice(len(material.examples), _STRANGERS)
        for other in (each, *(material.examples[int(n)] for n in strangers)):
            inputs.append(
                relevance_features(each.instruction, other.request, vectors=material.vectors)
            )
            bears.append(other.domain == each.domain or each.domain in _GENERAL)
            of.append(each.domain)
    x, y, domains = np.stack(inputs), np.array(bears, float), np.array(of)
    weight = np.where(y > 0, _BEARING_SHARE / y.mean(), (1 - _BEARING_SHARE) / (1 - y.mean()))
    held_out = np.zeros(len(y))
    names = sorted(set(of))
    for fold in range(FOLDS):
        mine = np.isin(domains, names[fold::FOLDS])
        held_out[mine] = x[mine] @ fit_weights(x[~mine], y[~mine], weight[~mine], l2=_RELEVANCE_L2)
    figures = {
        "relevance_auc": round(auc(held_out, y), 3),
        "relevance_ece": round(calibration_error(sigmoid(held_out), y, weight), 3),
    }
    return fit_weights(x, y, weight, l2=_RELEVANCE_L2).astype(np.float32), figures


def fit_weights(inputs: FloatArray, keeps: Values, weight: Values, *, l2: float = _L2) -> Values:
    """Return the penalised logistic regression by Newton's method, penalised on scaled features."""
    scale = inputs.std(axis=0) + 1e-6
    scale[0] = 1.0
    x = inputs / scale  # (n, F)
    penalty = np.full(x.shape[1], l2)
    penalty[0] = 1e-6
    at = np.zeros(x.shape[1])
    for _ in range(12):
        p = sigmoid(x @ at)
        slope = x.T @ (weight * (p - keeps)) + penalty * at
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        at = at - np.linalg.solve(curvature, slope)
    found: Values = at / scale
    return found


def figures_of(material: Material, rows: Rows, held_out: Values) -> dict[str, float]:
    """Return accuracy, calibration and right choices on held-out domains."""
    right_choice, at = [], 0
    for each in material.examples:
        best = int(held_out[at : at + len(each.replies)].argmax())
        right_choice.append(each.keeps[best])
        at += len(each.replies)
    by_hand = np.array([each.written for each in material.examples])
    chosen = np.array(right_choice)
    figures: dict[str, float] = {"examples": len(material.examples), "features": len(FEATURES)}
    for name, one, many in (("written", by_hand, rows.written), ("made", ~by_hand, ~rows.written)):
        figures[f"{name}_examples"] = int(one.sum())
        figures[f"{name}_replies"] = int(many.sum())
        figures[f"{name}_right_choice"] = round(float(chosen[one].mean()), 3)
        figures[f"{name}_auc"] = round(auc(held_out[many], rows.keeps[many]), 3)
        figures[f"{name}_ece"] = round(
            calibration_error(held_out[many], rows.keeps[many], rows.weight[many]), 3
        )
    return figures


def calibration_error(p: Values, kept: Values, weight: Values, bins: int = 10) -> float:
    """Return the expected calibration error of weighted judgements."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs((weight * (p - kept))[place == each].sum()) for each in range(bins)]
    return float(sum(gaps) / weight.sum())


def auc(scores: Values, kept: Values) -> float:
    """Return the probability that a reply which keeps scores above one which does not."""
    ranks = np.argsort(np.argsort(scores)) + 1
    good = kept > 0
    count = int(good.sum())
    return float((ranks[good].sum() - count * (count + 1) / 2) / (count * (len(kept) - count)))


def _directions_without(material: Material, of_names: Folds, fold: int) -> Directions:
    rest = of_names != fold
    return fit_directions(
        material.names[rest], material.targets[rest], sharpness=_SHARPNESS, ridge=_RIDGE
    )


if __name__ == "__main__":
    main()
