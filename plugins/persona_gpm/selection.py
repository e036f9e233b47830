"""Chooses blocks, training time and spreads on held-out users, then fits everybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import Doubles
from persona_engine.modelling.gauss_newton import LatentPrior, fit_prior
from persona_engine.modelling.latent_users import few_shot_losses
from persona_engine.modelling.table import Table
from persona_gpm.training import Arrays, Voters, learn, voters_of

SPREADS = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0)
"""Factors on the users' prior to choose from; 0 lets nobody differ."""

SCALES = (0.5, 0.7, 0.85, 1.0, 1.2)
"""Factors on the logits to choose from: users whose answers were learned from look too sure."""

_HELD_OUT = 0.2
_FEWEST_USERS = 8  # fewer held-out users than two can't tell anything
_PLAIN_STEPS = 100  # without held-out users
_GLANCE = 150  # users whose prior is fitted at each look
_LEAST_GAIN = 0.5  # standard errors that more blocks must gain


@dataclass(frozen=True, slots=True)
class Choice:
    """What predicts unseen users best.

    Args:
        blocks: How many, ``K``.
        steps: Steps of training.
        spread: Factor on the users' prior.
        scale: Factor on the logits.
        held_out_nll: Mean loss of held-out users, given 0, 1, 4 and 16 of their comparisons; NaN
            where there were too few users.
    """

    blocks: int
    steps: int
    spread: float
    scale: float
    held_out_nll: float


def choose(
    table: Table,
    counts: Sequence[int],
    *,
    personal: bool,
    rng: np.random.Generator,
    report: Callable[[int], None],
) -> Choice:
    """Return the setting with the least few-shot loss, the fewest blocks within its noise.

    Args:
        table: All comparisons.
        counts: Numbers of blocks to choose from.
        personal: Whether users have block weights of their own.
        rng: Draws the held-out users and the first parameters.
        report: Called with the number of candidates done.
    """
    if table.users < _FEWEST_USERS:
        return Choice(min(counts), _PLAIN_STEPS, 0.0, 1.0, float("nan"))
    seen, unseen = table.split(_HELD_OUT, rng)
    trials = []
    for done, count in enumerate(sorted(set(counts)), start=1):
        trials.append(_trial(seen, unseen, count, personal, rng))
        report(done)
    best = min(trials, key=lambda trial: trial[0].held_out_nll)
    for choice, losses in trials:
        worse = losses - best[1]
        if worse.mean() <= _LEAST_GAIN * worse.std() / np.sqrt(len(worse)):
            return choice
    return best[0]


def finish(
    table: Table, choice: Choice, *, personal: bool, rng: np.random.Generator
) -> tuple[Arrays, LatentPrior]:
    """Fit the chosen setting on everybody; logits are scaled in the embedding."""
    trained = learn(table, choice.blocks, personal=personal, rng=rng, until=max(choice.steps, 1))
    prior = _prior(voters_of(table, trained.parameters, most=32), choice.blocks, personal, rounds=6)
    root = np.float32(np.sqrt(choice.scale))
    arrays = {key: value for key, value in trained.parameters.items() if key != "users"}
    scaled = {key: root * arrays[key] for key in ("embedding", "constant")}
    return arrays | scaled, _spread(prior, choice.spread)


def _trial(
    seen: Table, unseen: Table, blocks: int, personal: bool, rng: np.random.Generator
) -> tuple[Choice, Doubles]:
    """Return the best setting of a number of blocks, and the held-out users' losses."""
    glance = seen.take(np.flatnonzero(seen.user < _GLANCE))

    def held_out_loss(parameters: Arrays) -> float:
        prior = _prior(voters_of(glance, parameters, most=24), blocks, personal, rounds=3)
        return float(few_shot_losses(voters_of(unseen, parameters, most=40).answers, prior).mean())

    trained = learn(seen, blocks, personal=personal, rng=rng, held_out_loss=held_out_loss)
    prior = _prior(voters_of(seen, trained.parameters, most=32), blocks, personal, rounds=6)
    voters = voters_of(unseen, trained.parameters, most=40)
    found: list[tuple[Choice, Doubles]] = []
    for scale in SCALES:
        for spread in SPREADS if personal else (0.0,):
            losses = few_shot_losses(voters.scaled(scale).answers, _spread(prior, spread))
            choice = Choice(blocks, trained.steps, spread, scale, float(losses.mean()))
            found.append((choice, losses))
    return min(found, key=lambda each: each[0].held_out_nll)


def _prior(voters: Voters, blocks: int, personal: bool, *, rounds: int) -> LatentPrior:
    ones = np.ones(blocks)
    if not personal:
        return LatentPrior(ones, np.zeros((blocks, 0)))
    return fit_prior(voters.answers(0, 32), LatentPrior(ones, np.eye(blocks)), rounds=rounds)[0]


def _spread(prior: LatentPrior, factor: float) -> LatentPrior:
    """Return the prior that many times as wide; without width, without latent dimensions."""
    if factor == 0.0:
        return LatentPrior(prior.mean, np.zeros((len(prior.mean), 0)))
    return prior.widened(factor)
