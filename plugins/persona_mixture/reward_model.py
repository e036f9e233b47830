"""The mixture reward model: groups of users, each with its own reward head."""

from __future__ import annotations

from typing import Literal

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import HeadMixtureModel, require_at_least, require_share
from persona_engine.types import FloatArray, Population, PreferenceData, Score
from persona_mixture.training import fit_population


class Mixture(HeadMixtureModel):
    """Each user is of one of ``K`` groups; each group has a reward ``r_k(x) = w_k·(x - c)``.

    ``P(comparisons of u) = Σ_k π_k Π_i σ(r_k(a_i) - r_k(b_i))``, maximised over ``w`` and ``π`` by
    EM: the E-step gives each user's responsibilities ``q_k ∝ π_k Π_i σ(Δ_ik)`` (all of it to the
    most probable group under ``assignment="hard"``), the M-step fits ridge logistic heads weighted
    by them, drawn to the pooled weights. This is the reward learning of MaxMin-RLHF (Chakraborty et
    al. 2024, arXiv:2402.08925). ``K`` and the penalty are those under which held-out users' few
    comparisons are most probable, and ``K = 1``, the pooled model, where groups gain less than two
    standard errors. A new user's posterior is the same responsibilities, in closed form:
    ``mean = q``, ``covariance = diag(q) - q qᵀ``, so a reward has mean ``Σ q_k r_k`` and the
    mixture's variance, beside Laplace's of the pooled weights (MacKay 1992).

    When to use it: where people fall into types that are to be named, counted or protected: with
    `persona_engine.aggregation.aggregate` a reply can be chosen for the group that likes it least.
    ``hierarchical`` predicts single people better when tastes vary by degrees; ``micro`` lets the
    prompt choose among heads.

    Args:
        components: Number of groups; chosen on held-out users if omitted.
        max_components: Most groups to consider.
        assignment: ``"soft"`` or ``"hard"`` EM.
        restarts: Runs of EM on all users; the one of the greatest penalised likelihood is kept.
        folds: Parts that the users are split into to choose the settings.
        keep: Share of the differences' second moment that the principal axes must hold.

    Raises:
        InvalidInputError: A setting is out of range.

    Examples:
        >>> from persona_engine.types import Evidence
        >>> rng = np.random.default_rng(0)
        >>> user = np.repeat(np.arange(60), 10)
        >>> a, b = rng.normal(size=(2, 600, 3)).astype(np.float32)
        >>> likes = np.where(user % 3 == 0, 3.0, -3.0)  # a third like the first feature
        >>> first = (likes * (a - b)[:, 0] > 0)[:, None]
        >>> data = PreferenceData(np.where(first, a, b), np.where(first, b, a), user, "example")
        >>> model = Mixture()
        >>> population = model.fit(data, rng=rng)
        >>> population.arrays["prior"].round(1).tolist()
        [0.7, 0.3]
        >>> high, low = np.float32([[1, 0, 0]]), np.float32([[-1, 0, 0]])
        >>> fan = model.infer(population, Evidence(high.repeat(3, 0), low.repeat(3, 0)))
        >>> fan.mean.round(1).tolist()
        [0.0, 1.0]
    """

    name = "mixture"

    def __init__(
        self,
        *,
        components: int | None = None,
        max_components: int = 12,
        assignment: Literal["soft", "hard"] = "soft",
        restarts: int = 6,
        folds: int = 3,
        keep: float = 0.999,
    ) -> None:
        require_at_least(2, folds=folds)
        require_at_least(
            1,
            components=1 if components is None else components,
            max_components=max_components,
            restarts=restarts,
        )
        if assignment not in ("soft", "hard"):
            raise InvalidInputError(f"assignment is {assignment!r}, expected 'soft' or 'hard'")
        require_share(keep=keep)
        self._components = components
        self._max_components = max_components
        self._hard = assignment == "hard"
        self._restarts = restarts
        self._folds = folds
        self._keep = keep

    def fit(
        self, data: PreferenceData, *, rng: np.random.Generator, progress: Progress = no_progress
    ) -> Population:
        """Fit groups on all comparisons, their number and penalty chosen on held-out users.

        Args:
            data: Comparisons ``(N, D)`` of ``U`` users.
            rng: Draws the folds and the starts.
            progress: Told after each setting that was tried.

        Raises:
            InvalidInputError: No comparison has weight, or no two responses differ.
        """
        return fit_population(
            data,
            name=self.name,
            components=self._components,
            max_components=self._max_components,
            hard=self._hard,
            restarts=self._restarts,
            folds=self._folds,
            keep=self._keep,
            rng=rng,
            progress=progress,
        )

    def group_scores(self, population: Population, responses: FloatArray) -> Score:
        """Return each group's rewards of responses ``(B, D)``, ``(K, B)``, without spread.

        With ``population.arrays["prior"]`` as weights, `persona_engine.aggregation.aggregate` makes
        of them one order for people nothing is known of: ``mean`` serves the most, ``maxmin`` is
        the policy of MaxMin-RLHF. Each group's rewards are in units of the standard deviation of
        its own logits over the population's comparisons: the penalty shortens the head of a small
        group more, and it must not count less for that.
        """
        self._check(population, responses)
        heads = population.arrays["heads"] / np.maximum(
            np.linalg.norm(population.arrays["embedding"], axis=0), 1e-6
        )
        rewards = heads.T @ (responses - population.arrays["centre"]).T  # (K, B)
        return Score(rewards, np.zeros_like(rewards))
