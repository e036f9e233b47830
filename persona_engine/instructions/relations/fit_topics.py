"""Fits the networks that see each topic by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cosine_similarity, cross_entropy, dropout

from persona_engine.instructions.relations.bank import LABELS
from persona_engine.instructions.relations.features import PAIR_FEATURES, pair_features
from persona_engine.instructions.relations.network import TENSORS, RelationNetwork
from persona_engine.instructions.relations.pairs import Pair
from persona_engine.instructions.relations.text import read
from persona_engine.types import FloatArray

WIDTH, HIDDEN, DROPOUT = 96, 96, 0.4
EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 10, 256, 3e-3, 1e-3, 0.05
UNRELATED_WEIGHT = 1.5  # a wish that is lost costs more than one that is kept twice


def arrays(pairs: Sequence[Pair], embed: Callable[[Sequence[str]], FloatArray]) -> dict[str, Any]:
    """Return features ``(n, F)``, embeddings ``(n, E)``, cosines of conditions, labels ``(n,)``."""
    old = [read(each.before) for each in pairs]
    new = [read(each.after) for each in pairs]
    rows = [pair_features([a], b)[0] for a, b in zip(old, new, strict=True)]
    when_old = embed([each.condition or each.topic for each in old])
    when_new = embed([each.condition or each.topic for each in new])
    return {
        "features": np.stack(rows),
        "old": embed([each.topic for each in old]),
        "new": embed([each.topic for each in new]),
        "conditions": (when_old * when_new).sum(axis=1),
        "labels": np.array([each.label for each in pairs]),
    }


def fit(data: dict[str, Any], *, seed: int) -> dict[str, FloatArray]:
    """Return one member's tensors, trained with AdamW and a one-cycle rate."""
    torch.manual_seed(seed)
    t = {name: torch.as_tensor(value) for name, value in data.items()}
    t["features"] = t["features"].float()
    inputs = t["features"].shape[1] + 4 + 2 * WIDTH
    project = torch.nn.Linear(t["old"].shape[1], WIDTH, bias=False)
    torch.nn.init.normal_(project.weight, std=2 / t["old"].shape[1] ** 0.5)
    hide, out = torch.nn.Linear(inputs, HIDDEN), torch.nn.Linear(HIDDEN, len(LABELS))
    weights = [each for part in (project, hide, out) for each in part.parameters()]
    count = len(t["labels"])
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=EPOCHS * -(-count // BATCH) + 1
    )
    importance = torch.tensor([1.0, 1.0, UNRELATED_WEIGHT])
    both, flip = PAIR_FEATURES.index("condition_both"), PAIR_FEATURES.index("flip")
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(count), BATCH):
            f, old, new = t["features"][rows], t["old"][rows], t["new"][rows]
            a, b = project(old), project(new)  # (B, K)
            cosine = (old * new).sum(1)
            extra = [cosine, cosine_similarity(a, b), t["conditions"][rows] * f[:, both]]
            extra.append(f[:, flip] * cosine)
            joined = [f, 2 * torch.stack(extra, 1), dropout(a * b, DROPOUT)]
            joined.append(dropout((a - b).abs(), DROPOUT))
            hidden = dropout(torch.relu(hide(torch.cat(joined, 1))), DROPOUT)
            loss = cross_entropy(
                out(hidden), t["labels"][rows], weight=importance, label_smoothing=SMOOTHING
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    found = (project.weight, hide.weight, hide.bias, out.weight, out.bias)
    return {n: each.detach().numpy() for n, each in zip(TENSORS, found, strict=True)}


def ensemble(data: dict[str, Any], *, seed: int, members: int, fingerprint: str) -> RelationNetwork:
    """Return several members that differ by their seeds."""
    fitted = [fit(data, seed=seed + i) for i in range(members)]
    return RelationNetwork(fingerprint, {n: np.stack([m[n] for m in fitted]) for n in TENSORS})
