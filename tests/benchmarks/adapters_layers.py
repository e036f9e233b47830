"""Where in the network pairs teach what carries over to other prompts, before any training.

A small step of `dpo` moves the odds of other pairs by the inner products of gradients: a kernel
over the matrices that are adapted (the neural tangent kernel, Jacot et al. 2018, arXiv:1806.07572).
So a choice of layers can be judged by kernel ridge regression from some questions of the bank to
the others, by the tastes of the planted groups, with one backward pass a question for all choices.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from adapters_population import GROUPS, planted
from numpy.typing import NDArray
from report import Figure, say

from persona_engine.onboarding import question_bank, replies
from persona_engine.weights import resolve
from persona_lora import Dpo
from persona_lora.batches import as_rows
from persona_lora.examples import Example
from persona_lora.gradients import read_gradients
from persona_lora.quiet import undisturbed
from persona_lora.reading import load

SPLITS, RIDGE, CLEAR, QUICK_QUESTIONS = 8, 0.1, 1.5, 12
ATTENTION, MLP = ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj")
CHOICES: Mapping[str, tuple[Sequence[str], tuple[float, float]]] = {
    "all": (ATTENTION + MLP, (0.0, 1.0)),
    "attention": (ATTENTION, (0.0, 1.0)),
    "mlp": (MLP, (0.0, 1.0)),
    "all_middle": (ATTENTION + MLP, (0.5, 5 / 6)),
    "attention_middle": (ATTENTION, (0.5, 5 / 6)),
    "mlp_middle": (MLP, (0.5, 5 / 6)),
}
"""Linear layers, and from what share of the depth to what share."""

Matrix = NDArray[np.float64]


def measure(_data: Path | None = None, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return how often each choice of layers is right about other questions than it learned from.

    Args:
        quick: A few questions of the bank.
        seed: Of the matrices A, and of what is held out.
    """
    count = QUICK_QUESTIONS if quick else len(question_bank())
    kernels = _kernels(count, seed=seed)
    depth = 1 + max(block for block, _ in kernels)
    figures = {}
    for name, (layers, (first, end)) in CHOICES.items():
        chosen = sum(
            (
                each
                for (block, layer), each in kernels.items()
                if layer in layers and first * depth <= block < end * depth
            ),
            np.zeros((count, count)),
        )
        found = [_right(chosen, group, seed=seed) for group in GROUPS]
        told = ", ".join(f"{group} {each:.2f}" for group, each in zip(GROUPS, found, strict=True))
        figures[f"layers_{name}"] = Figure(
            float(np.mean(found)), "share of held-out pairs", None, told
        )
    return figures


def _kernels(count: int, *, seed: int) -> dict[tuple[int, str], Matrix]:
    """Return the kernel of the first questions' pairs ``(Q, Q)`` by block and linear layer."""
    with undisturbed(seed):
        reader = load(resolve("smollm2-135m-instruct"), Dpo(target="all", layers="all"))
    matrices = {n: p for n, p in reader.network.named_parameters() if "lora_B" in n}
    rows = as_rows(
        [
            Example(({"role": "user", "content": each.prompt},), replies(each))
            for each in question_bank()[:count]
        ],
        reader,
    )
    with tempfile.TemporaryDirectory() as folder:
        found = read_gradients(rows, reader, matrices, Path(folder) / "gradients", _tell)
        parts = [each.astype(np.float32) for each in found]
    return {
        _place(name): (part @ part.T).astype(np.float64)
        for name, part in zip(matrices, parts, strict=True)
    }


def _tell(what: str, done: int, total: int) -> None:
    if done % 32 == 0:
        say(f"  {what}: {done} of {total}")


def _place(name: str) -> tuple[int, str]:
    _, _, rest = name.partition(".layers.")
    block, _, layer, *_ = rest.split(".")
    return int(block), layer


def _right(kernel: Matrix, group: str, *, seed: int) -> float:
    """Return how often ridge regression from half of the questions is right about the others."""
    styles = [str(each.style) for each in question_bank()[: len(kernel)]]
    taste = np.array([GROUPS[group].get(style, 0.0) for style in styles])
    clear = np.abs(taste) >= CLEAR
    size = np.sqrt(np.diag(kernel))
    like = kernel / size / size[:, None]
    found = []
    for split in range(SPLITS):
        known = np.isin(
            np.arange(len(kernel)),
            planted(held_out_share=0.5, seed=seed + split).questions["known"],
        )
        taught, asked = np.flatnonzero(known & clear), np.flatnonzero(~known & clear)
        if len(taught) and len(asked):
            ridge = like[np.ix_(taught, taught)] + RIDGE * np.eye(len(taught))
            told = like[np.ix_(asked, taught)] @ np.linalg.solve(ridge, np.sign(taste[taught]))
            found.append(np.mean(told * taste[asked] > 0))
    return float(np.mean(found)) if found else 0.5
