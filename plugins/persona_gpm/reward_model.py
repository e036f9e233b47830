"""The general preference model: preferences that need no ranking of the replies behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import Doubles, require_share
from persona_engine.modelling.gauss_newton import LatentPrior
from persona_engine.modelling.latent_users import (
    LatentUsersModel,
    StackedLogits,
    stored_prior,
)
from persona_engine.modelling.table import Inputs, Table, table_of
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)
from persona_gpm.blocks import block_scores, gates_of
from persona_gpm.selection import choose, finish
from persona_gpm.training import linear

TAU = 0.1
"""The paper's temperature: ``P(a ≻ b) = σ(s(a ≻ b) / τ)``."""


class Gpm(LatentUsersModel):
    """Preferences that may go round in circles: ``P(a ≻ b) = σ(⟨R v_a, v_b⟩ / τ)``.

    The general preference model (Zhang et al. 2024, arXiv:2410.02197) embeds each reply as ``v`` in
    ``K`` planes; ``R`` turns each plane by a right angle, so that ``s(a ≻ b) = Σ_k λ_k g_k (v_a ∧
    v_b)_k`` is the sum of the areas that two replies span, and ``s(a ≻ b) = -s(b ≻ a)``. One plane
    with a constant coordinate is Bradley & Terry's model; in general ``a ≻ b ≻ c ≻ a`` can hold, as
    no scalar reward has it. ``g = K softmax(prompt · head)`` weighs the planes by prompt where
    prompts are known. Beyond the paper, each user weighs them by ``λ_u``, a Gaussian around the
    population's (1 with ``personal=False``); logits are linear in it, its posterior is Laplace's.

    It is a model of pairs. `score` is Borda's: the logit of a reply against the mean embedding of
    the population's replies, which is its mean logit over them; the difference
    of two scores is `logit` only where preferences are transitive. Trust `logit` for a pair and
    `score` for an order of many.

    When to use it: where preferences are cyclic or depend on what a reply stands beside, such as
    trade-offs judged by whatever differs most. Use ``hierarchical`` where a scalar reward does.

    Args:
        blocks: Numbers of planes ``K`` to choose from on held-out users.
        personal: Whether users have plane weights of their own.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> angle = rng.uniform(0, 2 * np.pi, size=(2, 600))  # each beats what follows it clockwise
        >>> a, b = (np.stack([np.cos(t), np.sin(t)], 1).astype(np.float32) for t in angle)
        >>> first = (np.sin(angle[1] - angle[0]) > 0)[:, None]
        >>> data = PreferenceData(
        ...     np.where(first, a, b), np.where(first, b, a), np.arange(600) % 30, "example"
        ... )
        >>> model = Gpm(blocks=(2,), personal=False)
        >>> population = model.fit(data, rng=rng)
        >>> anyone = model.infer(population, Evidence.empty(2))
        >>> t = np.arange(3) * 2 * np.pi / 3
        >>> rock = np.stack([np.cos(t), np.sin(t)], 1).astype(np.float32)
        >>> (model.logit(population, anyone, rock, np.roll(rock, -1, 0)).mean > 0).tolist()
        [True, True, True]
    """

    name = "gpm"
    pairwise = True
    reads = frozenset({"prompt"})

    def __init__(
        self, *, blocks: Sequence[int] = (1, 2, 4), personal: bool = True, keep: float = 0.999
    ) -> None:
        if not blocks or not all(1 <= each <= 16 for each in blocks):
            raise InvalidInputError(f"blocks is {blocks}, expected numbers from 1 to 16")
        require_share(keep=keep)
        self.personal = personal
        self._blocks = tuple(blocks)
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Learn embedding, gates and prior, their settings chosen on held-out users.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users; ``prompt`` is read where there is one.
            rng: Draws held-out users, first parameters and batches.
            progress: Told after each candidate.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        table, inputs = table_of(data, keep=self._keep, prompts=True)
        total = len(self._blocks) + 1
        choice = choose(
            table,
            self._blocks,
            personal=self.personal,
            rng=rng,
            report=lambda done: progress(self.name, done, total),
        )
        parameters, prior = finish(table, choice, personal=self.personal, rng=rng)
        progress(self.name, total, total)
        return Population(
            reward_model=self.name,
            fingerprint=data.fingerprint,
            arrays=_arrays(table, inputs, parameters, prior),
            meta={
                "blocks": choice.blocks,
                "steps": choice.steps,
                "spread": choice.spread,
                "scale": choice.scale,
                "held_out_nll": choice.held_out_nll,
                "users": len(data.users),
                "comparisons": len(data),
            },
        )

    def state_of(self, population: Population, evidence: Evidence) -> dict[str, NDArray[Any]]:
        """Return each plane's part of each comparison's logit, ``(n, K)``."""
        a, b = (_embedded(population, each) for each in (evidence.chosen, evidence.rejected))
        return {
            "rows": _rows(population, a, b, evidence.prompt),
            "weight": np.array(evidence.weight, np.float64),
            "target": np.array(evidence.target, np.float64),
        }

    def logits_of(self, population: Population) -> StackedLogits:
        """Return the logits of planes' parts: they are linear in the user's weights."""
        return lambda stacked: linear(stacked["rows"])

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return Borda's scores of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        Each is the response's mean logit over the population's responses.
        """
        for posterior in posteriors:
            posterior.require(population)
        self.check(population, responses)
        usual = population.arrays["reference"]
        rows = _rows(population, _embedded(population, responses), usual, _prompt(context))
        parts = [_weighed(population, posterior, rows) for posterior in posteriors]
        shape = (len(posteriors), len(responses))
        return Score(
            np.array([each.mean for each in parts], np.float32).reshape(shape),
            np.array([each.std for each in parts], np.float32).reshape(shape),
        )

    def logit(
        self,
        population: Population,
        posterior: Posterior,
        a: FloatArray,
        b: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the log-odds that ``a`` is preferred to ``b`` and their spread, ``(B,)``."""
        posterior.require(population)
        self.check(population, a)
        self.check(population, b)
        rows = _rows(
            population, _embedded(population, a), _embedded(population, b), _prompt(context)
        )
        return _weighed(population, posterior, rows)

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return the user's plane weights ``(K,)``, each times how much its plane moves logits."""
        posterior.require(population)
        prior = stored_prior(population)
        weights = prior.latent(posterior.mean.astype(np.float64)[None])[0]
        embedding: FloatArray = (weights * population.arrays["importance"]).astype(np.float32)
        return embedding


