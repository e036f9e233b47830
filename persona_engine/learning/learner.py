"""Keeps each user's posterior true to their events, on the population that is published."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from persona_engine.belief import Belief, bind
from persona_engine.errors import ArtefactError, ConflictError, MissingExtraError, WeightsError
from persona_engine.features import FeatureCache, Text
from persona_engine.interfaces import RewardModel
from persona_engine.learning.encoded import check_new, encoded
from persona_engine.learning.online import OnlinePolicy
from persona_engine.learning.published import Populations
from persona_engine.observing import SILENT, Observer
from persona_engine.presuming import Presumes
from persona_engine.store import Fold, NewComparison, Store, UserStore, redacted
from persona_engine.types import (
    Comparison,
    Context,
    Conversation,
    Evidence,
    IntArray,
    Population,
    Posterior,
    Scope,
)
from persona_engine.weighing import EvidencePolicy

logger = logging.getLogger("persona_engine.learning")

PRESUMED_UNTIL = 16
"""Own comparisons from which nothing is presumed of a user any more."""

Steering = Callable[[Mapping[str, float]], Sequence[NewComparison]]

_ATTEMPTS = 20


class Learner:
    """Turns events into posteriors, at once and for good.

    Events are the truth. A posterior that is missing, that stands on another population, or that
    has not seen every event is built again from the events.

    Args:
        store: Where events and posteriors are.
        model: The reward model.
        features: Features of the space that the model reads.
        shipped: Returns the population that comes with the package for the model and feature
            space, or None; used by tenants that have published none.
        refresh_seconds: How long a published population may be remembered.
        context: What models of texts need beside the texts.
        policy: How much each comparison counts.
        online: When posteriors are built again from all events.
        steering: Returns what a user set by hand as comparisons; they are added whenever the
            posterior is asked for, and never stored with it.
        presumed: Returns what is presumed of a user who has said little, or None; likewise.
        observer: Hears of what is learned.
    """

    def __init__(
        self,
        store: Store,
        model: RewardModel,
        features: FeatureCache,
        *,
        shipped: Callable[[], Population | None],
        refresh_seconds: float = 1.0,
        context: Context | None = None,
        policy: EvidencePolicy | None = None,
        online: OnlinePolicy | None = None,
        steering: Steering = lambda _: (),
        presumed: Presumes = lambda *_: None,
        observer: Observer = SILENT,
    ) -> None:
        self.store = store
        self.model = model
        self.features = features
        self._populations = Populations(
            store,
            model.name,
            fingerprint=lambda: features.encoder.fingerprint,
            shipped=shipped,
            refresh_seconds=refresh_seconds,
        )
        self._context = context or Context()
        self.policy = policy or EvidencePolicy()
        self._online = online or OnlinePolicy()
        self._steering = steering
        self._presumed = presumed
        self._observer = observer

    @property
    def context(self) -> Context:
        """What models of texts need beside the texts."""
        return self._context

    def population(self, tenant: str) -> Population | None:
        """Return the population in use, or None when none was ever published or shipped.

        Raises:
            ArtefactError: Its bytes are damaged.
        """
        return self._populations.current(tenant)

    def publish(
        self,
        tenant: str,
        population: Population,
        *,
        users: Sequence[str],
        shares: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Store a population with the users that it learned from, and put it to use.

        Args:
            tenant: Whose.
            population: It.
            users: Whom it learned from.
            shares: What the comparisons of some of them counted in its fit, of what they count for
                themselves; 1 for the others.
        """
        self._populations.publish(tenant, population, users=users, shares=shares)

    def look_again(self, tenant: str) -> None:
        """Ask the store at the next use which population is in use."""
        self._populations.look_again(tenant)

    def belief(self, scope: Scope, *, prompt: Conversation | str | None = None) -> Belief | None:
        """Return what is believed about a user now, or None without a population.

        Args:
            scope: The user.
            prompt: What replies are to be judged for, where the model cares.
        """
        population = self.population(scope.tenant)
        if population is None:
            return None
        steering = self.store.user(scope).steering()
        learned = self.posterior(scope, population)
        presumed = self._presumed(scope, population) if learned.count < PRESUMED_UNTIL else None
        if presumed is not None:
            learned = self._with(population, learned, presumed.evidence)
        return bind(
            self.model,
            population,
            self._steered(scope.tenant, population, learned, steering),
            steering=steering,
            neighbours=0 if presumed is None else len(presumed.neighbours),
            prompt=prompt,
            encode=lambda words: self.features.get(scope.tenant, [Text(words)], keep=False)[0],
            context=self._context,
        )

    def record(
        self, scope: Scope, new: Sequence[NewComparison], *, key: str | None = None
    ) -> tuple[Comparison, ...]:
        """Append events and change the posterior by them, in one transaction.

        When they cannot be learned from now, for want of weights or because the population is
        damaged, the events are kept all the same and the posterior is built from them as soon as it
        can be.

        Raises:
            InvalidInputError: A text cannot be compared or stored.
            ConflictError: ``key`` was used before for other content.
        """
        for each in new:
            check_new(each)
        # What is learned from is what is stored: the posterior can be built from it again.
        new = [redacted.comparison(each, self.store.redact) for each in new]
        user = self.store.user(scope)
        looks_again: list[Population] = []
        with self._observer.span("learn"):
            fold = self._fold(scope, new, looks_again)
            recorded = user.record(new, idempotency_key=key, fold=fold)
            for population in looks_again[:1]:
                self.posterior(scope, population)
        self._observer.count("comparisons", len(recorded))
        return recorded

    def keep(self, scope: Scope, new: Sequence[NewComparison]) -> tuple[Comparison, ...]:
        """Append events of a bulk import; the next reader builds the posterior from them."""
        return self.store.user(scope).record(new)

    def evidence(
        self,
        tenant: str,
        events: Sequence[Comparison | NewComparison],
        *,
        newest: Sequence[datetime] | None = None,
        later: IntArray | None = None,
    ) -> Evidence:
        """Return comparisons as evidence, encoding what nobody encoded before.

        Args:
            tenant: Whose.
            events: Comparisons of one user, or of several when ``newest`` is given.
            newest: For each of them, when its user's newest was made.
            later: For each of them, how many later ones its user made.
        """
        weight = self.policy.weights(events, newest=newest, later=later)
        reads = self.model.reads
        return self.policy.corrected(encoded(self.features, tenant, events, weight, reads=reads))

    def _fold(
        self,
        scope: Scope,
        new: Sequence[NewComparison],
        looks_again: list[Population],
    ) -> Fold | None:
        """Return how the posterior changes, or None where it cannot be learned now.

        Args:
            scope: The user.
            new: The events.
            looks_again: Gets the population when the fold finds that all events must be looked at.
        """
        try:
            population = self.population(scope.tenant)
            if population is None:
                return None
            evidence = self.evidence(scope.tenant, new)
        except (WeightsError, MissingExtraError, ArtefactError) as error:
            logger.warning("feedback is kept, but not learned from yet: %s", error)
            return None

        def apply(before: Posterior | None, events: int) -> Posterior | None:
            if events == len(new):
                return self.model.infer(population, evidence)
            if before is None or before.count + len(new) != events:
                return None  # encoding earlier events here would hold the write lock
            if self.policy.drifts or self._online.refits(self.model, population, before, evidence):
                looks_again.append(population)
                return None
            return self.model.update(population, before, evidence)

        return Fold(self.model.name, population.version, apply)

    def posterior(self, scope: Scope, population: Population) -> Posterior:
        """Return what a user's comparisons taught, without what was set by hand.

        Built and stored where it is missing or has not seen them all.
        """
        user = self.store.user(scope)
        for _ in range(_ATTEMPTS):
            found = self._stored(user, population)
            events = user.comparison_count()
            if found is not None and found[0].count == events:
                return found[0]
            if not events:
                return self.model.infer(population, Evidence.empty(self.features.width))
            posterior = self.refit(population, self.evidence(scope.tenant, user.comparisons()))
            try:
                user.save_posterior(posterior, expected_version=found[1] if found else None)
            except ConflictError:
                continue
            return posterior
        raise ConflictError(
            f"the posterior of user {scope.user!r} changed {_ATTEMPTS} times while it was built",
            remedy="try again; if it persists, look for a client that repeats feedback in a loop",
        )

    def refit(self, population: Population, evidence: Evidence) -> Posterior:
        """Return the posterior after one user's comparisons, oldest first, built from all of them.

        What was said before a change of taste counts as far as it is likely to hold still.
        """
        return self._online.infer(self.model, population, evidence)

    def _steered(
        self,
        tenant: str,
        population: Population,
        learned: Posterior,
        steering: Mapping[str, float],
    ) -> Posterior:
        """Return the posterior with what was set by hand; ``count`` stays that of the events."""
        pairs = self._steering(steering)
        if not pairs:
            return learned
        return self._with(population, learned, self.evidence(tenant, pairs))

    def _with(self, population: Population, learned: Posterior, further: Evidence) -> Posterior:
        """Return the posterior with what is no event of the user's; ``count`` stays theirs."""
        posterior = self.model.update(population, learned, further)
        return replace(posterior, count=learned.count)

    def _stored(self, user: UserStore, population: Population) -> tuple[Posterior, int] | None:
        try:
            return user.posterior(self.model.name, population.version)
        except ArtefactError as error:
            logger.warning("the posterior of %r is built again: %s", user.scope.user, error)
            user.drop_posterior(self.model.name, population.version)
            return None
