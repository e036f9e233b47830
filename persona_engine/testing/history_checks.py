"""Checks of the optional method that finds changes of taste, `ComparesHistories`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persona_engine.interfaces import ComparesHistories
from persona_engine.testing.kit import require, require_close
from persona_engine.testing.subjects import RewardModelSubject
from persona_engine.types import Evidence, FloatArray, IntArray

_NEAR = 0.2  # nats: a filter may predict a little otherwise than the batch


def histories_are_compared(subject: RewardModelSubject) -> None:
    """Tell how likely answers are given those since some moment, where the model does so at all."""
    if not isinstance(subject.model, ComparesHistories):
        return
    first = subject.evidence[0]
    count = len(first)
    turned = Evidence.joined([first, _reversed(first)])
    starts = np.array([0, count], np.int64)
    found = _since(subject, turned, starts)
    remedy = "return log P(answer t | answers s … t-1), and 0 where t < s"
    require(
        found.shape == (2, 2 * count) and bool(np.isfinite(found).all()),
        f"log_likelihoods_since gave {found.shape}, expected {(2, 2 * count)} finite numbers",
        remedy=remedy,
    )
    require(not found[1, :count].any(), "answers before a start are not 0", remedy=remedy)
    other = Evidence.joined([_reversed(first), _reversed(first)])
    require_close(
        _since(subject, other, starts)[1],
        found[1],
        "what is said of answers since a start, with others before it",
        remedy="let nothing before a start have a say",
    )
    prior = subject.model.logit(
        subject.population, subject.prior, first.chosen[:1], first.rejected[:1]
    )
    require(
        abs(float(np.log(prior.probability()[0])) - float(found[0, 0])) < _NEAR,
        f"the first answer has log-likelihood {found[0, 0]:.3f}, the prior's logit says "
        f"{np.log(prior.probability()[0]):.3f}",
        remedy="predict the first answer by the prior",
    )
    if subject.is_personal:
        stays, begins_anew = found[:, count:].sum(1)
        require(
            bool(begins_anew > stays + 1.0),
            f"opposite answers have log-likelihood {stays:.2f} after a user's own and "
            f"{begins_anew:.2f} by themselves, expected clearly more by themselves",
            remedy="condition on the answers between the start and the one that is predicted",
        )


def _since(subject: RewardModelSubject, evidence: Evidence, starts: IntArray) -> FloatArray:
    model = subject.model
    assert isinstance(model, ComparesHistories)
    return model.log_likelihoods_since(subject.population, evidence, starts)


def _reversed(evidence: Evidence) -> Evidence:
    return replace(evidence, chosen=evidence.rejected, rejected=evidence.chosen)
