"""What checks hand to methods that read words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from persona_engine.interfaces import Encoder, LanguageTools, ReadsPairs
from persona_engine.types import FloatArray, LogLikelihood

_WIDTH = 384


def language_tools(
    encoder: Encoder | None = None, *, log_likelihood: LogLikelihood | None = None
) -> LanguageTools:
    """Return tools.

    Args:
        encoder: A sentence encoder; without one, sentences are embedded by hashing their words, so
            that those that share words are near.
        log_likelihood: The language model's, for methods that ask one; None for no language model.

    Examples:
        >>> said, near, far = language_tools().embed(["no meat", "no meat please", "rust"])
        >>> bool(said @ near > 0.7 > said @ far)
        True
    """
    if encoder is None:
        return LanguageTools(_hashed, "hashed-words", log_likelihood)

    def embed(texts: Sequence[str]) -> FloatArray:
        vectors = encoder.encode([()] * len(texts), texts)
        return _unit(np.asarray(vectors, np.float32))

    read_pairs = encoder.read_pairs if isinstance(encoder, ReadsPairs) else None
    return LanguageTools(embed, encoder.fingerprint, log_likelihood, read_pairs)


def _hashed(texts: Sequence[str]) -> FloatArray:
    vectors = np.zeros((len(texts), _WIDTH), np.float32)
    for row, text in enumerate(texts):
        for word in text.casefold().split():
            digest = hashlib.sha256(word.strip(".,!?").encode()).digest()
            generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
            vectors[row] += generator.standard_normal(_WIDTH, dtype=np.float32)
    return _unit(vectors)


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit
