"""Fits a population on a tenant's own comparisons, and publishes it when it is good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from persona_engine.attributes import labelled_pairs
from persona_engine.interfaces import Progress, RewardModel, given, no_progress
from persona_engine.learning import Learner
from persona_engine.learning.past import load_preferences
from persona_engine.modelling import Doubles
from persona_engine.onboarding import Attribute, fit_default
from persona_engine.trust import (
    CALIBRATION,
    Calibration,
    GuardReport,
    fit_calibration,
    guarded,
    held_out_predictions,
)
from persona_engine.types import Context, IntArray, Population, PreferenceData

UNTIL = "until"
"""Where a population's ``meta`` says when the newest comparison that it learned from was made."""

HELD_OUT = "held_out"
"""Where its ``meta`` holds its accuracy on users held out, and that of one pooled reward."""

_HELD_OUT = 0.3
_MOST_SUPPORT = 8
_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class FitReport:
    """What a fit learned, and how good it is for people it never saw.

    Args:
        reward_model: Plugin that was fitted.
        population: Version of the population.
        fingerprint: Feature space.
        users: Users that it learned from.
        comparisons: Comparisons that it learned from.
        accuracy: Share of held-out users' later comparisons that are predicted, after their first
            ones; None when the held-out figures stand in ``details``.
        pooled_accuracy: The same for one reward shared by all.
        published: Whether the population is in use now.
        reason: Why it is or is not.
        guard: Whose influence was limited, and who looks like one under several names; None where
            the guard is off or nobody's comparisons were learned from.
        details: Further figures, by name.
    """

    reward_model: str
    population: str
    fingerprint: str
    users: int
    comparisons: int
    accuracy: float | None
    pooled_accuracy: float | None
    published: bool
    reason: str
    details: dict[str, object]
    guard: GuardReport | None = None


def fit_tenant(
    learner: Learner,
    tenant: str,
    *,
    model: RewardModel,
    pooled: RewardModel,
    attributes: Sequence[Attribute],
    seed: int,
    guard: bool = True,
    replaces: bool = False,
    progress: Progress = no_progress,
) -> FitReport:
    """Fit on all users of a tenant, judge on 30% of them held out, publish if not worse.

    Judged like the few-shot protocol of personalised reward models: the population is fitted on the
    other users; of each held-out user the first half, at most eight, are evidence and the rest are
    predicted. It is published unless it is worse than one pooled reward by more than 0.005.

    Args:
        learner: Whose features and store.
        tenant: Whose comparisons.
        model: What is fitted.
        pooled: One reward for all, to compare with.
        attributes: For models that read labelled pairs.
        seed: Decides everything.
        guard: Whether no few users may shape what all share.
        replaces: Whether it takes the place of one that learned from people who are forgotten, and
            so is published whatever it is worth.
        progress: Told of reading, judging and fitting.

    Raises:
        InvalidInputError: There are fewer than 10 users or 50 comparisons.
    """
    rows = learner.store.tenant(tenant)
    until = rows.newest_comparison()
    names, data, began = load_preferences(learner, tenant, progress=progress)
    if "attributes" in model.reads:
        pairs = labelled_pairs(attributes, partial(learner.features.get, tenant))
        data = replace(data, attributes=pairs)
    rng = np.random.default_rng(seed)
    taught, told = _guarded(data, names, began, pooled, seed) if guard else (data, None)
    ours, theirs, calibration = _judged(data, taught, model, pooled, rng, progress=progress)
    fitted = model.fit(taught, rng=rng, progress=progress)
    population = _with_meta(fitted, until, calibration, {"accuracy": ours, "pooled": theirs})
    good = replaces or ours >= theirs - _TOLERANCE
    keep = partial(learner.publish, tenant) if good else rows.save_population
    keep(population, users=names, shares=_shares(names, data, taught))
    return FitReport(
        reward_model=model.name,
        population=population.version,
        fingerprint=population.fingerprint,
        users=len(names),
        comparisons=len(data),
        accuracy=ours,
        pooled_accuracy=theirs,
        published=good,
        reason=f"held-out accuracy {ours:.3f} against {theirs:.3f} for one pooled reward",
        details=dict(fitted.meta),
        guard=told,
    )


