"""The reward model of PAL: a user is a point among prototypes, a reply is better the nearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import require_share
from persona_engine.modelling.latent_users import LatentUsersModel, StackedLogits, State
from persona_engine.modelling.table import table_of
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)
from persona_pal.geometry import Metric, usual_reach, within_reach
from persona_pal.inference import (
    ideal_point,
    logits_of,
    rewards,
    score_of,
    spread,
    state_of,
)
from persona_pal.network import network
from persona_pal.selection import choose, finish
from persona_pal.training import Design

Variant = Literal["A", "B"]


class Pal(LatentUsersModel):
    """Ideal points: ``r_u(x) = -s·‖f(x) - u‖`` with ``u = Σ_k softmax(v_u)_k p_k``.

    PAL (Chen et al. 2024, arXiv:2406.08469): a projector ``f`` into a preference space, ``K``
    prototypes that all users share, and for each user softmax logits ``v_u``. ``P(a ≻ b) =
    σ(r_u(a) - r_u(b))``. With ``metric="angle"``, ``r_u(x) = s·cos(f(x), u)``. ``variant="A"`` has
    fixed prototypes; in ``variant="B"`` they are functions of the prompt, ``u = Σ_k softmax(v_u)_k
    g_k(prompt)``, averaged over prompts where none is known. A new user's ``v_u`` alone is fitted:
    a Gaussian prior, which is that of the training users (EM), Gauss–Newton to the mode, Laplace's
    covariance. Without answers it is the prior. The number of prototypes, the training time and
    the spreads are those that predict held-out users best after 0, 1, 4 and 16 answers.

    When to use it: where people fall between a few kinds, and where an item can be liked for being
    near rather than for having much of something; a posterior has at most ``K - 1`` dimensions, so
    it learns from very few answers. Use ``hierarchical`` where tastes differ in more ways, and
    ``mixture`` where each person is of one kind only.

    Args:
        variant: ``"A"``, or ``"B"`` for prototypes that depend on the prompt.
        metric: ``"dist"`` or ``"angle"``.
        prototypes: Numbers of prototypes to choose from; one is the pooled model.
        width: Dimensions of the preference space.
        hidden: Widths of hidden layers of the projectors; none makes them linear.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> user = np.repeat(np.arange(60), 10)
        >>> a, b = rng.normal(size=(2, 600, 3)).astype(np.float32)
        >>> likes = 2.0 * rng.normal(size=60)[user]  # some like the first feature, some dislike it
        >>> first = (likes * (a - b)[:, 0] > 0)[:, None]
        >>> data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "example")
        >>> model = Pal(prototypes=(2,))
        >>> population = model.fit(data, rng=rng)
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(10, 0), low.repeat(10, 0)))
        >>> bool(model.logit(population, fan, high, low).probability()[0] > 0.8)
        True
    """

    name = "pal"

    def __init__(
        self,
        *,
        variant: Variant = "A",
        metric: Metric = "dist",
        prototypes: Sequence[int] = (1, 2, 4),
        width: int = 32,
        hidden: Sequence[int] = (),
        keep: float = 0.999,
    ) -> None:
        if variant not in ("A", "B"):
            raise InvalidInputError(f"variant is {variant!r}, expected 'A' or 'B'")
        if metric not in ("dist", "angle"):
            raise InvalidInputError(f"metric is {metric!r}, expected 'dist' or 'angle'")
        if not prototypes or not all(1 <= k <= 16 for k in prototypes):
            raise InvalidInputError(f"prototypes is {prototypes}, expected numbers from 1 to 16")
        if width < 1 or any(each < 1 for each in hidden):
            raise InvalidInputError(f"width is {width} and hidden {hidden}, expected at least 1")
        require_share(keep=keep)
        self.reads = frozenset({"prompt"}) if variant == "B" else frozenset()
        self._design = Design(metric, 1, width, tuple(hidden))
        self._prototypes = tuple(prototypes)
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Learn projector, prototypes and prior, their settings chosen on held-out users.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users; ``prompt`` is read by PAL-B only.
            rng: Draws held-out users, first parameters and batches.
            progress: Told after each candidate, and while the last fit runs.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        table, inputs = table_of(data, keep=self._keep, prompts="prompt" in self.reads)
        reach = usual_reach(table.responses)
        table = replace(table, responses=within_reach(table.responses, reach))
        total = len(self._prototypes) + 1
        choice = choose(
            table,
            self._design,
            self._prototypes,
            rng=rng,
            report=lambda done: progress(self.name, done, total),
        )
        space, prior = finish(table, self._design, choice)
        progress(self.name, total, total)
        arrays: dict[str, NDArray[Any]] = (
            dict(space.arrays)
            | inputs.arrays()
            | {
                "reach": np.full(1, reach, np.float32),
                "scale": np.full(1, space.scale, np.float32),
                "prior_mean": prior.mean.astype(np.float32),
                "prior_factor": prior.factor.astype(np.float32),
            }
        )
        if table.prompt is not None:
            arrays["prototypes"] = network(arrays, "g", table.prompt).mean(1).astype(np.float32)
        return Population(
            reward_model=self.name,
            fingerprint=data.fingerprint,
            arrays=arrays,
            meta={
                "metric": self._design.metric,
                "variant": "B" if "prompt_scale" in arrays else "A",
                "prototypes": choice.prototypes,
                "steps": choice.steps,
                "spread": choice.spread,
                "scale": choice.scale,
                "held_out_nll": choice.held_out_nll,
                "users": len(data.users),
                "comparisons": len(data),
            },
        )

    def state_of(self, population: Population, evidence: Evidence) -> State:
        """Return where each comparison's responses lie among the prototypes."""
        return state_of(population, evidence)

    def logits_of(self, population: Population) -> StackedLogits:
        """Return the logits of such places as functions of the user's softmax logits."""
        return logits_of(population)

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``."""
        for posterior in posteriors:
            posterior.require(population)
        self.check(population, responses)
        if not posteriors:
            nothing = np.zeros((0, len(responses)), np.float32)
            return Score(nothing, nothing)
        prompt = _prompts(context, len(responses))
        mean, slope = rewards(population, posteriors, responses, prompt)
        return score_of(mean, spread(posteriors, slope))

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds that ``a`` is preferred to ``b`` and their joint spread, ``(B,)``."""
        posterior.require(population)
        self.check(population, a)
        self.check(population, b)
        prompt = _prompts(context, len(a))
        (better, up), (worse, down) = (
            rewards(population, [posterior], each, prompt) for each in (a, b)
        )
        return score_of((better - worse)[0], spread([posterior], up - down)[0])

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return the user's ideal point ``(d,)``, for the mean prompt."""
        posterior.require(population)
        return ideal_point(population, posterior)


def _prompts(context: Context | None, rows: int) -> FloatArray | None:
    """Return the prompts' features ``(rows, P)``, or None."""
    if context is None or context.prompt is None:
        return None
    return np.broadcast_to(context.prompt, (rows, context.prompt.shape[-1]))
