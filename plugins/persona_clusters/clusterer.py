"""What both clusterers do: free users of the prior, choose how many groups, tell memberships."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from persona_clusters.choose import Least, choose
from persona_clusters.components import Components, membership
from persona_clusters.told import Frame, Told
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Clusterer, Progress, no_progress
from persona_engine.modelling import require_at_least, require_share
from persona_engine.types import Beliefs, Clustering, FloatArray


class ClustererOfLikelihoods(Clusterer):
    """A clusterer whose groups are Gaussians over where users stand, seen through their answers.

    Args:
        most_groups: Groups at most.
        min_users: Users that each group must have, counted by membership.
        min_comparisons: Comparisons that each must have, counted likewise.
        folds: Parts that users are split into to choose the number of groups.
        sample: Users at most by whom that is chosen.
        keep: Share of what users are known to differ in that the leading directions must hold.
        most_directions: Leading directions at most.

    Raises:
        InvalidInputError: A setting is out of range.
    """

    temper: float = 1.0

    def __init__(
        self,
        *,
        most_groups: int = 12,
        min_users: int = 10,
        min_comparisons: int = 50,
        folds: int = 4,
        sample: int = 2_000,
        keep: float = 0.98,
        most_directions: int = 8,
    ) -> None:
        require_at_least(1, most_groups=most_groups, most_directions=most_directions)
        require_at_least(2, min_users=min_users, folds=folds)
        require_at_least(1, min_comparisons=min_comparisons)
        require_at_least(100, sample=sample)
        require_share(keep=keep)
        self._most_groups = most_groups
        self._least = Least(min_users, min_comparisons)
        self._folds = folds
        self._sample = sample
        self._keep = keep
        self._most_directions = most_directions

    @abstractmethod
    def fit_size(
        self, told: Told, size: int, neutral: np.ndarray, rng: np.random.Generator
    ) -> Components:
        """Return ``size`` groups of these users."""

    def fit(
        self,
        beliefs: Beliefs,
        *,
        population: str,
        rng: np.random.Generator,
        progress: Progress = no_progress,
    ) -> Clustering:
        """Find the groups among who answered anything; the order of users makes no difference.

        Raises:
            InvalidInputError: There are too few users or comparisons for one group, or nobody
                differs from anybody.
        """
        beliefs = _by_name(beliefs)
        self._require_enough(beliefs)
        frame = Frame.of(beliefs, keep=self._keep, most=self._most_directions)
        told = frame.told(beliefs)
        chosen = choose(
            told,
            lambda some, size, draws: self.fit_size(some, size, frame.neutral, draws),
            most=self._most_groups,
            folds=min(self._folds, len(told)),
            sample=self._sample,
            least=self._least,
            rng=rng,
            progress=progress,
        )
        groups = chosen.components.largest_first()
        return Clustering(
            clusterer=self.name,
            population=population,
            names=tuple(f"group-{place + 1}" for place in range(groups.groups)),
            arrays={**frame.arrays(), **groups.arrays()},
            meta={
                "users": len(told),
                "comparisons": int(told.count.sum()),
                "directions": len(frame.neutral),
                "temper": self.temper,
                "nobody": float(groups.share[groups.groups :].sum()),
                "held_out": {str(size): score for size, score in chosen.held_out.items()},
            },
        )

    def membership(self, clustering: Clustering, beliefs: Beliefs) -> FloatArray:
        """Return P(user belongs to group), ``(U, K)``; the groups' shares for who said nothing.

        Raises:
            InvalidInputError: The clustering is another clusterer's, or of another width.
        """
        if clustering.clusterer != self.name:
            raise InvalidInputError(
                f"the clustering was fitted by {clustering.clusterer!r}, expected {self.name!r}",
                remedy=f"ask the plugin {clustering.clusterer!r}",
            )
        told = Frame.stored(clustering.arrays).told(beliefs)
        groups = Components.stored(clustering.arrays)
        found = membership(told, groups, temper=float(clustering.meta["temper"]))
        return found.astype(np.float32)

    def _require_enough(self, beliefs: Beliefs) -> None:
        users, comparisons = len(beliefs), int(beliefs.count.sum())
        least = self._least
        if users < least.users or comparisons < least.comparisons:
            raise InvalidInputError(
                f"{users} users with {comparisons} comparisons are too few for one group, expected "
                f"at least {least.users} with {least.comparisons}",
                remedy="collect or import more comparisons, or lower min_users and "
                f"min_comparisons in the settings of {self.name!r}",
            )


def _by_name(beliefs: Beliefs) -> Beliefs:
    """Return who answered anything, by name."""
    spoke = np.flatnonzero(beliefs.count > 0)
    order = spoke[np.argsort(np.array(beliefs.users, dtype=str)[spoke], kind="stable")]
    return Beliefs(
        tuple(beliefs.users[place] for place in order.tolist()),
        beliefs.mean[order],
        beliefs.covariance[order],
        beliefs.count[order],
        beliefs.prior_mean,
        beliefs.prior_covariance,
        beliefs.indifferent,
    )
