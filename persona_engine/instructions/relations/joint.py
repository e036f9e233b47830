"""The second judge of relations: it reads both texts together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from persona_engine.errors import ArtefactError
from persona_engine.instructions.relations.features import PAIR_FEATURES
from persona_engine.types import FloatArray, PairAdapter

FILE = Path(__file__).parent / "data" / "joint.safetensors"
HEAD = (
    "feature_weight",
    "feature_bias",
    "hidden_weight",
    "hidden_bias",
    "output_weight",
    "output_bias",
)
_ADAPTER = "adapter."


@dataclass(frozen=True, slots=True, eq=False)
class JointNetwork:
    """A classifier of pairs of texts that the sentence encoder reads together.

    p = softmax(V relu(W [u, v, |u − v|, u ∘ v, relu(A f)]))

    u and v are the mean states of the old and the new text, read together through the encoder's
    adapted upper layers (`PairAdapter`), f are `pair_features`. The joint reading is that of BERT's
    sentence pairs (Devlin et al. 2019, arXiv:1810.04805); products and differences of the two sides
    are those of Conneau et al. 2017 (arXiv:1705.02364). It understands paraphrases that share no
    word, where `RelationNetwork`, which sees each text by itself, is surer about the rest.

    Args:
        fingerprint: The sentence encoder it was trained on.
        adapter: What was learned of the encoder's upper layers.
        head: ``feature_weight (A, F)``, ``feature_bias (A,)``, ``hidden_weight (H, 4E + A)``,
            ``hidden_bias (H,)``, ``output_weight (3, H)``, ``output_bias (3,)``.
    """

    fingerprint: str
    adapter: PairAdapter
    head: Mapping[str, FloatArray]

    def probabilities(self, features: FloatArray, states: FloatArray) -> FloatArray:
        """Return ``(I, 3)`` probabilities of same, update, unrelated.

        Args:
            features: Of `pair_features`, ``(I, F)``.
            states: Mean states of the old and the new text, read together, ``(I, 2, E)``.
        """
        h = self.head
        old, new = states[:, 0], states[:, 1]
        said = np.maximum(features @ h["feature_weight"].T + h["feature_bias"], 0)  # (I, A)
        joined = np.concatenate([old, new, np.abs(old - new), old * new, said], axis=1)
        hidden = np.maximum(joined @ h["hidden_weight"].T + h["hidden_bias"], 0)
        scores = hidden @ h["output_weight"].T + h["output_bias"]  # (I, 3)
        exp = np.exp(scores - scores.max(axis=1, keepdims=True))
        p: FloatArray = exp / exp.sum(axis=1, keepdims=True)
        return p


@lru_cache(maxsize=4)
def load_joint(path: Path = FILE) -> JointNetwork:
    """Read what ``python -m persona_engine.instructions.relations.train joint`` wrote.

    Raises:
        ArtefactError: The file is missing or damaged.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            described: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118  # no mapping
        if described["features"] != " ".join(PAIR_FEATURES):
            raise ValueError("it was trained on other features")
        changes = {n.removeprefix(_ADAPTER): t for n, t in tensors.items() if _ADAPTER in n}
        adapter = PairAdapter(int(described["lower"]), changes)
        head = {name: tensors[name] for name in HEAD}
        return JointNetwork(described["fingerprint"], adapter, head)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ArtefactError(
            f"the relation scorer in {path} cannot be read: {error}",
            remedy="install the package again, or run "
            "`python -m persona_engine.instructions.relations.train joint`",
        ) from error


def save_joint(network: JointNetwork, path: Path) -> None:
    """Write all tensors as float16, with the encoder's and the features' names."""
    from safetensors.numpy import save_file

    changes = {f"{_ADAPTER}{name}": each for name, each in network.adapter.tensors.items()}
    tensors = {name: each.astype(np.float16) for name, each in {**changes, **network.head}.items()}
    described = {
        "fingerprint": network.fingerprint,
        "features": " ".join(PAIR_FEATURES),
        "lower": str(network.adapter.lower),
    }
    save_file(tensors, path, metadata=described)
