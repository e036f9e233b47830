"""The scorer's network: shapes, file and forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from persona_engine.errors import ArtefactError
from persona_engine.instructions.relations.features import PAIR_FEATURES
from persona_engine.types import FloatArray

FILE = Path(__file__).parent / "data" / "relations.safetensors"
_BOTH_CONDITIONS = PAIR_FEATURES.index("condition_both")
_FLIP = PAIR_FEATURES.index("flip")
TENSORS = ("projection", "hidden_weight", "hidden_bias", "output_weight", "output_bias")


@dataclass(frozen=True, slots=True, eq=False)
class RelationNetwork:
    """An ensemble of ``S`` networks over pairs of readings.

    p = mean_s softmax(V_s relu(W_s [f, c, z_a ∘ z_b, |z_a − z_b|])), z = P_s e

    f are `pair_features`, e the topics' embeddings, c cosines: of the topics, of z, of the
    conditions, and of the topics where one side denies. Products and differences of two embeddings
    are the usual input of sentence pair classifiers (Conneau et al. 2017, arXiv:1705.02364).

    Args:
        fingerprint: The sentence encoder it was trained on.
        tensors: ``projection (S, K, E)``, ``hidden_weight (S, H, F + 4 + 2K)``, ``hidden_bias
            (S, H)``, ``output_weight (S, 3, H)``, ``output_bias (S, 3)``.
    """

    fingerprint: str
    tensors: Mapping[str, FloatArray]

    def probabilities(
        self, features: FloatArray, old: FloatArray, new: FloatArray, conditions: FloatArray
    ) -> FloatArray:
        """Return ``(I, 3)`` probabilities of same, update, unrelated.

        Args:
            features: Of `pair_features`, ``(I, F)``.
            old: Embeddings of the old topics, ``(I, E)``, unit length.
            new: Embedding of the new topic, ``(E,)``, unit length.
            conditions: Cosine of the two conditions, ``(I,)``; counts only where both have one.
        """
        t = self.tensors
        before = np.einsum("ske,ie->sik", t["projection"], old)  # (S, I, K)
        after = np.einsum("ske,e->sk", t["projection"], new)[:, None]  # (S, 1, K)
        cosine = old @ new  # (I,)
        extra = np.stack(
            [
                np.broadcast_to(cosine, before.shape[:2]),
                _cosine(before, after),
                np.broadcast_to(conditions * features[:, _BOTH_CONDITIONS], before.shape[:2]),
                np.broadcast_to(features[:, _FLIP] * cosine, before.shape[:2]),
            ],
            axis=-1,
        )  # (S, I, 4)
        shared = np.broadcast_to(features, (len(before), *features.shape))
        inputs = np.concatenate(
            [shared, 2 * extra, before * after, np.abs(before - after)], axis=-1
        )
        hidden = inputs @ t["hidden_weight"].transpose(0, 2, 1) + t["hidden_bias"][:, None]
        scores = np.maximum(hidden, 0) @ t["output_weight"].transpose(0, 2, 1)
        scores = scores + t["output_bias"][:, None]  # (S, I, 3)
        exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mean: FloatArray = (exp / exp.sum(axis=-1, keepdims=True)).mean(axis=0)
        return mean


@lru_cache(maxsize=4)
def load_network(path: Path = FILE) -> RelationNetwork:
    """Read what ``python -m persona_engine.instructions.relations.train topics`` wrote.

    Raises:
        ArtefactError: The file is missing or damaged.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            described: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in TENSORS}
        if described["features"] != " ".join(PAIR_FEATURES):
            raise ValueError("it was trained on other features")
        return RelationNetwork(described["fingerprint"], tensors)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ArtefactError(
            f"the relation scorer in {path} cannot be read: {error}",
            remedy="install the package again, or run "
            "`python -m persona_engine.instructions.relations.train topics`",
        ) from error


def save_network(network: RelationNetwork, path: Path) -> None:
    """Write tensors as float16, with the encoder's and the features' names."""
    from safetensors.numpy import save_file

    tensors = {name: value.astype(np.float16) for name, value in network.tensors.items()}
    described = {"fingerprint": network.fingerprint, "features": " ".join(PAIR_FEATURES)}
    save_file(tensors, path, metadata=described)


def _cosine(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> FloatArray:
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    product: FloatArray = (one * other).sum(axis=-1) / np.maximum(lengths, 1e-8)
    return product
