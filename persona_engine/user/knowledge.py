"""What is known of a person: to see, to take along, to erase."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

import numpy as np

from persona_engine.adapters.work import mark_of, sweep
from persona_engine.belief import Belief
from persona_engine.errors import InvalidInputError
from persona_engine.forgetting import unlearning_of
from persona_engine.instructions import as_of
from persona_engine.types import Comparison, FloatArray, Neighbour, Profile, Receipt, Scope
from persona_engine.user.scoped import ScopedToUser, check_count, no_population

_PAGE = 1_000  # users embedded together
_PATIENCE = 0.05  # seconds that forgetting waits for others who use the database's file
_SPARE = 10  # neighbours that an approximate index proposes beyond twice as many as asked for


class Knowledge(ScopedToUser):
    """Everything that is kept about a person."""

    def is_known(self) -> bool:
        """Say whether anything was ever kept of the person, and not erased since."""
        return self._rows.created_at() is not None

    def profile(self) -> Profile:
        """Return what the engine knows about the person."""
        count = self._rows.comparison_count()
        steering = self._rows.steering()
        traits = self._rows.traits()
        known = count or steering or traits
        belief = self._runtime.learner.belief(self.scope) if known else None
        return Profile(
            tenant=self.scope.tenant,
            user=self.scope.user,
            instructions=as_of(self._rows.instructions(), self._runtime.clock()),
            comparisons=count,
            tastes=() if belief is None else self._runtime.personalizer.tastes(self.scope, belief),
            reward_model=None if belief is None else belief.model.name,
            population=None if belief is None else belief.population.version,
            created_at=self._rows.created_at(),
            steering=steering,
            clusters=self._runtime.clusters.of_user(self.scope, belief),
            traits=traits,
        )

    def comparisons(self, *, count: int | None = None, skip: int = 0) -> tuple[Comparison, ...]:
        """Return what the person preferred to what, newest first.

        Args:
            count: How many at most; all if omitted.
            skip: How many of the newest to leave out, to page on.

        Raises:
            InvalidInputError: ``count`` is below 1, or ``skip`` below 0.
        """
        if count is not None:
            check_count("count", count)
        if isinstance(skip, bool) or not isinstance(skip, int) or skip < 0:
            raise InvalidInputError(f"skip is {skip!r}, expected a whole number of at least 0")
        newest = self._rows.comparisons()[::-1]
        return newest[skip : None if count is None else skip + count]

    def clusters(self) -> dict[str, float]:
        """Return P(the person belongs to cluster) by its name, likeliest first.

        Who has said nothing belongs to each as many do. Empty where the tenant has no clusters.
        """
        return self._runtime.clusters.of_user(self.scope, self._runtime.learner.belief(self.scope))

    def neighbours(self, count: int = 5) -> tuple[Neighbour, ...]:
        """Return the tenant's users whose taste is nearest, nearest first.

        Raises:
            InvalidInputError: ``count`` is below 1.
            NoPopulationError: There is no population to compare in.
        """
        check_count("count", count)
        belief = self._runtime.learner.belief(self.scope)
        if belief is None:
            raise no_population()
        model, population = belief.model, belief.population
        rows = self._runtime.store.tenant(self.scope.tenant)
        space = f"{model.name}/{population.version}"

        def load() -> Iterator[tuple[str, FloatArray]]:
            people = rows.iter_posteriors(model.name, population.version)
            while page := list(islice(people, _PAGE)):
                embedded = model.embed_many(population, [posterior for _, posterior in page])
                yield from zip((user for user, _ in page), embedded, strict=True)

        snapshot = self._runtime.index(self.scope.tenant, "users", space).current(
            load, lambda: rows.posterior_generation(model.name, population.version)
        )
        me = model.embed(population, belief.posterior)
        exact = snapshot.manifest.index == "flat"
        more = count if exact else 2 * count + _SPARE
        found = snapshot.search(me, count=more, exclude=[self.scope.user])
        if not exact:
            found = self._as_they_are(belief, me, [user for user, _ in found])
        return tuple(Neighbour(user, similarity) for user, similarity in found[:count])

    def _as_they_are(
        self, belief: Belief, me: FloatArray, users: Sequence[str]
    ) -> list[tuple[str, float]]:
        """Return users with the similarity that their posteriors have now, nearest first.

        An index of many users may be some minutes old and hold rounded vectors: it proposes, SQL
        decides. Who has been forgotten meanwhile is left out.
        """
        model, population = belief.model, belief.population
        found = []
        for user in users:
            rows = self._runtime.store.user(Scope(self.scope.tenant, user))
            held = rows.posterior(model.name, population.version)
            if held is not None:
                theirs = model.embed(population, held[0])
                scale = float(np.linalg.norm(theirs) * np.linalg.norm(me))
                found.append((user, float(theirs @ me) / scale if scale else 0.0))
        return sorted(found, key=lambda each: (-each[1], each[0]))

    def export(self) -> dict[str, Any]:
        """Return everything that is kept about the person, as JSON values."""
        return self._rows.export()

    def import_(self, document: Mapping[str, Any]) -> int:
        """Import what `export` wrote, all of it or nothing, and return the number of rows written.

        Raises:
            InvalidInputError: It is no such document.
            ConflictError: A row of the same id is stored with other content.
        """
        return self._rows.restore(document)

    def forget(self) -> Receipt:
        """Erase the person from database, indexes, caches and unfinished work; others go on.

        Populations in use that learned from them are corrected at once where their reward model can
        do that (`persona_engine.interfaces.Unlearns`), and marked to be fitted again without them:
        see `PersonaEngine.refit_stale`. The receipt lists what was erased where, and what remains.
        Files that were exported, and backups, are out of reach.
        """
        runtime = self._runtime
        unlearning = unlearning_of(
            runtime.learner,
            self.scope,
            model_of=runtime.reward_model,
            tolerance=runtime.config.forget_tolerance,
        )
        gone = self._rows.forget(unlearning)
        runtime.learner.look_again(self.scope.tenant)
        runtime.forget_cached()
        vectors = runtime.erase_vectors(self.scope)
        swept = sweep(runtime.training_folder, mark_of(self.scope))
        receipt = Receipt(
            tenant=self.scope.tenant,
            user=self.scope.user,
            erased_at=gone.erased_at,
            rows=dict(gone.rows),
            index_vectors=vectors,
            cached_embeddings=gone.cached_embeddings,
            refit=gone.stale,
            corrected=dict(gone.corrected),
            files={"training": swept.removed},
            remains=(*self._in_training(swept.held), *self._in_files()),
        )
        content = json.dumps(asdict(receipt), sort_keys=True, default=str)
        return replace(receipt, sha256=hashlib.sha256(content.encode()).hexdigest())

    def _in_training(self, held: int) -> Iterator[str]:
        if held:
            yield (
                f"{held} adapters are being trained on the person's texts: their folders go when "
                "that ends, or with `persona fit --stale`"
            )

    def _in_files(self) -> Iterator[str]:
        """Clear deleted rows from the database's files; say what that leaves."""
        store = self._runtime.store
        if store.dialect != "sqlite":
            yield (
                "the server's files hold deleted rows until `persona db vacuum`, its log and "
                "backups as long as its operator keeps them"
            )
            return
        small = store.file_size() <= self._runtime.config.vacuum_below_mb * 2**20
        if small and store.vacuum(patience=_PATIENCE):
            return
        yield (
            "free space of the database's file may hold copies that SQLite made when it moved "
            "rows: until `persona fit --stale` or `persona db vacuum`"
        )
        if not store.flush_log(patience=_PATIENCE):
            yield (
                "the database's log may hold deleted rows, as others were reading from it: until "
                "somebody else is forgotten, `persona fit --stale` or `persona db vacuum`"
            )
