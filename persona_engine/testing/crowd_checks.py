"""Checks of bulk inference: a crowd is what its users are one by one."""

from __future__ import annotations

import numpy as np

from persona_engine.testing.kit import require, require_close
from persona_engine.testing.subjects import RewardModelSubject
from persona_engine.types import CrowdEvidence, Evidence

_USERS = 8


def crowds_agree_with_infer(subject: RewardModelSubject) -> None:
    """Infer each user of a crowd as alone, and embed many as one."""
    remedy = "keep each user's rows apart in infer_crowd: users follow one another by `counts`"
    model, population = subject.model, subject.population
    crowd = crowd_of([each.take(np.arange(n)) for n, each in enumerate(subject.evidence[:_USERS])])
    posteriors = model.infer_crowd(population, crowd)
    require(
        len(posteriors) == len(crowd), "infer_crowd has not one posterior a user", remedy=remedy
    )
    embedded = model.embed_many(population, posteriors)
    for user, (found, evidence) in enumerate(zip(posteriors, crowd, strict=True)):
        alone = model.infer(population, evidence)
        require(found.count == alone.count, f"count of user {user} of a crowd", remedy=remedy)
        require_close(found.mean, alone.mean, f"mean of user {user} of a crowd", remedy=remedy)
        what = f"logits of user {user} of a crowd"
        subject.require_same_logits(found, alone, what, remedy=remedy)
        require_close(
            embedded[user],
            model.embed(population, alone),
            f"embedding of user {user} of a crowd",
            remedy="return in embed_many what embed returns of each",
        )


def crowd_of(evidence: list[Evidence]) -> CrowdEvidence:
    """Return the comparisons of several users as those of a crowd that shares no response."""
    together = Evidence.joined(evidence)
    total = len(together)
    return CrowdEvidence(
        np.concatenate([together.chosen, together.rejected]),
        np.arange(total),
        np.arange(total, 2 * total),
        np.array([len(each) for each in evidence], np.int64),
        together.weight,
        together.target,
    )