def _arrays(
    table: Table, inputs: Inputs, parameters: Mapping[str, NDArray[Any]], prior: LatentPrior
) -> dict[str, FloatArray]:
    """Return what a population holds; embeddings carry the paper's temperature."""
    root = np.sqrt(TAU)
    embedding, constant = (root * parameters[key] for key in ("embedding", "constant"))
    v = table.responses @ embedding + constant
    scores = block_scores(v[table.chosen], v[table.rejected]) / TAU
    arrays: dict[str, NDArray[Any]] = inputs.arrays() | {
        "embedding": embedding,
        "constant": constant,
        "reference": 0.5 * (v[table.chosen].mean(0) + v[table.rejected].mean(0)),
        "importance": np.sqrt(np.square(scores).mean(0)),
        "gate": np.ones(scores.shape[1]),
        "prior_mean": prior.mean,
        "prior_factor": prior.factor,
    }
    if table.prompt is not None:
        arrays["head"] = parameters["head"]
        arrays["gate"] = gates_of(table.prompt, parameters["head"]).mean(0)
    return {key: np.ascontiguousarray(value, np.float32) for key, value in arrays.items()}


def _embedded(population: Population, responses: FloatArray) -> NDArray[Any]:
    """Return preference embeddings ``(B, 2K)``."""
    arrays = population.arrays
    inside = (responses - arrays["centre"]) @ arrays["axes"]
    return np.asarray(inside @ arrays["embedding"] + arrays["constant"])


def _rows(
    population: Population, a: NDArray[Any], b: NDArray[Any], prompt: FloatArray | None
) -> Doubles:
    """Return each plane's part of the logits, ``(B, K)``, where its weight is 1."""
    arrays = population.arrays
    gates: NDArray[Any] = arrays["gate"]
    if prompt is not None and "head" in arrays:
        standard = (prompt - arrays["prompt_centre"]) * arrays["prompt_scale"]
        gates = gates_of(standard, arrays["head"])
    rows: Doubles = block_scores(a, b) * gates / TAU
    return rows


def _weighed(population: Population, posterior: Posterior, rows: Doubles) -> Score:
    """Return logits ``(B,)`` of the planes' parts ``(B, K)`` under a user's weights."""
    prior = stored_prior(population)
    mean = rows @ prior.latent(posterior.mean.astype(np.float64)[None])[0]
    turned = rows @ prior.factor
    variance = ((turned @ posterior.covariance.astype(np.float64)) * turned).sum(-1)
    std = np.sqrt(np.maximum(variance, 0.0))
    return Score(mean.astype(np.float32), std.astype(np.float32))


def _prompt(context: Context | None) -> FloatArray | None:
    return None if context is None else context.prompt
