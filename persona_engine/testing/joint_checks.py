"""Checks of the optional method that gives logits of several pairs together."""

from __future__ import annotations

import numpy as np

from persona_engine.interfaces import JudgesJointly
from persona_engine.testing.kit import require_close
from persona_engine.testing.subjects import RewardModelSubject


def joint_logits_agree_with_logit(subject: RewardModelSubject) -> None:
    """Give the means and spreads of logit, and each pair the opposite of the pair turned round."""
    model, (a, b) = subject.model, subject.probes
    if not isinstance(model, JudgesJointly):
        return
    for posterior in (subject.prior, subject.posterior):
        joint = model.joint_logit(subject.population, posterior, a, b)
        turned = model.joint_logit(subject.population, posterior, b, a)
        logit = model.logit(subject.population, posterior, a, b)
        remedy = "build both from the same difference of features"
        require_close(joint.mean, logit.mean, "joint means and logit's", remedy=remedy)
        variance = np.square(joint.factor).sum(1) + np.square(joint.own)
        require_close(
            variance,
            np.square(logit.std.astype(np.float64)),
            "what joint factors and own spreads add up to, and logit's variance",
            remedy="let factor · factorᵀ be the covariance of the person, own what is left",
            tolerance=1e-3,
        )
        cross = joint.factor @ turned.factor.T
        require_close(
            cross,
            -joint.factor @ joint.factor.T,
            "the covariance with the pairs turned round, and minus that of the pairs",
            remedy="take factors of all pairs in the same directions, with their sign",
            tolerance=1e-3,
        )
