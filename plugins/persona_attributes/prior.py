"""What users of a population want of each attribute: mean and covariance, and how far to trust it.

Everything here is in attribute space: a response is its value of each attribute, ``(J,)``, of which
the first is the reward that all users share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.modelling import Doubles, pair_loss
from persona_engine.types import Evidence, Population, Posterior, Score

Solve = Callable[[Population, Sequence[Evidence]], list[Posterior]]

SPREADS = (0.0, 0.25, 0.5, 1.0, 1.5)
"""Factors on the users' standard deviations to choose from; 0 is the pooled model."""

_SHOTS = (0, 2, 8)
_LEAST_GAIN = 0.002  # nats a comparison
_USUAL_LOGIT = 2.0  # standard deviation of personal logits to start from


@dataclass(frozen=True, slots=True)
class Prior:
    """Tastes ``v ~ N(mean, root rootᵀ)``.

    Args:
        mean: ``(J,)``.
        root: ``(J, J)``, lower triangular.
        doubt: ``(J, J)`` root of the covariance of the estimated mean.
    """

    mean: Doubles
    root: Doubles
    doubt: Doubles

    def scaled(self, spread: float) -> Prior:
        """Return the prior with other standard deviations."""
        return Prior(self.mean, spread * self.root, self.doubt)

    def population(self) -> Population:
        """Return it as a population over attribute space, for `LinearLatentModel` to solve."""
        width = len(self.mean)
        return Population(
            "attributes",
            "attributes",
            {
                "projection": np.column_stack([self.mean, self.root]).astype(np.float32),
                "shared_factor": np.zeros((width, 1), np.float32),
                "centre": np.zeros(width, np.float32),
                "embedding": np.eye(1 + width, dtype=np.float32),
            },
        )


def pooled_prior(width: int) -> Prior:
    """Return the prior of users who all follow the shared reward."""
    return Prior(np.eye(width)[0], np.zeros((width, width)), np.zeros((width, width)))


def fit_prior(members: Sequence[Evidence], solve: Solve, *, steps: int) -> Prior:
    """Return mean and covariance of the users' tastes by expectation maximisation.

    What users want on average is in the shared reward, whose penalty was chosen on held-out users:
    the mean of the named attributes is 0, and only how far users follow the shared reward is
    learned, from them and one more who follows it exactly. Correlations are shrunk as if ``J`` more
    users had none (Dempster, Laird & Rubin 1977; Gaussian posteriors in the E step).

    Args:
        members: Each user's comparisons in attribute space.
        solve: Returns their posteriors.
        steps: Rounds.
    """
    width = members[0].width
    follows = np.eye(width)[0]
    prior = Prior(follows, np.diag(_start(members)), np.eye(width))
    for _ in range(steps):
        posteriors = solve(prior.population(), members)
        z = np.array([each.mean for each in posteriors], np.float64)  # (U, J)
        inside = np.mean([each.covariance for each in posteriors], axis=0, dtype=np.float64)
        tastes = prior.mean + z @ prior.root.T
        mean = follows * (tastes[:, 0].sum() + 1.0) / (len(tastes) + 1)
        apart = tastes - mean
        between = apart.T @ apart / len(tastes) + prior.root @ inside @ prior.root.T
        shrunk = (len(tastes) * between + width * np.diag(np.diag(between))) / (len(tastes) + width)
        root = np.linalg.cholesky(shrunk + 1e-8 * np.eye(width))
        prior = Prior(mean, root, root / np.sqrt(len(tastes)))
    return prior


def _start(members: Sequence[Evidence]) -> Doubles:
    """Return standard deviations ``(J,)`` that give every attribute an equal part of the logit."""
    rows = np.concatenate([each.chosen - each.rejected for each in members])
    size = np.sqrt(np.square(rows, dtype=np.float64).mean(0))
    start: Doubles = _USUAL_LOGIT / np.sqrt(len(size)) / np.maximum(size, 1e-3 * size.max() + 1e-9)
    start[0] = min(start[0], 1.0)
    return start


def held_out_losses(
    prior: Prior, members: Sequence[Evidence], pooled: Prior, solve: Solve
) -> Doubles:
    """Return each user's loss after a few of their comparisons, ``(SPREADS, U)``."""
    told = [each for each in members if len(each) >= 2]
    losses = np.zeros((len(SPREADS), len(told)))
    for place, spread in enumerate(SPREADS):
        tried = prior.scaled(spread) if spread else pooled
        for shots in _SHOTS:
            support = [each.take(range(min(shots, len(each) // 2))) for each in told]
            posteriors = solve(tried.population(), support)
            for number, (each, posterior) in enumerate(zip(told, posteriors, strict=True)):
                later = each.take(range(min(max(_SHOTS), len(each) // 2), len(each)))
                losses[place, number] += _loss(tried, posterior, later) / len(_SHOTS)
    return losses


def choose_spread(losses: Doubles) -> tuple[float, float]:
    """Return the spread with the least loss, and its gain over 0; 0 where the gain is noise."""
    best = int(losses.mean(1).argmin())
    gains = losses[0] - losses[best]
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf
    gain = float(gains.mean())
    return (SPREADS[best], gain) if gain > max(2.0 * error, _LEAST_GAIN) else (0.0, 0.0)


def _loss(prior: Prior, posterior: Posterior, later: Evidence) -> float:
    """Return the mean loss of a user's later comparisons, the posterior integrated out."""
    total = float(later.weight.sum())
    if total <= 0.0:
        return 0.0
    rows = later.chosen - later.rejected  # (n, J)
    mean = rows @ (prior.mean + prior.root @ posterior.mean)
    latent = rows @ prior.root
    std = np.sqrt(np.einsum("nk,kl,nl->n", latent, posterior.covariance, latent))
    logits = Score(mean.astype(np.float32), std.astype(np.float32))
    p = np.clip(logits.probability().astype(np.float64), 1e-6, 1.0 - 1e-6)
    return float(later.weight @ pair_loss(np.log(p / (1.0 - p)), later.target)) / total
