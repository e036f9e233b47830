"""Is everything in order, and how to mend what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from persona_engine.config import is_address
from persona_engine.errors import PersonaError
from persona_engine.runtime import Runtime
from persona_engine.weights import KNOWN, resolve, verify


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Args:
        name: What.
        ok: Whether it is in order.
        detail: What was found.
        remedy: How to mend it, or None.
    """

    name: str
    ok: bool
    detail: str
    remedy: str | None = None


def diagnose(runtime: Runtime, tenant: str) -> tuple[Check, ...]:
    """Look at weights, database, migrations, plugins, and a tenant's population and adapters.

    Nothing is downloaded and nothing is changed.

    Raises:
        ScopeError: The tenant is not a name of 1 to 256 characters.
    """
    runtime.store.tenant(tenant)
    weights = tuple(_weights(runtime))
    checks = [*weights, *_database(runtime), *_plugins(runtime), *_adapters(runtime, tenant)]
    if all(each.ok for each in weights):
        checks += [_population(runtime, tenant), *_indexes(runtime, tenant)]
    return tuple(checks)


def _weights(runtime: Runtime) -> Iterator[Check]:
    config = runtime.config
    named = (config.generator, config.sentence_encoder, config.feature_weights)
    for name in dict.fromkeys(named):
        if name is None or is_address(name):
            continue
        label = f"weights {name}"
        remedy = f"persona weights pull {name}" if name in KNOWN else "correct the path"
        try:
            folder = resolve(name, cache=runtime.config.weights_folder, download=False)
            faults = verify(folder)
        except PersonaError as error:
            yield Check(label, False, error.message, remedy)
            continue
        if faults:
            yield Check(label, False, "; ".join(faults), f"delete {folder}, then {remedy}")
        else:
            yield Check(label, True, str(folder))


def _database(runtime: Runtime) -> Iterator[Check]:
    store = runtime.store
    try:
        revision, head = store.revision(), store.head()
        yield Check(
            "migrations",
            revision == head,
            f"schema {revision}, expected {head}",
            None if revision == head else "persona db upgrade",
        )
        faults = store.check()
    except PersonaError as error:
        yield Check("database", False, error.message, error.remedy)
        return
    yield Check(
        "database",
        not faults,
        "; ".join(faults) or f"{store.dialect}, sound",
        "restore a backup" if faults else None,
    )


def _plugins(runtime: Runtime) -> Iterator[Check]:
    for record in runtime.plugins.records:
        kind = record.kind or "plugin"
        failed = record.status == "failed"
        yield Check(
            f"{kind} {record.name}",
            not failed,
            record.reason
            or f"{record.status}, {record.distribution or 'host'} {record.version or ''}",
            "reinstall or block it (blocked_plugins)" if failed else None,
        )


def _adapters(runtime: Runtime, tenant: str) -> Iterator[Check]:
    """Verify what is published; what is not is verified when it is put to use."""
    try:
        registry = runtime.adapters.registry(tenant)
        published = [row for row in registry.versions() if row.published]
    except PersonaError:  # the check of the database says so
        return
    for row in published:
        name = f"adapter {row.version} of cluster {row.cluster}"
        try:
            registry.verify(row.version)
        except PersonaError as error:
            yield Check(name, False, error.message, error.remedy)
            continue
        train = f"persona adapters train --cluster {row.cluster}"
        forgotten = "learned from somebody who was forgotten"
        yield Check(
            name,
            not row.stale,
            forgotten if row.stale else f"verified, for base {row.base}",
            train if row.stale else None,
        )


def _population(runtime: Runtime, tenant: str) -> Check:
    name = f"population of tenant {tenant}"
    try:
        population = runtime.learner.population(tenant)
    except PersonaError as error:
        return Check(name, False, error.message, error.remedy)
    if population is None:
        detail = "none for this reward model and feature space: replies are base replies"
        return Check(name, False, detail, "persona fit --default")
    stale = {row.version for row in runtime.store.tenant(tenant).populations() if row.stale}
    if population.version in stale:
        detail = f"{population.version} learned from somebody who was forgotten"
        return Check(name, False, detail, "persona fit")
    return Check(name, True, f"{population.reward_model} {population.version}")


def _indexes(runtime: Runtime, tenant: str) -> Iterator[Check]:
    try:
        population = runtime.learner.population(tenant)
    except PersonaError:  # the check of the population says so
        population = None
    if population is None:
        return
    rows = runtime.store.tenant(tenant)
    generation = rows.posterior_generation(population.reward_model, population.version)
    space = f"{population.reward_model}/{population.version}"
    status = runtime.index(tenant, "users", space).status(generation=generation)
    damaged = status.state == "damaged"
    yield Check(
        "index of users",
        not damaged,
        f"{status.state}: {status.count} vectors. {status.detail}".strip(),
        f"delete {status.path}; it is built again from the database" if damaged else None,
    )
