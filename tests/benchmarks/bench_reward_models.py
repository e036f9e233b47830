"""How long reward models take to know a new person from eight comparisons; who predicts circles.

The default is measured against the published adaptation of LoRe (Bose et al. 2025,
arXiv:2504.14439): 500 steps of Adam on the softmax weights of a user, everything else given. All
are measured in turns in one process on one thread, in CPU time, so that a busy machine slows all of
them alike; figures are medians over rounds. Features are in memory before the clock starts.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: users a second are per core

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from cyclic_preferences import cyclic_figures
from groups_of_people import group_figures
from report import Figure, arguments, finish, say

from persona_engine.config import EngineConfig
from persona_engine.interfaces import RewardModel
from persona_engine.plugins import discover
from persona_engine.types import Evidence, FloatArray, Population, PreferenceData

WIDTH = 577
COMPARISONS = 8
TASTES = 8
ASPECTS = 32
BASES = 8
ADAM_STEPS = 500
LEARNING_RATE = 0.1
TEMPERATURE = 100.0
SIBLINGS = ("pref", "lore")


@dataclass(frozen=True)
class People:
    """Users who differ in `TASTES` directions of responses that vary in `ASPECTS`.

    Args:
        shared: ``(A,)`` what all prefer.
        tastes: ``(A, 8)`` how they differ.
        shows: ``(A, D)`` how aspects show in features.
        rng: Draws people, responses and answers.
    """

    shared: FloatArray
    tastes: FloatArray
    shows: FloatArray
    rng: np.random.Generator

    @classmethod
    def draw(cls, seed: int) -> People:
        """Return people of directions drawn with a seed."""
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.normal(size=(ASPECTS, 1 + TASTES)))[0].astype(np.float32)
        shows = rng.normal(size=(ASPECTS, WIDTH)).astype(np.float32)
        return cls(axes[:, 0], 1.5 * axes[:, 1:], shows, rng)

    def compare(self, users: int, pairs: int) -> PreferenceData:
        """Return comparisons of new people."""
        weights = self.shared + self.rng.normal(size=(users, TASTES)) @ self.tastes.T
        user = np.repeat(np.arange(users), pairs)
        a, b = self.rng.normal(size=(2, len(user), ASPECTS)).astype(np.float32)
        logit = np.einsum("na,na->n", a - b, weights[user])
        first = (self.rng.random(len(user)) < 0.5 + 0.5 * np.tanh(0.5 * logit))[:, None]
        chosen, rejected = np.where(first, a, b), np.where(first, b, a)
        return PreferenceData(self._features(chosen), self._features(rejected), user, "benchmark")

    def _features(self, aspects: FloatArray) -> FloatArray:
        noise = self.rng.normal(size=(len(aspects), WIDTH)).astype(np.float32)
        return aspects @ self.shows + 0.3 * noise

    def evidence(self, users: int) -> list[Evidence]:
        """Return eight comparisons of each of so many new people."""
        data = self.compare(users, COMPARISONS)
        cuts = range(0, len(data), COMPARISONS)
        return [
            Evidence(data.chosen[at : at + COMPARISONS], data.rejected[at : at + COMPARISONS])
            for at in cuts
        ]


@dataclass(frozen=True)
class Fitted:
    """A reward model and what it learned."""

    model: RewardModel
    population: Population

    def infer(self, people: list[Evidence]) -> None:
        """Infer each person alone, as the engine does after an answer."""
        for each in people:
            self.model.infer(self.population, each)

    def infer_many(self, people: list[Evidence]) -> None:
        """Infer everybody at once."""
        self.model.infer_many(self.population, people)


def adapt_by_adam(differences: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """Return a user's weights ``(K,)`` on ``basis (D, K)`` as LoRe fits them to ``(n, D)``."""
    free = torch.randn(basis.shape[1], requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=LEARNING_RATE)
    for _ in range(ADAM_STEPS):
        optimiser.zero_grad()
        logits = differences @ (basis @ torch.softmax(free, 0)) / TEMPERATURE
        loss = -torch.nn.functional.logsigmoid(logits).mean()
        loss.backward()
        optimiser.step()
    return torch.softmax(free.detach(), 0)


def fit(name: str, data: PreferenceData, seed: int) -> Fitted:
    """Return a reward model by name, fitted."""
    started = time.process_time()
    model = discover().create("reward_model", name)
    population = model.fit(data, rng=np.random.default_rng(seed))
    say(f"{name}: fitted in {time.process_time() - started:.1f} s, {dict(population.meta)}")
    return Fitted(model, population)


def in_turns(
    calls: dict[str, tuple[Callable[[int], object], int]], *, rounds: int
) -> dict[str, float]:
    """Return the median over rounds of the CPU seconds per unit of each call.

    Args:
        calls: By name, what to call with the round's number, and how many units of work that is.
        rounds: Times that all are called, one after the other; a first one warms up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-1, rounds):
        for name, (call, units) in calls.items():
            started = time.process_time()
            call(number)
            if number >= 0:
                seconds[name].append((time.process_time() - started) / units)
    return {name: median(each) for name, each in seconds.items()}


def measure(*, seed: int, quick: bool) -> dict[str, Figure]:
    """Fit the default and its siblings on planted people, then measure new ones."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    crowd = People.draw(seed)
    data = crowd.compare(60 if quick else 300, 24)
    default = EngineConfig().reward_model
    fitted = {name: fit(name, data, seed) for name in (default, *SIBLINGS)}
    single, many = crowd.evidence(20 if quick else 100), crowd.evidence(256 if quick else 2048)
    basis = torch.randn(WIDTH, BASES)
    first = torch.from_numpy(single[0].chosen - single[0].rejected)
    calls: dict[str, tuple[Callable[[int], object], int]] = {
        "adam": (lambda _: adapt_by_adam(first, basis), 1)
    }
    for name, each in fitted.items():
        calls[f"{name} infer"] = (lambda _, each=each: each.infer(single), len(single))
        calls[f"{name} many"] = (lambda _, each=each: each.infer_many(many), len(many))
    seconds = in_turns(calls, rounds=5 if quick else 9)
    return figures(default, seconds)


def figures(default: str, seconds: dict[str, float]) -> dict[str, Figure]:
    """Return the figures of the seconds of each call."""
    adam, infer = seconds["adam"], seconds[f"{default} infer"]
    found = {
        "infer_ms": Figure(1e3 * infer, "CPU ms", 0.3, default),
        "infer_speedup_over_adam": Figure(
            adam / infer, "times", 500, f"{1e3 * adam:.1f} ms", sense="at least"
        ),
        "infer_many_users_per_second": Figure(
            1.0 / seconds[f"{default} many"], "users/s", 80_000, default, sense="at least"
        ),
    }
    for name in SIBLINGS:
        found[f"{name}_infer_ms"] = Figure(1e3 * seconds[f"{name} infer"], "CPU ms")
        found[f"{name}_infer_many_users_per_second"] = Figure(
            1.0 / seconds[f"{name} many"], "users/s"
        )
    return found


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "").parse_args()
    found = measure(seed=options.seed, quick=options.quick)
    found |= cyclic_figures(seed=options.seed, quick=options.quick)
    found |= group_figures(seed=options.seed, quick=options.quick)
    finish(found, seed=options.seed, as_json=options.json)


if __name__ == "__main__":
    main()
