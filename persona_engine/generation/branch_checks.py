"""Whether what is asked of branches can be done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.types import IntArray


def check_indices(indices: Sequence[int], size: int) -> None:
    """Check that indices name some of the branches.

    Raises:
        InvalidInputError: There is none, or one is out of range.
    """
    if not indices or not all(0 <= index < size for index in indices):
        raise InvalidInputError(
            f"indices are {list(indices)}, expected one or more from 0 to {size - 1}"
        )


def as_tokens(
    tokens: Sequence[int] | IntArray, shape: tuple[int, ...], *, vocabulary: int
) -> IntArray:
    """Return tokens as an array of this shape, one or a row of some for each branch.

    Raises:
        InvalidInputError: They are not whole numbers below ``vocabulary``, or of another shape.
    """
    given = np.asarray(tokens)
    whole = np.issubdtype(given.dtype, np.integer) and given.shape == shape and given.size > 0
    if not whole or given.min() < 0 or given.max() >= vocabulary:
        raise InvalidInputError(
            f"tokens are {given.tolist()!r}, expected whole numbers from 0 to {vocabulary - 1}: "
            f"one, or a row of some, for each of {shape[0]} branches"
        )
    return given.astype(np.int64)
