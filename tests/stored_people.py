"""Two people of one tenant, and what the store's tests record of them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from persona_engine.store import Fold, NewComparison, Store, UserStore
from persona_engine.types import Instruction, Posterior, Scope

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PAIR = NewComparison("Plan my day", "Short.", "A long answer.")


def alice(store: Store) -> UserStore:
    return store.user(Scope("acme", "alice"))


def bob(store: Store) -> UserStore:
    return store.user(Scope("acme", "bob"))


def posterior(count: int) -> Posterior:
    return Posterior(
        "hierarchical",
        "v1",
        "space",
        np.full(3, count, np.float32),
        np.eye(3, dtype=np.float32),
        count,
        {"precision": np.arange(4, dtype=np.float64)},
    )


def counting() -> Fold:
    return Fold(
        "hierarchical",
        "v1",
        lambda before, _: posterior(1 if before is None else before.count + 1),
    )


def instruction(name: str, text: str = "Be brief.") -> Instruction:
    return Instruction(name, text, MOMENT)
