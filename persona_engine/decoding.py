"""What decoders have in common: streaming what is settled, lengths that differ, the result.

Public to plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from persona_engine.interfaces import Branches, Reward
from persona_engine.ranking import rank_candidates
from persona_engine.types import Candidate, Generation

OnText = Callable[[str], None]


class Outlet:
    """Passes on each piece of text once, as soon as it cannot change any more.

    A token that settles nothing passes on an empty piece, where a reader who left can end decoding.

    Args:
        on_text: Takes the pieces; None for a reply that nobody reads as it grows.
    """

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._sent = 0

    def settle(self, text: str) -> None:
        """Pass on what of a text has not been passed on yet."""
        if self._on_text is not None:
            self._on_text(text[self._sent :])
            self._sent = max(self._sent, len(text))

    def settle_shared(self, texts: Sequence[str]) -> None:
        """Pass on what all texts begin with: whichever is chosen, that stays."""
        self.settle(shared_beginning(texts))


def shared_beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with.

    Examples:
        >>> shared_beginning(["The way home", "The way there", "The war"])
        'The wa'
    """
    # What the first and the last in sorted order share, all between them share.
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((i for i, (a, b) in pairs if a != b), len(first))]


def end_biases(branches: int, spread: float) -> tuple[float, ...]:
    """Return a bias on ending for each branch: none for the plain sample, then shorter, longer.

    Samples of one prompt differ little in length, which people care about most.

    Args:
        branches: How many.
        spread: Largest bias, in nats for every 32 tokens after the first 32; 0 for none.

    Examples:
        >>> end_biases(6, 4.0)
        (0.0, 4.0, -4.0, 2.0, -2.0, 4.0)
    """
    if spread == 0.0 or branches == 1:
        return ()
    turns = (spread, -spread, spread / 2, -spread / 2)
    return (0.0, *(turns[i % len(turns)] for i in range(branches - 1)))


def conclude(
    texts: Sequence[str], branches: Branches, reward: Reward | None, *, min_confidence: float
) -> Generation:
    """Return finished branches as a result, best first; branch 0 is the plain sample.

    Args:
        texts: Of the branches, ``B`` of them.
        branches: What they are.
        reward: The person's reward, or None.
        min_confidence: Least probability that another is preferred to the plain sample.

    Raises:
        PluginError: The reward is not finite.
    """
    features = branches.features()
    verdict = rank_candidates(texts, features, reward, min_confidence=min_confidence)
    tokens, log_probs = branches.token_counts, branches.log_probs
    return Generation(
        candidates=tuple(
            Candidate(
                text=texts[i],
                reward=verdict.rewards.get(i),
                spread=verdict.spreads.get(i),
                tokens=tokens[i],
                log_prob=float(log_probs[i]),
            )
            for i in verdict.order
        ),
        features=features[np.array(verdict.order)],
        decided=verdict.decided,
        confidence=verdict.confidence,
        reason=verdict.reason,
    )
