"""Trains the network to predict users' comparisons from a few others of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count as count_from
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.interfaces import Progress
from persona_engine.modelling import Doubles, Schedule, Trained, train
from persona_engine.types import FloatArray, IntArray
from persona_gpo.episodes import Episode, Rows, split
from persona_gpo.network import Parameters, gate
from persona_gpo.torch_network import Tensors, predict_many

if TYPE_CHECKING:
    from torch import Tensor

_SHOTS = (0, 1, 2, 4, 8, 16)
_HELD_OUT = 0.15  # of the users decide when to stop
_SPREAD = 8  # coordinates of the spread
_IMAGINED = 0.8  # of the users at the first step; none
_REAL_FROM = 0.5  # of the steps on
_MOST_JUDGES = 150
_LEAST_GAIN = 0.002  # nats a comparison, and
_LEAST_ERRORS = 1.5  # standard errors: the step was chosen by the same users
_LEAST_EXAMS = 60  # users in each; fewer take several


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network beside the pooled reward.

    Args:
        trained: The network, with its loss on held-out users.
        pooled_loss: The pooled reward's loss on them.
        error: Standard error of the difference.
    """

    trained: Trained
    pooled_loss: float
    error: float

    @property
    def is_better(self) -> bool:
        """Whether the network predicts people it has not seen better than the pooled reward."""
        gain = self.pooled_loss - self.trained.held_out_loss
        return gain > max(_LEAST_GAIN, _LEAST_ERRORS * self.error)


