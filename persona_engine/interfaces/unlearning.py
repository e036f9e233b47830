"""What a reward model may offer for forgetting a person at once, until it is fitted again."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from persona_engine.types import Evidence, Population


@runtime_checkable
class Unlearns(Protocol):
    """A reward model that takes one user's influence out of a population, to first order.

    One Newton step on the loss of those who remain, ``θ - H₋ᵤ⁻¹ ∇L₋ᵤ(θ)``, from the optimum of the
    loss of all: what is left of the user is of second order (Guo, Goldstein, Hannun & van der
    Maaten 2020, "Certified data removal from machine learning models", arXiv:1911.03030; Koh &
    Liang 2017, "Understanding black-box predictions via influence functions", arXiv:1703.04730).
    It needs the user's comparisons and what the population holds, nobody else's data, so its cost
    does not grow with the number of users. What was chosen on held-out users, such as penalties,
    stays as it is until the population is fitted again. It is optional: populations of models
    without it are only marked for fitting again.
    """

    def unlearn(self, population: Population, evidence: Evidence) -> Population | None:
        """Return the population as it would be had these comparisons not been in its fit.

        Args:
            population: What `RewardModel.fit` or this method returned.
            evidence: All comparisons of one user that were in the fit, weighted as they were there.

        Returns:
            The corrected population, or None where this one lacks what that takes, as one that was
            fitted by an earlier version does.
        """
