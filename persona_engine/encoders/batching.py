"""Groups token sequences of similar length into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from persona_engine.errors import ConfigError


def batches_by_length(lengths: Sequence[int], *, max_tokens: int) -> Iterator[list[int]]:
    """Yield positions in batches whose padded size stays within a token budget.

    Longest first, so that memory peaks in the first batch and not in the last. A sequence longer
    than the budget is a batch of its own.

    Raises:
        ConfigError: The budget is below 1.

    Examples:
        >>> list(batches_by_length([3, 9, 4, 8], max_tokens=18))
        [[1, 3], [2, 0]]
    """
    if max_tokens < 1:
        raise ConfigError(f"max_batch_tokens is {max_tokens!r}, expected at least 1")
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > max_tokens:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
