"""Fits again what learned from people who were forgotten since, and clears what that leaves."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from persona_engine.adapters.work import sweep
from persona_engine.errors import InvalidInputError, NoPopulationError
from persona_engine.fitting import FitReport, fit_tenant
from persona_engine.interfaces import Progress, no_progress
from persona_engine.runtime import Runtime
from persona_engine.store import PopulationRow

logger = logging.getLogger("persona_engine.refitting")


@dataclass(frozen=True, slots=True)
class RefitReport:
    """What became of what learned from people who are forgotten.

    Args:
        fitted: Populations that were fitted anew, without them, and took the place of those in use.
        withdrawn: Populations in use that too few people are left for; the one that the package
            ships serves again, if it ships one.
        elsewhere: Populations in use in a feature space that this engine does not have.
        clusters: Version of the clustering that was found anew, or None where none was.
        dropped: Versions of populations and clusterings that are gone for good, with the posteriors
            that stood on them.
        adapters: Versions of adapters in use that are still to be trained again.
        training: Work folders of adapters that were cleared.
        vacuumed: Whether the database's files hold nothing any more that was deleted.
    """

    fitted: tuple[FitReport, ...]
    withdrawn: tuple[str, ...]
    elsewhere: tuple[str, ...]
    clusters: str | None
    dropped: tuple[str, ...]
    adapters: tuple[str, ...]
    training: int
    vacuumed: bool


def refit_stale(
    runtime: Runtime,
    tenant: str,
    *,
    pooled: str,
    seed: int,
    vacuum: bool = True,
    progress: Progress = no_progress,
) -> RefitReport:
    """Fit anew, find clusters anew, delete what went before; see `PersonaEngine.refit_stale`.

    Broken off, it goes on where it stood: what was fitted anew is not stale any more.
    """
    rows = runtime.store.tenant(tenant)
    stale = [row for row in rows.populations() if row.stale and row.published]
    space = runtime.features.encoder.fingerprint if stale else ""
    fitted: list[FitReport] = []
    withdrawn: list[str] = []
    for row in stale:
        if row.fingerprint != space:
            continue
        try:
            fitted.append(_fit(runtime, tenant, row, pooled=pooled, seed=seed, progress=progress))
        except InvalidInputError as error:  # who never had these people would have no population
            logger.warning("population %s is withdrawn: %s", row.version, error.message)
            rows.withdraw_population(row.version)
            withdrawn.append(row.version)
    runtime.learner.look_again(tenant)
    return RefitReport(
        fitted=tuple(fitted),
        withdrawn=tuple(withdrawn),
        elsewhere=tuple(row.version for row in stale if row.fingerprint != space),
        clusters=_clusters(runtime, tenant, seed=seed, progress=progress),
        dropped=rows.drop_stale(),
        adapters=tuple(row.version for row in rows.adapters() if row.stale and row.published),
        training=sweep(runtime.training_folder).removed,
        vacuumed=vacuum and runtime.store.vacuum(),
    )


def _fit(
    runtime: Runtime,
    tenant: str,
    row: PopulationRow,
    *,
    pooled: str,
    seed: int,
    progress: Progress,
) -> FitReport:
    return fit_tenant(
        runtime.learner,
        tenant,
        model=runtime.reward_model(row.reward_model),
        pooled=runtime.reward_model(pooled),
        attributes=tuple(runtime.attributes.all.values()),
        seed=seed,
        guard=runtime.config.guard_populations,
        replaces=True,
        progress=progress,
    )


def _clusters(runtime: Runtime, tenant: str, *, seed: int, progress: Progress) -> str | None:
    """Find clusters anew where those in use learned from somebody who is forgotten."""
    rows = runtime.store.tenant(tenant)
    old = next((row for row in rows.clusterings() if row.published and row.stale), None)
    if old is None:
        return None
    try:
        found = runtime.clusters.find(
            tenant, clusterer=old.clusterer, seed=seed, plot=None, progress=progress
        )
    except (InvalidInputError, NoPopulationError) as error:
        logger.warning("clusters of tenant %r are not found anew: %s", tenant, error.message)
        return None
    return found.version
