"""Trains the relation scorer: ``python -m persona_engine.instructions.relations.train topics``.

``topics`` trains the networks that see each topic by itself (minutes), ``joint`` the one that reads
both texts together (tens of minutes on two cores). Both need the weights of the sentence encoder.
The statements are in ``data/``; nothing of the tests or of anybody else's data is read. Some groups
are held out to print an honest figure.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from persona_engine.encoders.sentence import SentenceEncoder
from persona_engine.generation.model import LocalModel
from persona_engine.instructions.relations import joint, network
from persona_engine.instructions.relations.bank import LABELS, read_statements
from persona_engine.instructions.relations.features import pair_features
from persona_engine.instructions.relations.near import draw_framed_pairs, draw_near_pairs
from persona_engine.instructions.relations.pairs import Pair, draw_pairs
from persona_engine.instructions.relations.text import read
from persona_engine.interfaces import Encoder
from persona_engine.types import FloatArray
from persona_engine.weights import resolve

COUNT = 32_000  # pairs that the joint network learns from
MEMBERS = 3  # networks over topics


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


def hold_out(
    pairs: Sequence[Pair], rng: np.random.Generator, *, share: int = 10
) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs of all groups but one in ``share``, and those of the others."""
    groups = sorted({each.group for each in pairs})
    held = set(rng.permutation(groups)[: len(groups) // share].tolist())
    kept = [each for each in pairs if each.group not in held]
    return kept, [each for each in pairs if each.group in held]


def train_topics(
    pairs: Sequence[Pair], embed: Embeddings, encoder: SentenceEncoder, seed: int
) -> network.RelationNetwork:
    """Measure one network on a fifth of the groups; return an ensemble that learned from all."""
    from persona_engine.instructions.relations.fit_topics import arrays, ensemble

    kept, held = hold_out(pairs, np.random.default_rng(seed), share=5)
    data = arrays(kept, embed)
    judge = ensemble(data, seed=seed, members=1, fingerprint=encoder.fingerprint)
    out = arrays(held, embed)
    told = [
        judge.probabilities(
            out["features"][i : i + 1], out["old"][i : i + 1], out["new"][i], out["conditions"][i]
        )
        for i in range(len(held))
    ]
    _report(held, np.concatenate(told))
    data = arrays(pairs, embed)
    return ensemble(data, seed=seed, members=MEMBERS, fingerprint=encoder.fingerprint)


def train_joint(
    pairs: Sequence[Pair],
    model: LocalModel,
    encoder: SentenceEncoder,
    *,
    rng: np.random.Generator,
    seed: int,
) -> joint.JointNetwork:
    """Return a network that learned from nine tenths of the groups, measured on the others."""
    from persona_engine.instructions.relations.fit_joint import fit

    kept, held = hold_out(pairs, rng)

    def tell(step: int, loss: float) -> None:
        print(f"step {step}: loss {loss:.3f}", flush=True)  # noqa: T201

    scorer = fit(model.load(), kept, count=COUNT, seed=seed, tell=tell)
    judge = joint.JointNetwork(encoder.fingerprint, *scorer.arrays())
    some = [held[i] for i in rng.permutation(len(held))[:1500]]
    states = encoder.read_pairs(
        [each.before for each in some], [each.after for each in some], adapter=judge.adapter
    )
    rows = [pair_features([read(each.before)], read(each.after))[0] for each in some]
    _report(some, judge.probabilities(np.stack(rows), states))
    return judge


def _report(pairs: Sequence[Pair], probabilities: FloatArray) -> None:
    labels = np.array([each.label for each in pairs])
    right = probabilities.argmax(axis=1) == labels
    shares = {name: round(float(right[labels == i].mean()), 3) for i, name in enumerate(LABELS)}
    print("held out:", shares)  # noqa: T201


def main() -> None:
    """Draw pairs, train, measure on the groups held out, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("topics", "joint"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keeps embeddings for a second run")
    parser.add_argument("--weights", default="all-minilm-l6-v2", help="of the sentence encoder")
    parser.add_argument("--out", type=Path, help="the shipped file unless given")
    chosen = parser.parse_args()
    model = LocalModel(resolve(chosen.weights), dtype="float32", kind="bidirectional")
    encoder = SentenceEncoder(model)
    embed = Embeddings(encoder, chosen.cache)
    rng = np.random.default_rng(chosen.seed)
    statements = read_statements()
    pairs = draw_pairs(statements, rng)
    pairs += draw_near_pairs(statements, embed, rng) + draw_framed_pairs(statements, embed, rng)
    print(f"{len(pairs)} pairs of {len({each.group for each in pairs})} groups")  # noqa: T201
    if chosen.part == "joint":
        found = train_joint(pairs, model, encoder, rng=rng, seed=chosen.seed)
        joint.save_joint(found, chosen.out or joint.FILE)
        return
    network.save_network(
        train_topics(pairs, embed, encoder, chosen.seed), chosen.out or network.FILE
    )


if __name__ == "__main__":
    main()
