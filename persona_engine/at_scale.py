"""What an engine does for many users at once: imports them, infers them, encodes them anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from persona_engine.crowds import InferReport, infer_all
from persona_engine.errors import ConflictError, NotFoundError
from persona_engine.imported import import_rows
from persona_engine.importing import ImportReport, import_file
from persona_engine.interfaces import Progress, no_progress
from persona_engine.reencoding import ReencodeReport, Target, reencode
from persona_engine.runtime import Runtime
from persona_engine.store import PopulationRow
from persona_engine.tables import TableFormat
from persona_engine.user import check_seed
from persona_engine.user.scoped import check_count


class AtScale:
    """The part of `persona_engine.engine.PersonaEngine` that is about all users at once."""

    _runtime: Runtime

    def users(
        self,
        *,
        containing: str = "",
        after: str = "",
        count: int = 50,
        tenant: str = "default",
    ) -> tuple[str, ...]:
        """Return a tenant's users by name, sorted, one page at a time.

        Args:
            containing: Only those whose name contains this text, in any case.
            after: Only those whose names come after this one, such as the last of the page before.
            count: How many at most.
            tenant: Whose users.

        Raises:
            InvalidInputError: ``count`` is below 1, or a text cannot be stored.
            ScopeError: The tenant is not a name of 1 to 256 characters.
        """
        check_count("count", count)
        rows = self._runtime.store.tenant(tenant)
        return rows.find_users(containing=containing, after=after, count=count)

    def populations(self, *, tenant: str = "default") -> tuple[PopulationRow, ...]:
        """Return every population that a tenant has, oldest first, without what it learned.

        Raises:
            ScopeError: The tenant is not a name of 1 to 256 characters.
        """
        return self._runtime.store.tenant(tenant).populations()

    def publish_population(self, version: str, *, tenant: str = "default") -> PopulationRow:
        """Put a population to use for its reward model and feature space; other engines follow.

        Args:
            version: Which.
            tenant: Whose.

        Raises:
            NotFoundError: The tenant has none of that version.
            ConflictError: It learned from somebody who was forgotten since.
        """
        rows = self._runtime.store.tenant(tenant)
        found = next((each for each in rows.populations() if each.version == version), None)
        if found is not None and found.stale and not found.published:
            raise ConflictError(
                f"population {version!r} learned from somebody who was forgotten since",
                remedy="fit anew (`persona fit`), which learns from those who remain",
            )
        rows.publish(version)
        self._runtime.learner.look_again(tenant)
        return next(each for each in rows.populations() if each.version == version)

    def roll_back_population(self, *, tenant: str = "default") -> PopulationRow:
        """Put to use again the population made before the one in use, and return it.

        Raises:
            NotFoundError: None is in use, or there is none before it that may be used.
        """
        learner = self._runtime.learner
        space = (learner.model.name, learner.features.encoder.fingerprint)
        ours = [
            each
            for each in self.populations(tenant=tenant)
            if (each.reward_model, each.fingerprint) == space
        ]
        now = next((place for place, each in enumerate(ours) if each.published), 0)
        for each in reversed(ours[:now]):
            # One that was emptied when somebody was forgotten is not found any more.
            with suppress(NotFoundError, ConflictError):
                return self.publish_population(each.version, tenant=tenant)
        raise NotFoundError(
            f"tenant {tenant!r} has no population before the one in use",
            remedy="`publish_population` takes any version that `populations` lists",
        )

    def import_comparisons(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        tenant: str = "default",
        progress: Progress = no_progress,
    ) -> int:
        """Record comparisons of many users; every row is checked before any is written.

        Features are encoded when they are first needed. All rows are held in memory: for more than
        fit, and to go on after a crash, there is `import_file`.

        Args:
            rows: Mappings with ``user``, ``prompt``, ``chosen``, ``rejected`` and, if need be,
                ``weight`` and ``tie``.
            tenant: Whose users they are.
            progress: Told of the rows that are written.

        Returns:
            The number of rows.

        Raises:
            InvalidInputError: A row lacks a field or holds a value that cannot be used; its number
                is in the message and nothing was written.
            ScopeError: A row's user is no name; likewise.
        """
        return import_rows(self._runtime.learner, tenant, rows, progress=progress)

    def import_file(
        self,
        path: Path | str,
        *,
        tenant: str = "default",
        format: TableFormat | None = None,  # noqa: A002
        progress: Progress = no_progress,
    ) -> ImportReport:
        """Record the comparisons of a file of any size, in bounded memory.

        The file is read twice: checked whole before anything is written, then written in short
        transactions, between which people are served. Killed half-way, the same call goes on where
        it was; of a file that was imported before, nothing is written again.

        Args:
            path: JSON lines, CSV (both may be gzipped) or Parquet, with ``user``, ``prompt``,
                ``chosen``, ``rejected`` and, if need be, ``weight``, ``tie``, ``time`` (seconds
                since 1970 or ISO 8601) and ``id``, by which rows of several files are the same.
            tenant: Whose users they are.
            format: ``jsonl``, ``csv`` or ``parquet``; as the file is named if omitted.
            progress: Told of checking, in bytes (of Parquet in rows), and of importing, in rows.

        Raises:
            InvalidInputError: The file cannot be read, or a row lacks a field or holds a value that
                cannot be used; the message names the line, and nothing was written.
            ScopeError: A row's user is no name; likewise.
            MissingExtraError: It is Parquet, and the extra ``parquet`` is not installed.
        """
        store = self._runtime.store
        report = import_file(store, tenant, Path(path), kind=format, progress=progress)
        store.flush_log()  # or who is forgotten first waits for it
        return report

    def infer_all(
        self, *, tenant: str = "default", progress: Progress = no_progress
    ) -> InferReport:
        """Build and store every posterior that is missing or has not seen all its comparisons.

        After an import or a fit; without it each is built when it is first asked for. Events are
        read page by page; killed half-way, the same call goes on where it was.

        Raises:
            NoPopulationError: There is no population to infer on.
        """
        report = infer_all(self._runtime.learner, tenant, progress=progress)
        self._runtime.store.flush_log()
        return report

    def reencode(
        self,
        *,
        generator: str | None = None,
        feature_encoder: str | None = None,
        sentence_encoder: str | None = None,
        tenant: str = "default",
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> ReencodeReport:
        """Fill another feature space from the events, while this engine serves in its own.

        Every text is encoded by the other model, a population is fitted there and everybody's
        posterior inferred, beside those in use; then a host that opens an engine with the same
        settings finds all of it ready. What is done stays: stopped or killed, the same call goes
        on. Run it in a thread or a process of its own.

        Args:
            generator: Weights of the other language model; as now if omitted.
            feature_encoder: Plugin that gives features; as now if omitted.
            sentence_encoder: Weights of the sentence encoder; as now if omitted.
            tenant: Whose events.
            seed: Of the fit.
            progress: Told of encoding, fitting and inferring.

        Raises:
            InvalidInputError: Nothing is to be changed, the space stays the same, or ``seed`` is
                below 0.
            WeightsError: The other model cannot be found.
        """
        check_seed(seed)
        target = Target(generator, feature_encoder, sentence_encoder)
        return reencode(self._runtime, tenant, target, seed=seed, progress=progress)
