"""Moves a tenant to another feature space: filled beside the one that serves, from the events."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from persona_engine.config import EngineConfig
from persona_engine.crowds import infer_all, pages
from persona_engine.errors import InvalidInputError
from persona_engine.features import Text
from persona_engine.fitting import fit_bank, fit_tenant
from persona_engine.interfaces import Progress, no_progress
from persona_engine.learning import Learner
from persona_engine.learning.past import LEAST_COMPARISONS, LEAST_USERS
from persona_engine.runtime import Runtime

_POOLED = "bradley_terry"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be another than now; None stays.

    Args:
        generator: Weights of the language model.
        feature_encoder: Plugin that gives features.
        sentence_encoder: Weights of the sentence encoder.
    """

    generator: str | None = None
    feature_encoder: str | None = None
    sentence_encoder: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The settings that change, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class ReencodeReport:
    """What stands ready in the other feature space.

    Args:
        old: Fingerprint of the space that serves.
        new: Fingerprint of the other one.
        texts: Distinct texts of the events, page by page, that have features there.
        encoded: Those that had none before.
        population: Version that serves there.
        users: Whose posteriors are inferred.
        settings: With which an engine serves it.
    """

    old: str
    new: str
    texts: int
    encoded: int
    population: str
    users: int
    settings: dict[str, str]


def reencode(
    runtime: Runtime, tenant: str, target: Target, *, seed: int, progress: Progress
) -> ReencodeReport:
    """Encode, fit and infer in the space of other settings; see `PersonaEngine.reencode`."""
    settings = target.settings
    if not settings:
        raise InvalidInputError(
            "nothing is to be changed, expected another generator or encoder",
            remedy="for example reencode(generator='FOLDER')",
        )
    config = EngineConfig(**{**runtime.config.model_dump(), **settings})
    given = runtime.given_plugins
    other = Runtime(config, clock=runtime.clock, progress=progress, plugins=given)
    try:
        old = runtime.features.encoder.fingerprint
        new = other.features.encoder.fingerprint
        if old == new:
            raise InvalidInputError(
                f"the feature space stays {old!r}, expected another one",
                remedy="name weights or an encoder that differ from those in use",
            )
        texts, encoded = _encode(other.learner, tenant, progress)
        population = _population(other, tenant, seed, progress)
        report = infer_all(other.learner, tenant, progress=progress)
        return ReencodeReport(old, new, texts, encoded, population, report.users, settings)
    finally:
        other.close()


def _encode(learner: Learner, tenant: str, progress: Progress) -> tuple[int, int]:
    """Encode what has no features yet; return how many texts there are, and how many had none."""
    rows = learner.store.tenant(tenant)
    total = sum(count for _, count in rows.iter_counts())
    texts = encoded = done = 0
    progress("encoding comparisons", 0, total)
    for page in pages(learner, tenant):
        events = [event for _, made in page for event in made]
        here = {
            text.key: text
            for event in events
            for text in (Text(event.chosen, event.prompt), Text(event.rejected, event.prompt))
        }
        missing = learner.features.missing(tenant, list(here.values()))
        learner.features.get(tenant, missing, progress=no_progress)
        texts, encoded, done = texts + len(here), encoded + len(missing), done + len(events)
        progress("encoding comparisons", done, max(total, done))
    return texts, encoded


def _population(other: Runtime, tenant: str, seed: int, progress: Progress) -> str:
    """Return the version that serves in the other space, fitted there unless one does already."""
    learner = other.learner
    fingerprint = learner.features.encoder.fingerprint
    rows = learner.store.tenant(tenant)
    version = rows.published_version(learner.model.name, fingerprint)
    if version is not None:
        return version
    counts = [count for _, count in rows.iter_counts()]
    if len(counts) >= LEAST_USERS and sum(counts) >= LEAST_COMPARISONS:
        report = fit_tenant(
            learner,
            tenant,
            model=learner.model,
            pooled=other.reward_model(_POOLED),
            attributes=tuple(other.attributes.all.values()),
            seed=seed,
            replaces=True,
            progress=progress,
        )
        return report.population
    shipped = learner.population(tenant)
    if shipped is not None:
        return shipped.version
    own = other.attributes.own
    return fit_bank(learner, tenant, own=own, seed=seed, progress=progress).population