def _guarded(
    data: PreferenceData,
    names: Sequence[str],
    began: Doubles,
    pooled: RewardModel,
    seed: int,
) -> tuple[PreferenceData, GuardReport]:
    """Return the comparisons as far as they may shape what all share, and what was limited."""
    rng = np.random.default_rng(seed)
    weight, told = guarded(data, names, began, pooled=pooled, rng=rng)
    return replace(data, weight=weight), told


def _with_meta(
    population: Population,
    until: datetime | None,
    calibration: Calibration | None,
    held_out: dict[str, float],
) -> Population:
    """Return a population that says from when it is, what it was judged by, how far to trust it."""
    meta: dict[str, Any] = {**population.meta, HELD_OUT: held_out}
    if until is not None:
        meta[UNTIL] = until.isoformat()
    if calibration is not None:
        meta[CALIBRATION] = calibration.document()
    return replace(population, meta=meta)


def _shares(names: Sequence[str], data: PreferenceData, taught: PreferenceData) -> dict[str, float]:
    """Return what the comparisons of users whose influence was limited count, of what they do."""
    sums = [np.bincount(data.user, each.weight, len(names)) for each in (taught, data)]
    share = sums[0] / np.maximum(sums[1], 1e-12)
    limited = np.flatnonzero((share < 1.0 - 1e-6) & (sums[1] > 0))
    return {names[each]: float(share[each]) for each in limited.tolist()}


def _judged(
    data: PreferenceData,
    taught: PreferenceData,
    model: RewardModel,
    pooled: RewardModel,
    rng: np.random.Generator,
    *,
    progress: Progress,
) -> tuple[float, float, Calibration | None]:
    """Return the accuracy of both models on users held out, and the first one's calibration.

    Args:
        data: All comparisons, as each user's own posterior counts them.
        taught: The same, as populations count them.
        model: What is judged.
        pooled: One reward for all.
        rng: Draws who is held out.
        progress: Told of both.
    """
    users = data.users
    held_out = rng.permutation(len(users))[: max(1, round(_HELD_OUT * len(users)))]
    rest = taught.take(~np.isin(data.user, held_out))
    progress("judging", 0, 2)
    population = model.fit(rest, rng=rng)
    ours = _few_shot_accuracy(model, population, data, held_out)
    calibration = fit_calibration(held_out_predictions(model, population, data, held_out))
    progress("judging", 1, 2)
    theirs = _few_shot_accuracy(pooled, pooled.fit(rest, rng=rng), data, held_out)
    progress("judging", 2, 2)
    return ours, theirs, calibration


def fit_bank(
    learner: Learner,
    tenant: str,
    *,
    own: Sequence[Attribute],
    seed: int,
    progress: Progress = no_progress,
) -> FitReport:
    """Fit on synthetic users over the question bank, and publish.

    Args:
        learner: Whose model and features.
        tenant: For whom.
        own: Attributes of the host beside the bank's.
        seed: Decides everything.
        progress: Told of encoding, judging and fitting.
    """
    told = own if "attributes" in learner.model.reads else ()
    encoder = learner.features.encoder
    fitted = fit_default(
        learner.model,
        encoder,
        seed=seed,
        attributes=labelled_pairs(told, partial(learner.features.get, tenant)),
        progress=progress,
    )
    learner.store.tenant(tenant).save_embeddings(encoder.fingerprint, fitted.features)
    learner.publish(tenant, fitted.population, users=())
    return FitReport(
        reward_model=learner.model.name,
        population=fitted.population.version,
        fingerprint=fitted.population.fingerprint,
        users=0,
        comparisons=0,
        accuracy=None,
        pooled_accuracy=None,
        published=True,
        reason="fitted to synthetic users over the question bank",
        details=dict(fitted.report),
    )


def _few_shot_accuracy(
    model: RewardModel, population: Population, data: PreferenceData, users: IntArray
) -> float:
    """Return the mean over users of the share of their later comparisons that are predicted."""
    shares = []
    for user in users:
        evidence = data.evidence(int(user))
        if len(evidence) < 2:
            continue
        support = min(_MOST_SUPPORT, len(evidence) // 2)
        posterior = model.infer(population, evidence.take(range(support)))
        later = evidence.take(range(support, len(evidence)))
        asked = given(Context(later.prompt, later.texts) if model.reads else None)
        logit = model.logit(population, posterior, later.chosen, later.rejected, **asked)
        shares.append(float(np.mean(np.where(logit.mean == 0, 0.5, logit.mean > 0))))
    return float(np.mean(shares)) if shares else 0.5
