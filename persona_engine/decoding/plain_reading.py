"""Features of replies as rewards are learned on them, where decoding read them otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.decoding.objective import Objective
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.types import Conversation, FloatArray

FINALISTS = 8
"""Best replies that are encoded again, beside the plain sample."""


def read_plainly(
    texts: Sequence[str],
    branches: Branches,
    reward: Reward,
    objective: Objective,
    *,
    bare: Conversation,
    generator: Generator,
) -> FloatArray:
    """Return features ``(B, D)`` of finished replies, corrected for a prompt's block or an adapter.

    Rewards are learned on plain conversations, read by the base model. Instructions in the prompt
    and adapters move the features of all replies, mostly alike, but not enough alike to rank by:
    the best `FINALISTS` and the plain sample are encoded as replies to the bare conversation,
    φ(x, y_i), and the others move by the mean of what these moved by.

    Args:
        texts: ``B`` replies.
        branches: What they are.
        reward: The person's reward.
        objective: By which the best are found.
        bare: The conversation without the block.
        generator: Of the branches.
    """
    features = branches.features()
    spoken = np.array([bool(text.strip()) for text in texts])
    if not spoken.any():
        return features
    values = objective.values(
        reward,
        features,
        log_probs=branches.log_probs,
        tokens=branches.token_counts,
        texts=texts,
    )
    best = [int(i) for i in np.argsort(-values, kind="stable") if spoken[i]][:FINALISTS]
    chosen = sorted({*best, *([0] if spoken[0] else [])})
    plain = generator.feature_encoder.encode([bare] * len(chosen), [texts[i] for i in chosen])
    corrected: FloatArray = features + (plain - features[chosen]).mean(0, dtype=np.float32)
    corrected[chosen] = plain
    return corrected


def depends_on(reward: Reward, features: FloatArray) -> bool:
    """Return whether a reward tells some features apart; one that reads only words does not."""
    return bool(np.ptp(reward.score(features).mean) > 0.0) if len(features) > 1 else False
