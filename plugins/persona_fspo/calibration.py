"""How far log-likelihoods may be trusted: fitted on comparisons that the prompt did not hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import Doubles, pair_loss, residual, sigmoid
from persona_engine.types import FloatArray, IntArray, LogLikelihood, PreferenceData
from persona_fspo.gains import Gains
from persona_fspo.memory import most_telling, told_by

_LEAST_ROWS = 12  # fewer decide nothing
_MOST_STEPS = 50


@dataclass(frozen=True, slots=True)
class Strength:
    """The factor β on gains.

    Args:
        mean: Its value, 0 where gains tell nothing.
        variance: How unsure it is.
        rows: Comparisons that it was fitted on.
        held_out_gain: Loss that it saves a comparison of users it was not fitted on.
    """

    mean: float
    variance: float
    rows: int
    held_out_gain: float

    @classmethod
    def none(cls, rows: int = 0, held_out_gain: float = 0.0) -> Strength:
        """Return the strength of a language model that tells nothing."""
        return cls(0.0, 0.0, rows, held_out_gain)


@dataclass(frozen=True, slots=True)
class Sample:
    """Comparisons with what is known of each besides the gain.

    Args:
        gain: ``(n,)`` gain of the chosen less that of the rejected text.
        offset: ``(n,)`` logits without it.
        weight: ``(n,)`` strengths.
        target: ``(n,)`` shares that go to the chosen text.
        user: ``(n,)`` users.
    """

    gain: Doubles
    offset: Doubles
    weight: Doubles
    target: Doubles
    user: IntArray


def measure(
    data: PreferenceData,
    offset: FloatArray,
    gains: Gains,
    log_likelihood: LogLikelihood,
    *,
    rows: int,
    rng: np.random.Generator,
    report: Callable[[int, int], None],
) -> Sample:
    """Return gains of comparisons, each given a random number of the same user's others.

    Args:
        data: Comparisons with texts.
        offset: ``(N,)`` logits without gains.
        gains: How gains are computed.
        log_likelihood: The language model.
        rows: Most comparisons to read; users take turns.
        rng: Draws them.
        report: Told how many are done, and of how many.
    """
    chosen = _in_turns(data, rows, rng)
    found = np.zeros(len(chosen))
    for place, row in enumerate(chosen):
        others = np.flatnonzero((data.user == data.user[row]) & (data.weight > 0))
        others = rng.permutation(others[others != row])
        shown = others[: rng.integers(1, gains.budget.pairs + 1)]
        told = most_telling(told_by(data.evidence_of_rows(shown)), gains.budget.pairs)
        assert data.texts is not None  # asked for by the caller
        text = data.texts[row]
        sides = gains.of(
            [each.pair for each in told],
            [(text.prompt, text.chosen), (text.prompt, text.rejected)],
            log_likelihood,
        )
        found[place] = sides[0] - sides[1]
        report(place + 1, len(chosen))
    return Sample(
        found,
        offset[chosen].astype(np.float64),
        data.weight[chosen].astype(np.float64),
        data.target[chosen].astype(np.float64),
        data.user[chosen],
    )


def _in_turns(data: PreferenceData, rows: int, rng: np.random.Generator) -> IntArray:
    """Return up to so many rows of users with two at least, one of each user before the next."""
    known = rng.permutation(np.flatnonzero(data.weight > 0))
    order = known[np.argsort(data.user[known], kind="stable")]
    _, begin, count = np.unique(data.user[order], return_index=True, return_counts=True)
    turn = np.arange(len(order)) - np.repeat(begin, count)
    several = np.repeat(count, count) >= 2
    order, turn = order[several], turn[several]
    first = np.lexsort((rng.random(len(order)), turn))[:rows]
    return order[first]


def fit_strength(sample: Sample) -> Strength:
    """Return β, 0 unless it saves held-out users' loss by more than a standard error.

    β maximises the likelihood of ``σ(offset + β gain)`` under ``N(0, 1 / rms(gain)²)``; users are
    held out one at a time.
    """
    rows = len(sample.gain)
    size = float(np.sqrt(np.mean(np.square(sample.gain)))) if rows else 0.0
    if rows < _LEAST_ROWS or not size > 0.0:
        return Strength.none(rows)
    saved = []
    for user in np.unique(sample.user):
        mine = sample.user == user
        strength, _ = _mode(sample, np.where(mine, 0.0, sample.weight), size)
        before = pair_loss(sample.offset[mine], sample.target[mine])
        after = pair_loss(sample.offset[mine] + strength * sample.gain[mine], sample.target[mine])
        saved.append(float(np.average(before - after, weights=sample.weight[mine])))
    gain, error = float(np.mean(saved)), float(np.std(saved) / np.sqrt(len(saved)))
    strength, variance = _mode(sample, sample.weight, size)
    if gain <= error or strength <= 0.0:
        return Strength.none(rows, gain)
    return Strength(strength, variance, rows, gain)


def _mode(sample: Sample, weight: Doubles, size: float) -> tuple[float, float]:
    """Return the posterior's mode and Laplace's variance, by Newton's method."""
    strength, precision = 0.0, size**2
    for _ in range(_MOST_STEPS):
        logit = sample.offset + strength * sample.gain
        p = sigmoid(logit)
        precision = size**2 + float(weight * p * (1.0 - p) @ np.square(sample.gain))
        pull = float((weight * residual(logit, sample.target)) @ sample.gain)
        step = float(np.clip((pull - size**2 * strength) / precision, -1.0 / size, 1.0 / size))
        strength += step
        if abs(step) * size < 1e-8:
            break
    return strength, 1.0 / precision
