"""MiCRo: reward heads weighted by a router of the prompt and by Hedge on the user's answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, RewardModel, no_progress
from persona_engine.modelling import (
    Doubles,
    head_log_likelihood,
    mix_heads,
    require_fit,
    require_width,
)
from persona_engine.types import (
    Context,
    Evidence,
    FloatArray,
    Population,
    Posterior,
    PreferenceData,
    Score,
)
from persona_micro.fitting import fit_population


class Micro(RewardModel):
    """``K`` reward heads ``r_k(x) = w_k·(x - c)``, mixed by the prompt and by the user's answers.

    ``P(a ≻ b | prompt) = Σ_k w_k σ(r_k(a) - r_k(b))``. The router gives ``w = softmax(g(prompt))``,
    ``g`` linear; each answer of the user multiplies it by Hedge, ``w_k ∝ w_k · exp(η log σ(Δr_k))``
    (MiCRo: Shen et al. 2025, arXiv:2505.24846; Freund & Schapire 1997, "A decision-theoretic
    generalization of on-line learning"). Heads and router are trained on what a random part of each
    user's answers says of the rest, with a load-balancing loss, from the best of two starts by EM:
    groups of users, groups of prompts; then the router alone without balancing. ``η`` is that which
    predicts held-out users best; one head, the pooled model, where they gain less than two standard
    errors. Without a prompt, in the data or in the context, the router is its mean: a prior.

    When to use it: where what is preferred depends on the request as well as on the person, and
    prompts have features. Without prompts ``mixture`` is the same idea in closed form; where people
    differ by degrees take ``hierarchical``.

    Args:
        heads: Number of heads, ``K``.
        balance: Weight of the load-balancing loss.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> user = np.repeat(np.arange(40), 10)
        >>> a, b = rng.normal(size=(2, 400, 3)).astype(np.float32)
        >>> likes = np.where(user % 2 == 0, 3.0, -3.0)  # half like the first feature, half dislike
        >>> first = (likes * (a - b)[:, 0] > 0)[:, None]
        >>> data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "example")
        >>> model = Micro(heads=2)
        >>> population = model.fit(data, rng=rng)
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(3, 0), low.repeat(3, 0)))
        >>> bool(model.logit(population, fan, 2 * high, low).probability()[0] > 0.8)
        True
    """

    name = "micro"
    multimodal = True
    reads = frozenset({"prompt"})

    def __init__(self, *, heads: int = 8, balance: float = 0.5, keep: float = 0.999) -> None:
        if heads < 1:
            raise InvalidInputError(f"heads is {heads}, expected at least 1")
        if not 0.0 <= balance < np.inf:
            raise InvalidInputError(f"balance is {balance}, expected a number of at least 0")
        if not 0.0 < keep <= 1.0:
            raise InvalidInputError(f"keep is {keep}, expected a share in (0, 1]")
        self._heads = heads
        self._balance = balance
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Train heads and router, with a quarter of the users held out to stop and to choose η.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users; prompts ``(N, P)`` if there are any.
            rng: Draws the held-out users, the starts and the contexts.
            progress: Told after each part.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        return fit_population(
            data,
            name=self.name,
            heads=self._heads,
            balance=self._balance,
            keep=self._keep,
            rng=rng,
            progress=progress,
        )

    def infer(self, population: Population, evidence: Evidence) -> Posterior:
        """Return Hedge's weights of the heads after ``n >= 0`` comparisons, at the mean prompt."""
        _check(population, evidence.chosen)
        likelihood = head_log_likelihood(population.arrays["heads"], evidence)
        return _posterior(population, likelihood, len(evidence))

    def update(self, population: Population, posterior: Posterior, evidence: Evidence) -> Posterior:
        """Return the posterior after further comparisons, exactly as `infer` on all of them."""
        posterior.require(population)
        _check(population, evidence.chosen)
        likelihood = head_log_likelihood(population.arrays["heads"], evidence)
        seen = posterior.state["log_likelihood"] + likelihood
        return _posterior(population, seen, posterior.count + len(evidence))

    def score(
        self,
        population: Population,
        posteriors: Sequence[Posterior],
        responses: FloatArray,
        *,
        context: Context | None = None,
    ) -> Score:
        """Return the rewards of responses ``(B, D)`` for ``U`` users, ``(U, B)``.

        Zero is the population's mean response. The variance is that of the mixture of heads and of
        the pooled weights, which every head stands on.
        """
        for posterior in posteriors:
            posterior.require(population)
        _check(population, responses)
        return _mix(population, posteriors, responses - population.arrays["centre"], context)

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
        _check(population, a)
        _check(population, b)
        score = _mix(population, [posterior], a - b, context)
        return Score(score.mean[0], score.std[0])

    def embed(self, population: Population, posterior: Posterior) -> FloatArray:
        """Return ``(K,)`` coordinates in which the cosine of two users is that of their logits."""
        posterior.require(population)
        embedding: FloatArray = population.arrays["embedding"] @ posterior.mean
        return embedding


def _posterior(population: Population, likelihood: Doubles, count: int) -> Posterior:
    share = _softmax(np.log(population.arrays["prior"]) + population.meta["rate"] * likelihood)
    return Posterior(
        reward_model=population.reward_model,
        population=population.version,
        fingerprint=population.fingerprint,
        mean=share.astype(np.float32),
        covariance=(np.diag(share) - np.outer(share, share)).astype(np.float32),
        count=count,
        state={"log_likelihood": likelihood},
    )


def _mix(
    population: Population,
    posteriors: Sequence[Posterior],
    features: FloatArray,
    context: Context | None,
) -> Score:
    """Return rewards ``(U, B)`` of centred or differenced features ``(B, D)``."""
    heads = population.arrays["heads"]
    seen = np.array([each.state["log_likelihood"] for each in posteriors], np.float64)
    evidence = population.meta["rate"] * seen.reshape(len(posteriors), 1, heads.shape[1])
    share = _softmax(_router(population, context) + evidence)  # (U, 1 or B, K)
    shared = features @ population.arrays["shared_factor"]  # (B, R)
    variance = np.einsum("br,br->b", shared, shared)
    return mix_heads(share.astype(np.float32), features @ heads, variance)


def _router(population: Population, context: Context | None) -> Doubles:
    """Return the router's log-weights of the heads, ``(1, K)`` or, by prompt, ``(B, K)``."""
    arrays = population.arrays
    prompt = None if context is None else context.prompt
    if prompt is None or not len(arrays["prompt_centre"]):
        prior: Doubles = np.log(arrays["prior"])[None]
        return prior
    prompts = np.atleast_2d(prompt)
    require_width(prompts, len(arrays["prompt_centre"]))
    logits = (prompts - arrays["prompt_centre"]) @ arrays["router"] + arrays["router_bias"]
    return logits.astype(np.float64)


def _softmax(logits: Doubles) -> Doubles:
    share = np.exp(logits - logits.max(-1, keepdims=True))
    result: Doubles = share / share.sum(-1, keepdims=True)
    return result


def _check(population: Population, features: FloatArray) -> None:
    require_fit(population, Micro.name)
    require_width(features, len(population.arrays["heads"]))
