"""Trains the relation scorer: ``python -m persona_engine.instructions.relations.train``.

Needs the weights of the sentence encoder. The statements are in ``data/``; nothing of the tests or
of anybody else's data is read. A fifth of the groups is held out first, to print an honest figure;
the network that is saved learns from all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from persona_engine.encoders import sentence_encoder
from persona_engine.instructions.relations.bank import LABELS, read_statements
from persona_engine.instructions.relations.features import PAIR_FEATURES, pair_features
from persona_engine.instructions.relations.network import FILE, TENSORS, RelationNetwork
from persona_engine.instructions.relations.pairs import Pair, draw_near_pairs, draw_pairs
from persona_engine.instructions.relations.text import read
from persona_engine.interfaces import Encoder
from persona_engine.types import FloatArray
from persona_engine.weights import resolve

WIDTH, HIDDEN, DROPOUT = 96, 96, 0.4
EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 10, 256, 3e-3, 1e-3, 0.05
UNRELATED_WEIGHT = 1.5  # a wish that is lost costs more than one that is kept twice
MEMBERS = 3


class Embeddings:
    """Encodes each text once, and keeps what it encoded in a file.

    Args:
        encoder: The sentence encoder.
        cache: File to keep them in, or None.
    """

    def __init__(self, encoder: Encoder, cache: Path | None) -> None:
        self._encoder = encoder
        self._cache = cache
        self._known: dict[str, FloatArray] = {}
        if cache is not None and cache.exists():
            with np.load(cache, allow_pickle=False) as stored:
                self._known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return ``(n, E)`` embeddings."""
        missing = sorted(set(texts) - self._known.keys(), key=len)
        for start in range(0, len(missing), 512):
            some = missing[start : start + 512]
            vectors = self._encoder.encode([()] * len(some), some)
            self._known.update(zip(some, vectors, strict=True))
        if missing and self._cache is not None:
            texts_known = np.array(list(self._known))
            np.savez(self._cache, texts=texts_known, vectors=np.stack(list(self._known.values())))
        return np.stack([self._known[each] for each in texts])


def arrays(pairs: Sequence[Pair], embed: Embeddings) -> dict[str, Any]:
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
    import torch
    from torch.nn.functional import cosine_similarity, cross_entropy, dropout

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


def recalls(network: RelationNetwork, data: dict[str, Any]) -> dict[str, float]:
    """Return the share of each kind of pair that is told right."""
    told = []
    for row in range(len(data["labels"])):
        one = slice(row, row + 1)
        p = network.probabilities(
            data["features"][one], data["old"][one], data["new"][row], data["conditions"][one]
        )
        told.append(int(p.argmax()))
    right = np.array(told) == data["labels"]
    return {name: float(right[data["labels"] == i].mean()) for i, name in enumerate(LABELS)}


def save(network: RelationNetwork, path: Path) -> None:
    """Write tensors as float16, with the encoder's and the features' names."""
    from safetensors.numpy import save_file

    tensors = {name: value.astype(np.float16) for name, value in network.tensors.items()}
    described = {"fingerprint": network.fingerprint, "features": " ".join(PAIR_FEATURES)}
    save_file(tensors, path, metadata=described)


def main() -> None:
    """Draw pairs, measure on groups held out, train on all, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keeps embeddings for a second run")
    parser.add_argument("--weights", default="all-minilm-l6-v2", help="of the sentence encoder")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--no-holdout", action="store_true", help="skip the figure, only train")
    chosen = parser.parse_args()
    encoder = sentence_encoder(weights=resolve(chosen.weights))
    embed = Embeddings(encoder, chosen.cache)
    rng = np.random.default_rng(chosen.seed)
    statements = read_statements()
    pairs = draw_pairs(statements, rng) + draw_near_pairs(statements, embed, rng)
    data = arrays(pairs, embed)
    print(f"{len(pairs)} pairs of {len({each.group for each in pairs})} groups")  # noqa: T201
    if not chosen.no_holdout:
        groups = sorted({each.group for each in pairs})
        held = set(rng.permutation(groups)[: len(groups) // 5].tolist())
        out = np.array([each.group in held for each in pairs])
        kept = {name: value[~out] for name, value in data.items()}
        judge = ensemble(kept, seed=chosen.seed, members=1, fingerprint=encoder.fingerprint)
        print("held out:", recalls(judge, {n: v[out] for n, v in data.items()}))  # noqa: T201
    final = ensemble(data, seed=chosen.seed, members=MEMBERS, fingerprint=encoder.fingerprint)
    save(final, chosen.out)


if __name__ == "__main__":
    main()