def start(
    scale: FloatArray, *, width: int, layers: int, heads: int, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return first parameters: a network that smooths labels with the kernel of users' tastes.

    The embedder hands coordinates and label through; the first head attends by the covariance that
    rewards have over users, ``Σ scale_k² x_k x'_k``, and collects labels, which the network's head
    puts out: kernel regression (Nadaraya 1964; Watson 1964). Everything else starts small and at
    random. From an arbitrary start some dozens of users are too few to find it.

    Args:
        scale: ``(I,)`` standard deviation of users' weights along each coordinate; the first
            coordinate, the pooled reward, is not attended to.
        width: Width of a hidden state, at least ``2 (I + 1)``.
        layers: Number of transformer layers.
        heads: Number of attention heads.
        rng: Draws the weights.
    """
    parameters = _random(len(scale) + 1, width=width, layers=layers, rng=rng)
    label, collected = len(scale), width - 1
    through = np.eye(label + 1, dtype=np.float32)
    parameters["embedder.0.weight"][: 2 * (label + 1)] = np.concatenate([through, -through])
    parameters["embedder.1.weight"][: label + 1] = 0.0
    parameters["embedder.1.weight"][: label + 1, : 2 * (label + 1)] = np.hstack([through, -through])
    attend = parameters["layer.0.attend.weight"]  # (3 d, d)
    attended = np.arange(1, min(label, 1 + width // heads))
    root = scale[attended] * (width // heads) ** 0.25
    attend[attended - 1], attend[width + attended - 1] = 0.0, 0.0
    attend[attended - 1, attended] = attend[width + attended - 1, attended] = root
    attend[2 * width] = 0.0
    attend[2 * width, label] = 1.0
    for layer in range(layers):  # nothing else is added to the collected labels yet
        parameters[f"layer.{layer}.join.weight"][collected] = 0.0
        parameters[f"layer.{layer}.outer.weight"][collected] = 0.0
    parameters["embedder.1.weight"][collected] = 0.0
    parameters["layer.0.join.weight"][collected, 0] = 1.0
    parameters["head.0.weight"][:2] = 0.0
    parameters["head.0.weight"][:2, collected] = 1.0, -1.0
    parameters["head.1.weight"][0, :2] = 1.0, -1.0
    spread = np.diag(scale)[:, 1 : 1 + _SPREAD]
    # Averaged over its spread, a logit shrinks: the pooled reward may grow by so much.
    pooled = np.ones(1, np.float32)
    return {**parameters, "spread": spread.astype(np.float32), "pooled": pooled}


def _random(
    inputs: int, *, width: int, layers: int, rng: np.random.Generator
) -> dict[str, FloatArray]:
    parameters: dict[str, FloatArray] = {}

    def linear(name: str, outputs: int, fan: int, gain: float) -> None:
        bound = gain * np.sqrt(3.0 / fan)
        drawn = rng.uniform(-bound, bound, (outputs, fan))
        parameters[f"{name}.weight"] = drawn.astype(np.float32)
        parameters[f"{name}.bias"] = np.zeros(outputs, np.float32)

    linear("embedder.0", width, inputs, 1.0)
    linear("embedder.1", width, width, 1.0)
    for layer in range(layers):
        name = f"layer.{layer}"
        linear(f"{name}.attend", 3 * width, width, 0.6)
        linear(f"{name}.join", width, width, 0.6)
        linear(f"{name}.inner", 2 * width, width, 1.0)
        linear(f"{name}.outer", width, 2 * width, 0.6)
        for norm in ("norm.0", "norm.1"):
            parameters[f"{name}.{norm}.weight"] = np.ones(width, np.float32)
            parameters[f"{name}.{norm}.bias"] = np.zeros(width, np.float32)
    linear("head.0", 2 * width, width, 1.0)
    linear("head.1", 1, 2 * width, 0.0)
    return parameters


def fit_network(
    rows: Rows,
    begin: Parameters,
    *,
    scale: FloatArray,
    heads: int,
    schedule: Schedule,
    rng: np.random.Generator,
    progress: Progress,
) -> Fitted:
    """Return the parameters that predict held-out users best, and what they gain there.

    Args:
        rows: The comparisons of at least two users.
        begin: First parameters.
        scale: ``(I,)`` standard deviation of users' weights along each coordinate: most users are
            drawn from it at first, as for prior-fitted networks (Müller et al. 2022,
            arXiv:2112.10510), and all are real from half of the steps on.
        heads: Number of attention heads.
        schedule: How long and how fast to train.
        rng: Splits the users, and each user's comparisons at every step.
        progress: Told how far it is.
    """
    import torch

    order = rng.permutation(len(rows.of_user))
    count = int(np.clip(_HELD_OUT * len(order), min(12, len(order) // 3), _MOST_JUDGES))
    learners = order[count:]
    judges = np.tile(order[:count], -(-_LEAST_EXAMS // count))
    exams = [split(rows, judges, np.random.default_rng(shots), shots=shots) for shots in _SHOTS]
    step = count_from(0)

    def loss(parameters: Tensors, users: IntArray) -> Tensor:
        share = _IMAGINED * max(0.0, 1.0 - next(step) / (_REAL_FROM * schedule.steps))
        episode = split(rows, learners[users], rng, imagined=scale, share=share)
        return _by_user(episode, _losses(parameters, episode, heads)).mean()

    def losses(parameters: Tensors) -> Doubles:
        found = [_by_user(each, _losses(parameters, each, heads)).numpy() for each in exams]
        mean: Doubles = np.mean(found, 0).reshape(-1, count).mean(0)
        return mean

    def judged(parameters: Tensors) -> float:
        return float(losses(parameters).mean())

    trained = train(
        begin,
        loss,
        items=len(learners),
        schedule=schedule,
        rng=rng,
        held_out_loss=judged,
        report=lambda done, total: progress("gpo", done, total),
    )
    pooled = np.mean([_by_user(each, _pooled_losses(each)).numpy() for each in exams], 0)
    pooled = pooled.reshape(-1, count).mean(0)
    best = {name: torch.from_numpy(value) for name, value in trained.parameters.items()}
    gain = pooled - losses(best)
    return Fitted(trained, float(pooled.mean()), float(gain.std() / np.sqrt(count)))


def _by_user(episode: Episode, losses: Tensor) -> Tensor:
    """Return each user's mean loss, ``(U,)``."""
    return (episode.weight * losses).sum(1) / episode.weight.sum(1)


def _losses(parameters: Tensors, episode: Episode, heads: int) -> Tensor:
    """Return the loss of each target, integrated over its spread, ``(U, T)``."""
    import torch

    rewards = predict_many(parameters, episode.context, episode.bias, episode.targets, heads)
    asked = episode.targets[..., :-1] @ parameters["spread"]  # (U, 2 T, S)
    told = episode.context[..., :-1] @ parameters["spread"]  # (U, 2 C, S)
    asked, told = _difference(asked), _difference(told)
    precision = torch.eye(told.shape[-1]) + (told * episode.curvature[..., None]).mT @ told
    variance = (asked * torch.linalg.solve(precision, asked.mT).mT).sum(-1) + episode.doubt
    personal = _difference(rewards[..., None])[..., 0] * gate(episode.evidence)
    pooled = episode.logit * parameters["pooled"]
    return _damped_loss(pooled + personal, variance, episode.target)


def _pooled_losses(episode: Episode) -> Tensor:
    return _damped_loss(episode.logit, episode.doubt, episode.target)


def _difference(sides: Tensor) -> Tensor:
    """Return first minus second half of the tokens, ``(U, T, …)`` from ``(U, 2 T, …)``."""
    first, second = sides.chunk(2, dim=1)
    return first - second


def _damped_loss(logit: Tensor, variance: Tensor, target: Tensor) -> Tensor:
    import torch
    from torch.nn.functional import softplus

    damped = logit / torch.sqrt(1.0 + torch.pi / 8.0 * variance)
    return softplus(-damped) + (1.0 - target) * damped
