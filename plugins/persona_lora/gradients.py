"""Gradients of pairs by the adapter's matrices, kept on disk, and the ridge regression on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from persona_engine.interfaces import Progress
from persona_engine.types import TrainingTask
from persona_lora.batches import Collator, Row, as_rows
from persona_lora.examples import Example
from persona_lora.files import GRADIENTS
from persona_lora.reading import Reader
from persona_lora.scoring import autocast, log_probs, reply_logits

if TYPE_CHECKING:
    from persona_lora.tangent import Tangent

Doubles = NDArray[np.float64]
_ANCHOR = 10.0  # what an anchor weighs beside pairs, whose mean is 1


def solved(
    method: Tangent, task: TrainingTask, rows: list[Row], reader: Reader, progress: Progress
) -> dict[str, float]:
    """Give B of every layer its solution; return how right pairs are, left out and not."""
    ups = {name: p for name, p in reader.network.named_parameters() if "lora_B" in name}
    anchors = as_rows([Example((), (text,)) for text in task.anchors], reader)
    gradients = read_gradients([*rows, *anchors], reader, ups, task.folder / GRADIENTS, progress)
    for_, against = (np.array([row[side] for row in rows]) for side in ("weight", "opposed"))
    still = np.zeros(len(anchors))
    fit = ridge(
        gradients,
        np.append((for_ - against) / (for_ + against), still),
        np.append((for_ + against) / np.mean(for_ + against), still + _ANCHOR),
        margin=method.margin,
        penalty=method.ridge,
    )
    with torch.no_grad():
        for up, step in zip(ups.values(), fit.steps, strict=True):
            up.copy_(torch.from_numpy(step).view(up.shape))
    return {
        "pairs": float(len(rows)),
        "accuracy": fit.accuracy,
        "left_out_accuracy": fit.left_out_accuracy,
    }


def read_gradients(
    rows: Sequence[Row],
    reader: Reader,
    ups: Mapping[str, Any],
    path: Path,
    progress: Progress,
) -> list[NDArray[np.float16]]:
    """Return ``∂Δ/∂B`` of each matrix, ``(N, size)``, as they lie in the file.

    Of a row with a single text it is that of log π. A row's first number says whether it was
    written: 1 is written last.
    """
    sizes = [each.numel() for each in ups.values()]
    shape = (len(rows), 1 + sum(sizes))
    kept = np.memmap(path, np.float16, "r+" if path.is_file() else "w+", shape=shape)
    collate = Collator(reader.tokenizer.pad_token_id)
    for number, row in enumerate(rows):
        progress("reading gradients", number, len(rows))
        if kept[number, 0] != 1:
            with autocast(reader.network):
                batch = {k: v.to(reader.network.device) for k, v in collate([row]).items()}
                logits, following = reply_logits(reader.network, batch)
            first, *second = log_probs(logits, following).sum(1)  # of an anchor there is one
            found = torch.autograd.grad(first - sum(second), list(ups.values()))
            kept[number, 1:] = torch.cat([each.flatten() for each in found]).half().cpu().numpy()
            kept.flush()
            kept[number, 0] = 1
    kept.flush()
    progress("reading gradients", len(rows), len(rows))
    ends = np.cumsum([1, *sizes])
    return [kept[:, start:end] for start, end in pairwise(ends)]


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A solution.

    Args:
        steps: What each matrix becomes, flat.
        accuracy: Share of the pairs, by weight, that are on their side.
        left_out_accuracy: The same where each is predicted by all others.
    """

    steps: list[NDArray[np.float32]]
    accuracy: float
    left_out_accuracy: float


def ridge(
    gradients: Sequence[NDArray[np.floating]],
    target: Doubles,
    weight: Doubles,
    *,
    margin: float,
    penalty: float,
) -> Ridge:
    """Return the step along gradients that best tells the sides of pairs.

    Args:
        gradients: Of each matrix, ``(N, size)``.
        target: In [−1, 1], ``(N,)``.
        weight: What each pair counts, ``(N,)``, above 0; 1 on average.
        margin: By how much pairs move towards their sides on average, by weight.
        penalty: λ.

    Examples:
        >>> found = ridge([np.eye(2)], np.array([1.0, -1.0]), np.ones(2), margin=4.0, penalty=0.1)
        >>> found.steps[0].tolist()
        [4.0, -4.0]
    """
    sizes, raw = [], np.zeros((len(target), len(target)))
    for each in gradients:  # one at a time: all of them may be larger than the memory
        part = each.astype(np.float32)
        sizes.append(max(float(np.square(part).sum(1).mean()), 1e-12))
        raw += part @ part.T / sizes[-1]
    length = np.sqrt(np.maximum(np.diag(raw), 1e-12))
    kernel = raw / length / length[:, None]  # (N, N)
    inverse = np.linalg.inv(kernel + np.diag(penalty / weight))
    dual = inverse @ target  # (N,)
    towards = raw @ (dual / length) * np.sign(target)
    left_out = target - dual / np.diag(inverse)  # by all other pairs
    share = weight * np.abs(target)
    step = (margin / float(np.average(towards, weights=share)) * dual / length).astype(np.float32)
    return Ridge(
        [
            step @ each.astype(np.float32) / size
            for each, size in zip(gradients, sizes, strict=True)
        ],
        float(np.average(towards > 0, weights=share)),
        float(np.average(left_out * target > 0, weights=share)),
    )
