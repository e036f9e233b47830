"""Reward models that can say what the doubts about several comparisons have in common."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from persona_engine.types import FloatArray, JointScore, Population, Posterior


@runtime_checkable
class JudgesJointly(Protocol):
    """A reward model whose logits of several pairs can be had together, with their covariance.

    With it, onboarding asks what says most about all other answers. A model without it goes on
    working: questions are then chosen by what each logit by itself leaves unknown.
    """

    def joint_logit(
        self, population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
    ) -> JointScore:
        """Return the log-odds that ``a`` is preferred to ``b``, both ``(n, D)``, together.

        Means and total spreads are those of `RewardModel.logit`.
        """
