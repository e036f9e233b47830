"""Fits a population on a tenant's own comparisons, and publishes it when it is good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from persona_engine.attributes import labelled_pairs
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, RewardModel, given, no_progress
from persona_engine.learning import Learner
from persona_engine.onboarding import Attribute, fit_default
from persona_engine.trust import CALIBRATION, fit_calibration, held_out_predictions
from persona_engine.types import Comparison, Context, Evidence, IntArray, Population, PreferenceData

UNTIL = "until"
"""Where a population's ``meta`` says when the newest comparison that it learned from was made."""

LEAST_USERS = 10
LEAST_COMPARISONS = 50
_HELD_OUT = 0.3
_MOST_SUPPORT = 8
_TOLERANCE = 0.005
_ENCODED_AT_ONCE = 1_000


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


def fit_tenant(
    learner: Learner,
    tenant: str,
    *,
    model: RewardModel,
    pooled: RewardModel,
    attributes: Sequence[Attribute],
    seed: int,
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
        replaces: Whether it takes the place of one that learned from people who are forgotten, and
            so is published whatever it is worth.
        progress: Told of reading, judging and fitting.

    Raises:
        InvalidInputError: There are fewer than 10 users or 50 comparisons.
    """
    until = learner.store.tenant(tenant).newest_comparison()
    names, data = load_preferences(learner, tenant, progress=progress)
    if "attributes" in model.reads:
        pairs = labelled_pairs(attributes, partial(learner.features.get, tenant))
        data = replace(data, attributes=pairs)
    rng = np.random.default_rng(seed)
    held_out = rng.permutation(len(names))[: max(1, round(_HELD_OUT * len(names)))]
    rest = data.take(~np.isin(data.user, held_out))
    progress("judging", 0, 2)
    judged = model.fit(rest, rng=rng)
    ours = _few_shot_accuracy(model, judged, data, held_out)
    calibration = fit_calibration(held_out_predictions(model, judged, data, held_out))
    progress("judging", 1, 2)
    theirs = _few_shot_accuracy(pooled, pooled.fit(rest, rng=rng), data, held_out)
    progress("judging", 2, 2)
    population = model.fit(data, rng=rng, progress=progress)
    details = dict(population.meta)
    learned: dict[str, Any] = {} if until is None else {UNTIL: until.isoformat()}
    if calibration is not None:
        learned[CALIBRATION] = calibration.document()
    population = replace(population, meta={**population.meta, **learned})
    good = replaces or ours >= theirs - _TOLERANCE
    if good:
        learner.publish(tenant, population, users=names)
    else:
        learner.store.tenant(tenant).save_population(population, users=names)
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
        details=details,
    )


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


def load_preferences(
    learner: Learner, tenant: str, *, progress: Progress = no_progress
) -> tuple[tuple[str, ...], PreferenceData]:
    """Return a tenant's users and their comparisons as features, oldest first for each user.

    Raises:
        InvalidInputError: There are fewer than 10 users or 50 comparisons.
    """
    events: list[Comparison] = []
    users: dict[str, int] = {}
    rows: list[int] = []
    for user, event in learner.store.tenant(tenant).iter_comparisons():
        rows.append(users.setdefault(user, len(users)))
        events.append(event)
    if len(users) < LEAST_USERS or len(events) < LEAST_COMPARISONS:
        raise InvalidInputError(
            f"tenant {tenant!r} has {len(events)} comparisons by {len(users)} users, expected at "
            f"least {LEAST_COMPARISONS} by {LEAST_USERS}",
            remedy="collect or import more (`persona import FILE.jsonl`), or use `persona fit "
            "--default`, which needs none",
        )
    last = {row: event.created_at for row, event in zip(rows, events, strict=True)}
    newest = [last[row] for row in rows]
    evidence = _encode(
        learner, tenant, events, newest=newest, later=_later(rows), progress=progress
    )
    return tuple(users), PreferenceData(
        evidence.chosen,
        evidence.rejected,
        np.array(rows, np.int64),
        learner.features.encoder.fingerprint,
        evidence.weight,
        evidence.prompt,
        evidence.texts,
        evidence.target,
    )


def _encode(
    learner: Learner,
    tenant: str,
    events: Sequence[Comparison],
    *,
    newest: Sequence[datetime],
    later: IntArray,
    progress: Progress,
) -> Evidence:
    parts = []
    for start in range(0, len(events), _ENCODED_AT_ONCE):
        progress("reading comparisons", start, len(events))
        here = slice(start, start + _ENCODED_AT_ONCE)
        parts.append(learner.evidence(tenant, events[here], newest=newest[here], later=later[here]))
    progress("reading comparisons", len(events), len(events))
    return Evidence.joined(parts)


def _later(rows: Sequence[int]) -> IntArray:
    """Return how many later comparisons the user of each made; rows are sorted by user.

    Examples:
        >>> _later([0, 0, 0, 1, 1]).tolist()
        [2, 1, 0, 1, 0]
    """
    ends = np.searchsorted(rows, rows, side="right")
    later: IntArray = ends - np.arange(len(rows)) - 1
    return later


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
