"""The prefix value head: from the newest hidden state, what the rest of a reply will be like."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from persona_engine.errors import ArtefactError
from persona_engine.types import FloatArray

_FINGERPRINT = "fingerprint"
_LENGTH = "length"
_SHORTEST_REST = 0.25  # of what has been said: what follows in a reply longer than typical


@dataclass(frozen=True, slots=True, eq=False)
class PrefixValue:
    """Predicts from the beginning of a reply what it will become, whoever judges it.

        φ̂(x, y_{≤t}) = (t · φ(x, y_{≤t}) + (T − t) · (φ̄ + (h_t − h̄) A B)) / T

    A B is a ridge regression of low rank of the mean hidden state of the rest, h_{t+1} … h_T, on
    the newest one, h_t, over rollouts; both as differences from other rollouts of the same prompt
    after as many tokens, whose means here are h̄ and φ̄. Prefix scorers are trained on the final
    reward of rollouts (FUDGE, Yang and Klein 2021, arXiv 2104.05218; CD-FUDGE, Mudgal et al. 2024,
    arXiv 2310.17022); here the final features stand in its place, so that one head serves every
    person: a linear reward of what it predicts is the prediction of that reward.

    Use it wherever branches are compared before they end. Another feature space has none; there
    beginnings are judged as they are.

    Args:
        into: A, ``(H, r)``.
        out_of: B, ``(r, H)``.
        length: Tokens of a typical reply.
        fingerprint: Feature space.
    """

    into: FloatArray
    out_of: FloatArray
    length: float
    fingerprint: str

    def foresee(self, features: FloatArray, newest: FloatArray, *, tokens: int) -> FloatArray:
        """Return the features ``(n, D)`` that beginnings of replies to one prompt will end with.

        Args:
            features: Of the beginnings, ``(n, D)``; only their first ``H`` values change.
            newest: Hidden states of their newest tokens, ``(n, H)``.
            tokens: Their length.
        """
        share = np.float32(tokens / self.whole(tokens))
        states = self.states(features)
        foreseen = features.copy()
        rest = states.mean(0) + self.rest(newest)
        foreseen[:, : states.shape[1]] = share * states + (1.0 - share) * rest
        return foreseen

    def whole(self, tokens: int) -> float:
        """Return how long a reply is expected to become that has so many tokens."""
        return max(self.length, tokens * (1.0 + _SHORTEST_REST))

    def states(self, features: FloatArray) -> FloatArray:
        """Return the part of features that is a mean of hidden states, ``(n, H)``."""
        return features[:, : self.into.shape[0]]

    def rest(self, newest: FloatArray) -> FloatArray:
        """Return by how much the rest of each reply will differ from the others', ``(n, H)``."""
        found: FloatArray = (newest - newest.mean(0)) @ self.into @ self.out_of
        return found

    def save(self, root: Path) -> Path:
        """Write it into the folder of heads; return the file."""
        from safetensors.numpy import save

        root.mkdir(parents=True, exist_ok=True)
        path = root / _file_name(self.fingerprint)
        arrays = {"into": self.into, "out_of": self.out_of}
        halves = {name: np.ascontiguousarray(a, np.float16) for name, a in arrays.items()}
        described = {_FINGERPRINT: self.fingerprint, _LENGTH: repr(float(self.length))}
        path.write_bytes(save(halves, metadata=described))
        return path


def prefix_values_root() -> Path:
    """Return the folder of the package that holds heads."""
    return Path(__file__).resolve().parent.parent / "data" / "prefix_value"


@lru_cache(maxsize=8)
def load_prefix_value(fingerprint: str, *, root: Path | None = None) -> PrefixValue | None:
    """Return the head for a feature space, or None when the package carries none.

    Args:
        fingerprint: The encoder's.
        root: Where to look instead of the package.

    Raises:
        ArtefactError: It is there, but damaged, or of another feature space.

    Examples:
        >>> load_prefix_value("bigram/22/8") is None
        True
    """
    path = (root or prefix_values_root()) / _file_name(fingerprint)
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stored:
            described = stored.metadata() or {}
            into, out_of = (stored.get_tensor(name) for name in ("into", "out_of"))
            length = float(described[_LENGTH])
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ArtefactError(
            f"the prefix value head {path} cannot be read: {error}",
            remedy="install the package again, or run python -m persona_token_search.train",
        ) from error
    if described.get(_FINGERPRINT) != fingerprint:
        raise ArtefactError(
            f"the prefix value head {path} is of {described.get(_FINGERPRINT)!r}, expected "
            f"{fingerprint!r}",
            remedy="run python -m persona_token_search.train",
        )
    return PrefixValue(into.astype(np.float32), out_of.astype(np.float32), length, fingerprint)


def _file_name(fingerprint: str) -> str:
    return f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.safetensors"
