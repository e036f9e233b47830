"""MiCRo: reward heads weighted by a router of the prompt and by Hedge on the user's answers."""

from __future__ import annotations

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import Doubles, HeadMixtureModel, require_share, require_width
from persona_engine.types import Context, Population, PreferenceData
from persona_micro.fitting import fit_population


class Micro(HeadMixtureModel):
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
        >>> from persona_engine.types import Evidence
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
    reads = frozenset({"prompt"})

    def __init__(self, *, heads: int = 8, balance: float = 0.5, keep: float = 0.999) -> None:
        if heads < 1:
            raise InvalidInputError(f"heads is {heads}, expected at least 1")
        if not 0.0 <= balance < np.inf:
            raise InvalidInputError(f"balance is {balance}, expected a number of at least 0")
        require_share(keep=keep)
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

    def log_prior(self, population: Population, context: Context | None) -> Doubles:
        """Return the router's log-weights of the heads: by prompt where there is one."""
        arrays = population.arrays
        prompt = None if context is None else context.prompt
        if prompt is None or not len(arrays["prompt_centre"]):
            return super().log_prior(population, context)
        prompts = np.atleast_2d(prompt)
        require_width(prompts, len(arrays["prompt_centre"]))
        logits = (prompts - arrays["prompt_centre"]) @ arrays["router"] + arrays["router_bias"]
        return logits.astype(np.float64)
