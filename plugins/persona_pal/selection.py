"""Chooses the number of prototypes, the training time and the spreads on held-out users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from persona_engine.modelling import Doubles
from persona_engine.modelling.gauss_newton import LatentPrior
from persona_engine.modelling.latent_users import few_shot_losses
from persona_engine.modelling.table import Table
from persona_pal.people import Space, Voters, contrasts, prior_of
from persona_pal.training import Arrays, Design, learn

SPREADS = (0.7, 1.0, 1.4, 2.0)
"""Factors on the users' prior to choose from."""

SCALES = (0.7, 0.85, 1.0, 1.2, 1.4)
"""Factors on the logits to choose from: users whose answers were learned from look too sure."""

_HELD_OUT = 0.2
_FEWEST_USERS = 8  # fewer held-out users than two can't tell anything
_PLAIN_STEPS = 100  # without held-out users
_GLANCE = 150  # users whose prior is fitted at each look
_LEAST_GAIN = 0.5  # standard errors that more prototypes must gain


@dataclass(frozen=True, slots=True)
class Choice:
    """What predicts unseen users best.

    Args:
        prototypes: How many, ``K``.
        steps: Steps of training.
        seed: Of the first parameters, so that the final fit begins where the best one began.
        spread: Factor on the users' prior.
        scale: Factor on the logits.
        held_out_nll: Mean loss of held-out users, given 0, 1, 4 and 16 of their comparisons; NaN
            where there were too few users.
    """

    prototypes: int
    steps: int
    seed: int
    spread: float
    scale: float
    held_out_nll: float


def choose(
    table: Table,
    design: Design,
    counts: Sequence[int],
    *,
    rng: np.random.Generator,
    report: Callable[[int], None],
) -> Choice:
    """Return the setting with the least few-shot loss, the fewest prototypes within its noise.

    Args:
        table: All comparisons.
        design: What is fixed; its number of prototypes is ignored.
        counts: Numbers of prototypes to choose from.
        rng: Draws the held-out users and the first parameters.
        report: Called with the number of candidates done.
    """
    if table.users < _FEWEST_USERS:
        return Choice(1, _PLAIN_STEPS, _seed(rng), 1.0, 1.0, float("nan"))
    seen, unseen = table.split(_HELD_OUT, rng)
    trials = []
    for done, count in enumerate(sorted(set(counts)), start=1):
        trials.append(_trial(seen, unseen, replace(design, prototypes=count), _seed(rng)))
        report(done)
    best = min(trials, key=lambda trial: trial[0].held_out_nll)
    for choice, losses in trials:
        worse = losses - best[1]
        if worse.mean() <= _LEAST_GAIN * worse.std() / np.sqrt(len(worse)):
            return choice
    return best[0]


def space_of(design: Design, parameters: Arrays, *, scale: float = 1.0) -> Space:
    """Return the preference space of trained parameters, without the training users' weights."""
    kept = {k: v for k, v in parameters.items() if k not in ("users", "log_scale")}
    trained = min(float(np.exp(parameters["log_scale"][0])), 100.0)
    return Space(design.metric, kept, scale * trained)


def _trial(seen: Table, unseen: Table, design: Design, seed: int) -> tuple[Choice, Doubles]:
    """Return the best setting of a number of prototypes, and the held-out users' losses."""
    start = contrasts(design.prototypes)
    glance = seen.take(np.flatnonzero(seen.user < _GLANCE))

    def held_out_loss(parameters: Arrays) -> float:
        space = space_of(design, parameters)
        prior = prior_of(Voters(space, glance, most=24), start, rounds=3)
        return float(few_shot_losses(Voters(space, unseen, most=40).answers, prior).mean())

    rng = np.random.default_rng(seed)
    trained = learn(seen, design, rng=rng, held_out_loss=held_out_loss)
    prior = prior_of(Voters(space_of(design, trained.parameters), seen, most=32), start, rounds=6)
    found: list[tuple[Choice, Doubles]] = []
    for scale in SCALES:
        voters = Voters(space_of(design, trained.parameters, scale=scale), unseen, most=40)
        for spread in SPREADS if design.prototypes > 1 else (1.0,):
            losses = few_shot_losses(voters.answers, prior.widened(spread))
            nll = float(losses.mean())
            choice = Choice(design.prototypes, trained.steps, seed, spread, scale, nll)
            found.append((choice, losses))
    return min(found, key=lambda each: each[0].held_out_nll)


def finish(
    table: Table,
    design: Design,
    choice: Choice,
) -> tuple[Space, LatentPrior]:
    """Fit the chosen setting on everybody."""
    design = replace(design, prototypes=choice.prototypes)
    rng = np.random.default_rng(choice.seed)
    trained = learn(table, design, rng=rng, until=max(choice.steps, 1))
    voters = Voters(space_of(design, trained.parameters), table, most=32)
    prior = prior_of(voters, contrasts(choice.prototypes), rounds=6).widened(choice.spread)
    return space_of(design, trained.parameters, scale=choice.scale), prior


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))
