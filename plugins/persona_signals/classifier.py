"""A linear classifier of sentences, its file, and its fit.

P(c | s) = softmax_c(W·[cues, √V-normalised grams, 3·embedding] + b)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.modelling import softmax
from persona_engine.scorers import read_scorer, write_scorer
from persona_engine.types import FloatArray
from persona_signals.features import gram_matrix

DATA = Path(__file__).parent / "data"
_EMBEDDING_SCALE = 3.0
_GRAM_SCALE = 3.0


@dataclass(frozen=True)
class Classifier:
    """Weights of one classifier, for one sentence encoder.

    Args:
        fingerprint: The encoder.
        classes: What is told apart, ``C`` of them.
        cues: Names of the first features.
        grams: The grams that follow them, ``V`` of them.
        weights: ``(F, C)`` with F = cues + V + E.
        bias: ``(C,)``.
    """

    fingerprint: str
    classes: tuple[str, ...]
    cues: tuple[str, ...]
    grams: tuple[str, ...]
    weights: FloatArray
    bias: FloatArray

    @cached_property
    def known(self) -> dict[str, int]:
        """Column of each gram."""
        return {gram: n for n, gram in enumerate(self.grams)}

    @property
    def width(self) -> int:
        """Width of the sentence embeddings."""
        return len(self.weights) - len(self.cues) - len(self.grams)

    def probabilities(
        self, cues: FloatArray, grams: Sequence[set[str]], embeddings: FloatArray
    ) -> FloatArray:
        """Return ``(n, C)``."""
        return softmax(self.features(cues, grams, embeddings) @ self.weights + self.bias)

    def features(
        self, cues: FloatArray, grams: Sequence[set[str]], embeddings: FloatArray
    ) -> FloatArray:
        """Return ``(n, F)``."""
        return stack(cues, gram_matrix(grams, self.known), embeddings)


def stack(cues: FloatArray, grams: FloatArray, embeddings: FloatArray) -> FloatArray:
    """Return the features side by side, each kind on its scale."""
    stacked: FloatArray = np.concatenate(
        [cues, _GRAM_SCALE * grams, _EMBEDDING_SCALE * embeddings], axis=1
    ).astype(np.float32)
    return stacked


def fit(
    features: FloatArray, labels: NDArray[np.int64], weight: FloatArray, *, classes: int, l2: float
) -> tuple[FloatArray, FloatArray]:
    """Return weights ``(F, C)`` and bias ``(C,)`` of the penalised multinomial regression.

    Args:
        features: ``(n, F)``.
        labels: Class of each row, ``(n,)``.
        weight: Of each row, ``(n,)``.
        classes: ``C``.
        l2: Penalty on the squared weights.
    """
    import torch

    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    share = torch.from_numpy(weight)
    w = torch.zeros(features.shape[1], classes, requires_grad=True)
    b = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([w, b], max_iter=120, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        misfit = torch.nn.functional.cross_entropy(x @ w + b, y, reduction="none")
        total: torch.Tensor = (share * misfit).sum() + 0.5 * l2 * (w * w).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    solver.step(loss)  # type: ignore[no-untyped-call]
    return (
        w.detach().numpy().astype(np.float32),
        b.detach().numpy().astype(np.float32),
    )


def save(classifier: Classifier, name: str, folder: Path = DATA) -> None:
    """Write weights as safetensors, and names as JSON."""
    named = {
        "fingerprint": classifier.fingerprint,
        "classes": classifier.classes,
        "cues": classifier.cues,
        "grams": classifier.grams,
    }
    arrays: dict[str, NDArray[Any]] = {
        "weights": classifier.weights.astype(np.float16),
        "bias": classifier.bias,
    }
    write_scorer(named, arrays, folder / f"{name}.json", folder / f"{name}.safetensors", indent=0)


@lru_cache(maxsize=8)
def load(name: str, folder: Path = DATA) -> Classifier:
    """Read what `save` wrote.

    Raises:
        ArtefactError: A file is missing or damaged.
    """
    return read_scorer(
        _classifier,
        folder / f"{name}.json",
        folder / f"{name}.safetensors",
        train="python -m persona_signals.train",
    )


def _classifier(named: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Classifier:
    return Classifier(
        fingerprint=str(named["fingerprint"]),
        classes=tuple(named["classes"]),
        cues=tuple(named["cues"]),
        grams=tuple(named["grams"]),
        weights=arrays["weights"],
        bias=arrays["bias"],
    )
