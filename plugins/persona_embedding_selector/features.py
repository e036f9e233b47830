"""What the selector reads off an instruction and a request, without running any model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from persona_engine.types import FloatArray, Instruction

GENERAL_FEATURES = ("one", "contrast", "conditional", "first_person")
TOPICAL_FEATURES = ("one", "cosine", "conditional")
_CONDITIONAL = re.compile(r"\s*(if|when|whenever)\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(r"\s*(i|i['’]\w+|my|we|we['’]\w+|our)\b", re.IGNORECASE)


def general_features(
    instructions: Sequence[Instruction],
    embeddings: FloatArray,
    *,
    general: FloatArray,
    topical: FloatArray,
) -> FloatArray:
    """Return ``(I, 4)``: what tells whether an instruction holds for every request.

    The contrast is the cosine to the nearest of the general anchors ("Use short sentences.") less
    that to the nearest of the topical ones ("I am a vegetarian.").

    Args:
        instructions: ``I`` instructions.
        embeddings: Of them, ``(I, E)``, unit length.
        general: Anchors, ``(A, E)``, unit length.
        topical: Anchors, ``(A', E)``, unit length.
    """
    contrast = (embeddings @ general.T).max(axis=1) - (embeddings @ topical.T).max(axis=1)  # (I,)
    return np.column_stack([np.ones(len(contrast)), contrast, _flags(instructions)])


def topical_features(
    instructions: Sequence[Instruction], embeddings: FloatArray, request: FloatArray
) -> FloatArray:
    """Return ``(I, 3)``: what tells whether an instruction is about this request.

    Args:
        instructions: ``I`` instructions.
        embeddings: Of them, ``(I, E)``, unit length.
        request: Embedding of the request, ``(E,)``, or one for each instruction, ``(I, E)``.
    """
    cosine = (embeddings * request).sum(axis=1)  # (I,)
    return np.column_stack([np.ones(len(cosine)), cosine, _flags(instructions)[:, 0]])


def _flags(instructions: Sequence[Instruction]) -> FloatArray:
    """Return ``(I, 2)``: says when it applies; says something of the person."""
    pairs = [_flags_of(each.text, bool(each.scope)) for each in instructions]
    return np.array(pairs, np.float32).reshape(-1, 2)


@lru_cache(maxsize=4096)
def _flags_of(text: str, scoped: bool) -> tuple[bool, bool]:
    return scoped or bool(_CONDITIONAL.match(text)), bool(_FIRST_PERSON.match(text))
