"""The engine that a product embeds: opens the store, hands out users, fits populations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from persona_engine.adapters.cluster_report import ClusterReport, ClusterSummary
from persona_engine.adapters.plan import AdapterPlan
from persona_engine.adapters.training_report import AdapterReport
from persona_engine.aggregation import Rule
from persona_engine.at_scale import AtScale
from persona_engine.config import EngineConfig
from persona_engine.doctor import Check, diagnose
from persona_engine.errors import InvalidInputError
from persona_engine.fitting import FitReport, fit_bank, fit_tenant
from persona_engine.groups_of_users import GroupsOfUsers
from persona_engine.interfaces import Progress, no_progress
from persona_engine.observing import Observer
from persona_engine.plugins import Plugins
from persona_engine.refitting import RefitReport, refit_stale
from persona_engine.replay import Policy, replay
from persona_engine.runtime import Runtime
from persona_engine.sharing import rank_shared
from persona_engine.store import Clock, Store, utc_now
from persona_engine.types import Conversation, Ranking, Replayed, Scope
from persona_engine.user import User, check_seed
from persona_engine.warming import warm_up

__all__ = [
    "AdapterPlan",
    "AdapterReport",
    "Check",
    "ClusterReport",
    "ClusterSummary",
    "FitReport",
    "PersonaEngine",
    "RefitReport",
    "User",
]

_POOLED = "bradley_terry"


class PersonaEngine(GroupsOfUsers, AtScale):
    """Personalization for a chat product.

    Args:
        url: Database; SQLite files are made and migrated, servers need `persona db upgrade`. The
            configured one if omitted.
        generator: Weights of the language model, by name or path; the configured one if omitted.
        config: Settings; from the environment if omitted.
        clock: Gives the time of what is stored.
        progress: Told of long work, such as fetching weights.
        plugins: Plugin objects of the host, beside the installed ones.

    Raises:
        ConfigError: A setting cannot be used.
        SchemaVersionError: The database is newer than this code, or a server's is older.
        StoreUnavailableError: The database cannot be opened.
        PluginError: A chosen plugin is not there or, with ``strict_plugins``, any failed.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with PersonaEngine(f"sqlite:///{folder}/persona.db") as engine:
        ...         alice = engine.user("alice")
        ...         wish = alice.instruct("Answer in British English.")
        ...         [each.text for each in alice.instructions()]
        ['Answer in British English.']
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        generator: str | None = None,
        config: EngineConfig | None = None,
        clock: Clock = utc_now,
        progress: Progress = no_progress,
        plugins: Iterable[object] = (),
    ) -> None:
        config = EngineConfig() if config is None else config
        given = {"database": url, "generator": generator}
        changes = {name: value for name, value in given.items() if value is not None}
        if changes:
            config = EngineConfig(**{**config.model_dump(), **changes})
        self._runtime = Runtime(config, clock=clock, progress=progress, plugins=plugins)

    @property
    def config(self) -> EngineConfig:
        """The settings."""
        return self._runtime.config

    @property
    def store(self) -> Store:
        """The database."""
        return self._runtime.store

    @property
    def plugins(self) -> Plugins:
        """What was discovered, and what became of it."""
        return self._runtime.plugins

    def observe(self, observer: Observer) -> None:
        """Tell an observer of every step from now on; `persona_engine.observing.SILENT` ends it."""
        self._runtime.observation.passes_to(observer)

    @property
    def observer(self) -> Observer:
        """Passes on to whoever observes the engine; hosts tell it of steps of their own."""
        return self._runtime.observation

    def user(self, user: str, *, tenant: str = "default") -> User:
        """Return a person by the stable id that the product knows them by.

        Raises:
            ScopeError: User or tenant is not a name of 1 to 256 characters.
        """
        return User(self._runtime, Scope(tenant, user))

    def fit(
        self,
        *,
        tenant: str = "default",
        reward_model: str | None = None,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> FitReport:
        """Fit a population on a tenant's comparisons and publish it when it is not worse.

        Raises:
            InvalidInputError: There are too few users or comparisons, or ``seed`` is below 0.
            PluginError: There is no such reward model.
        """
        check_seed(seed)
        name = self.config.reward_model if reward_model is None else reward_model
        return fit_tenant(
            self._runtime.learner,
            tenant,
            model=self._runtime.reward_model(name),
            pooled=self._runtime.reward_model(_POOLED),
            attributes=tuple(self._runtime.attributes.all.values()),
            seed=seed,
            guard=self.config.guard_populations,
            progress=progress,
        )

    def refit_stale(
        self,
        *,
        tenant: str = "default",
        seed: int = 0,
        vacuum: bool = True,
        progress: Progress = no_progress,
    ) -> RefitReport:
        """Fit again, without them, what learned from people who were forgotten, and clear the rest.

        Run it on a schedule, such as every night: until then populations in use are corrected to
        first order, or only marked. It fits populations in use and finds clusters anew, deletes the
        earlier ones with the posteriors that stood on them, clears unfinished work, and writes
        SQLite's file anew. Adapters are told, for `train_adapters` takes hours.

        Args:
            tenant: Whose.
            seed: Decides everything.
            vacuum: Whether to write the database anew (`Store.vacuum`).
            progress: Told of reading, judging and fitting.

        Raises:
            InvalidInputError: ``seed`` is below 0.
            PluginError: A population in use is of a reward model that is not there.
        """
        check_seed(seed)
        return refit_stale(
            self._runtime, tenant, pooled=_POOLED, seed=seed, vacuum=vacuum, progress=progress
        )

    def fit_default(
        self, *, tenant: str = "default", seed: int = 0, progress: Progress = no_progress
    ) -> FitReport:
        """Fit a population on synthetic users over the question bank, and publish it.

        It serves a product that has no comparisons yet, on a generator for which the package ships
        no population.

        Raises:
            InvalidInputError: ``seed`` is below 0.
        """
        check_seed(seed)
        own = self._runtime.attributes.own
        return fit_bank(self._runtime.learner, tenant, own=own, seed=seed, progress=progress)

    def ensure_population(
        self, *, tenant: str = "default", seed: int = 0, progress: Progress = no_progress
    ) -> FitReport | None:
        """Fit the default population where none is published or shipped; else do nothing.

        The package ships one for the default weights of the package index only: weights of another
        source make another feature space.
        """
        if self._runtime.learner.population(tenant) is not None:
            return None
        return self.fit_default(tenant=tenant, seed=seed, progress=progress)

    def rank_shared(
        self,
        users: Sequence[str],
        prompt: str | Conversation,
        candidates: Sequence[str],
        *,
        rule: Rule = "maxmin",
        tenant: str = "default",
    ) -> Ranking:
        """Order replies that the host has already for several people who share one of them.

        Args:
            users: Who shares the reply.
            prompt: What it answers.
            candidates: The replies.
            rule: ``mean`` pleases most on the whole, ``maxmin`` and ``leximin`` please whoever is
                pleased least; see `persona_engine.aggregation.aggregate`.
            tenant: Whose users they are.

        Returns:
            The order; its confidence is the expected share of the people who prefer the first
            candidate to the second.

        Raises:
            InvalidInputError: There is nobody, somebody is named twice, there are no candidates,
                one is blank, or there is no such rule.
            ScopeError: Somebody is no name.
        """
        if isinstance(users, str):
            raise InvalidInputError(f"users is {users!r}, expected a list of one or more names")
        scopes = [self.user(user, tenant=tenant).scope for user in users]
        return rank_shared(self._runtime.learner, scopes, prompt, candidates, rule=rule)

    def replay(
        self,
        policies: Mapping[str, Policy] | Sequence[str] = ("first", "greedy", "thompson", "ucb"),
        *,
        tenant: str = "default",
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[Replayed, ...]:
        """Tell what policies would have earned on the choices that `User.choose` has logged.

        Args:
            policies: By name, or functions that return the probability of each candidate.
            tenant: Whose choices.
            seed: Of the policies' draws.
            progress: Told of users.

        Raises:
            InvalidInputError: No choice has feedback, or there is no such policy.
            NoPopulationError: There is no population to judge by.
        """
        check_seed(seed)
        return replay(self._runtime.learner, tenant, policies, seed=seed, progress=progress)

    def warm_up(self) -> None:
        """Load what the first reply needs, so that it takes no longer than the second.

        Raises:
            WeightsError: A model cannot be found.
        """
        warm_up(self._runtime)

    def doctor(self, *, tenant: str = "default") -> tuple[Check, ...]:
        """Check weights, database, indexes and plugins, and say how to mend each.

        Raises:
            ScopeError: The tenant is not a name of 1 to 256 characters.
        """
        return diagnose(self._runtime, tenant)

    def close(self) -> None:
        """Close the database; what was acknowledged is on the disk already."""
        self._runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
