"""Fits the relation scorer: the encoder's upper layers by low-rank changes, and a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from persona_engine.encoders.joint import PARTS, lower_states, upper_layers
from persona_engine.generation.loading import LoadedModel
from persona_engine.instructions.relations.bank import LABELS
from persona_engine.instructions.relations.features import PAIR_FEATURES, pair_features
from persona_engine.instructions.relations.joint import HEAD
from persona_engine.instructions.relations.pairs import Pair
from persona_engine.instructions.relations.text import read
from persona_engine.types import FloatArray, PairAdapter

LOWER, RANK, SAID, HIDDEN, DROPOUT = 3, 32, 32, 128, 0.2
BATCH, RATE, DECAY, SMOOTHING, WARM_UP = 32, 8e-4, 1e-2, 0.05, 0.1
_SORTED_TOGETHER = 20  # batches: equal lengths waste no padding
_LONGEST = 64  # tokens


class PairScorer(nn.Module):
    """What is trained, beside the frozen encoder.

    Args:
        model: The sentence encoder's network.
    """

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self._model = model
        network = model.network
        for weight in network.parameters():
            weight.requires_grad_(False)
        width, layers = _sizes(network)
        self.changes = nn.ParameterDict({"sides": nn.Parameter(torch.zeros(2, width))})
        for number, layer in enumerate(layers[LOWER:]):
            for part in PARTS:
                outputs, inputs = layer.get_submodule(part).weight.shape
                down = torch.randn(RANK, inputs) / inputs**0.5
                self.changes[_key(f"{number}.{part}.down")] = nn.Parameter(down)
                up = torch.zeros(outputs, RANK)
                self.changes[_key(f"{number}.{part}.up")] = nn.Parameter(up)
        self.said = nn.Linear(len(PAIR_FEATURES), SAID)
        self.hide = nn.Linear(4 * width + SAID, HIDDEN)
        self.out = nn.Linear(HIDDEN, len(LABELS))
        self.drop = nn.Dropout(DROPOUT)

    def adapter(self) -> dict[str, Tensor]:
        """Return the changes by the names that `upper_layers` reads."""
        return {name.replace("/", "."): each for name, each in self.changes.items()}

    def forward(self, pairs: Sequence[Pair]) -> Tensor:
        """Return logits ``(B, 3)``."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            one, seen = lower_states(self._model, LOWER, self._tokens([p.before for p in pairs]))
            other, also = lower_states(self._model, LOWER, self._tokens([p.after for p in pairs]))
            upper = upper_layers(self._model.network, self.adapter(), LOWER, merged=False)
            states = upper(one, other, (seen, also)).float()  # (B, 2, E)
        old, new = states[:, 0], states[:, 1]
        features = torch.tensor(
            np.concatenate([pair_features([read(p.before)], read(p.after)) for p in pairs])
        )
        said = torch.relu(self.said(self.drop(features)))
        joined = torch.cat([old, new, (old - new).abs(), old * new], dim=1)
        hidden = torch.relu(self.hide(torch.cat([self.drop(joined), said], dim=1)))
        logits: Tensor = self.out(self.drop(hidden))
        return logits

    def arrays(self) -> tuple[PairAdapter, dict[str, FloatArray]]:
        """Return the adapter and the head's tensors."""
        changes = {name: each.detach().numpy() for name, each in self.adapter().items()}
        layers = (self.said, self.hide, self.out)
        weights = [each.detach().numpy() for part in layers for each in (part.weight, part.bias)]
        return PairAdapter(LOWER, changes), dict(zip(HEAD, weights, strict=True))

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._model.tokenizer(list(texts), truncation=True, max_length=_LONGEST)
        ids: list[list[int]] = encoded["input_ids"]
        return ids


def fit(
    model: LoadedModel,
    pairs: Sequence[Pair],
    *,
    count: int,
    seed: int,
    tell: Callable[[int, float], None],
    every: int = 100,
) -> PairScorer:
    """Return a scorer trained with AdamW and a one-cycle rate.

    Args:
        model: The sentence encoder's network.
        pairs: What to learn from; groups and labels are drawn evenly.
        count: How many pairs to draw.
        seed: Decides weights, batches and dropout.
        tell: Told the step and the mean loss since it was last told.
        every: How many steps lie between.
    """
    torch.manual_seed(seed)
    scorer = PairScorer(model).train()
    batches = _batches(pairs, count, np.random.default_rng(seed))
    weights = [each for each in scorer.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=len(batches) + 1, pct_start=WARM_UP
    )
    losses: list[float] = []
    for step, batch in enumerate(batches, start=1):
        labels = torch.tensor([pairs[i].label for i in batch])
        logits = scorer([pairs[i] for i in batch])
        loss = cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % every == 0 or step == len(batches):
            tell(step, float(np.mean(losses)))
            losses = []
    return scorer.eval()


def _batches(pairs: Sequence[Pair], count: int, rng: np.random.Generator) -> list[list[int]]:
    """Return positions of pairs, ``count`` in all, those of a batch of about equal length.

    Labels are drawn equally often; a group by the root of how many pairs it has.
    """
    labels = np.array([each.label for each in pairs])
    groups = np.unique([each.group for each in pairs], return_inverse=True)[1]
    kinds = groups * len(LABELS) + labels
    chance = 1 / np.sqrt(np.bincount(kinds)[kinds])
    for label in range(len(LABELS)):
        chance[labels == label] /= chance[labels == label].sum() * len(LABELS)
    drawn = rng.choice(len(pairs), count, p=chance / chance.sum())
    lengths = np.array([max(len(pairs[i].before), len(pairs[i].after)) for i in drawn])
    batches: list[list[int]] = []
    for start in range(0, count, BATCH * _SORTED_TOGETHER):
        some = drawn[start : start + BATCH * _SORTED_TOGETHER]
        some = some[np.argsort(lengths[start : start + len(some)], kind="stable")]
        cut = [some[i : i + BATCH].tolist() for i in range(0, len(some), BATCH)]
        batches += [cut[i] for i in rng.permutation(len(cut))]
    return batches


def _sizes(network: Any) -> tuple[int, list[Any]]:  # noqa: ANN401  # a transformers model
    return network.config.hidden_size, list(network.encoder.layer)


def _key(name: str) -> str:
    return name.replace(".", "/")  # torch allows no dots in a parameter's name
