"""Mutants that judge several pairs together wrongly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persona_engine.interfaces import JudgesJointly
from persona_engine.testing.mutants.wrapper import Unchanged
from persona_engine.types import FloatArray, JointScore, Population, Posterior


class _Judges(Unchanged):
    """Wraps a model that judges jointly."""

    def _inner(
        self, population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
    ) -> JointScore:
        if isinstance(self.inner, JudgesJointly):
            return self.inner.joint_logit(population, posterior, a, b)
        logit = self.inner.logit(population, posterior, a, b)
        return JointScore(logit.mean, np.diag(logit.std), np.zeros_like(logit.std))


class ForgetsTheSharedDoubt(_Judges):
    """Leaves out what no answer of the person would tell."""

    def joint_logit(
        self, population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
    ) -> JointScore:
        joint = self._inner(population, posterior, a, b)
        return replace(joint, own=np.zeros_like(joint.own), factor=0.9 * joint.factor)


class LosesTheSign(_Judges):
    """Gives a pair and the pair turned round the same factors."""

    def joint_logit(
        self, population: Population, posterior: Posterior, a: FloatArray, b: FloatArray
    ) -> JointScore:
        joint = self._inner(population, posterior, a, b)
        return replace(joint, factor=np.abs(joint.factor))
