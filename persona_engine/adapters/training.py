"""Trains, judges and registers the adapters of a tenant's clusters; broken off, it goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property

from persona_engine.adapters.cluster_rewards import ClusterReward
from persona_engine.adapters.examples import Parts, training_task
from persona_engine.adapters.figures import AdapterFigures
from persona_engine.adapters.fingerprint import fingerprint
from persona_engine.adapters.independent import IndependentJudge
from persona_engine.adapters.judging import AdapterJudge
from persona_engine.adapters.members import Member, Members, read_members
from persona_engine.adapters.ratings import rated_replies, ratings
from persona_engine.adapters.readings import ModelReader
from persona_engine.adapters.registry import Origin
from persona_engine.adapters.training_report import AdapterReport
from persona_engine.adapters.work import WorkFolder, mark_of
from persona_engine.adapters.workshop import Order, Workshop
from persona_engine.errors import NotFoundError
from persona_engine.interfaces import (
    Progress,
    TakesAdapters,
    lacking,
    no_progress,
)
from persona_engine.types import (
    Scope,
    TrainedAdapter,
    TrainingTask,
)


@dataclass(frozen=True, slots=True)
class _Group:
    """A cluster with those who train its adapter, and the parts that they fall into."""

    cluster: str
    people: Sequence[Member]
    parts: Parts


def train_adapters(
    shop: Workshop,
    order: Order,
    clusters: Sequence[str],
    *,
    progress: Progress = no_progress,
) -> tuple[AdapterReport, ...]:
    """Train an adapter for each of some clusters, judge it, and publish it when it beats base.

    What was finished before with the same data and settings is not done again, and what was broken
    off goes on where it stood. An adapter that is not published stays in the registry.

    Raises:
        NotFoundError: There is no such cluster.
        ConflictError: The clusters stand on a population that is not in use any more.
        InvalidInputError: Too few users are held out for a judge.
        StoreUnavailableError: Another process trains the same adapter.
    """
    for each in clusters:
        if each not in shop.clustering.names:
            raise NotFoundError(
                f"there is no cluster {each!r}, only {', '.join(shop.clustering.names)}",
                remedy="look with `persona cluster --show`, or name none for all of them",
            )
    members = read_members(
        shop.learner,
        shop.tenant,
        shop.clusterer,
        shop.clustering,
        division=order.plan.division,
        seed=order.seed,
        progress=progress,
    )
    training = _Training(shop, order, members)
    reports = []
    for number, cluster in enumerate(clusters):
        progress("clusters", number, len(clusters))
        reports.append(training.of(cluster, progress))
    progress("clusters", len(clusters), len(clusters))
    return tuple(reports)


class _Training:
    """One run over several clusters; what their judges share is made once."""

    def __init__(self, shop: Workshop, order: Order, members: Members) -> None:
        self._shop = shop
        self._order = order
        self._members = members

    def of(self, cluster: str, progress: Progress) -> AdapterReport:
        """Return what became of one cluster, now or in a run before."""
        plan, name = self._order.plan, self._order.trainer.name
        people = self._members.training(cluster, least=plan.selection.membership)
        if not people:
            reason = "nobody belongs to it who is not held out"
            return AdapterReport(cluster, name, None, False, reason)
        group = _Group(
            cluster, people, Parts.of(people, plan.selection.parts, seed=self._order.seed)
        )
        task = self._task(group)
        lacks = lacking(self._order.trainer, task)
        if lacks:
            reason = f"{name} cannot do without {', '.join(lacks)}, and there is nothing of that"
            return AdapterReport(cluster, name, None, False, reason, len(people), len(task.pairs))
        data = fingerprint(task)
        work = WorkFolder(self._shop.folder / self._key(cluster, data))
        marks = [mark_of(Scope(self._shop.tenant, each.name)) for each in people]
        with work.held(marks):
            before = self._finished(work)
            task = replace(task, folder=work.checkpoints)
            return before or self._made(group, task, work, data, progress)

    def _made(
        self, group: _Group, task: TrainingTask, work: WorkFolder, data: str, progress: Progress
    ) -> AdapterReport:
        """Train, judge and register one adapter."""
        judge = self._judge  # made before training: without one nothing can be published
        progress = _told_of(group.cluster, progress)
        trained, seconds = self._trained(task, work, progress)
        started = time.monotonic()
        figures = self._figures(judge, group, trained, progress)
        faults = self._order.plan.limits.faults(figures)
        version = self._registered(group, trained, figures, faults, data)
        report = AdapterReport(
            cluster=group.cluster,
            loss=self._order.trainer.name,
            version=version,
            published=not faults,
            reason="; ".join(faults) or _praise(figures),
            users=len(group.people),
            pairs=len(task.pairs),
            figures=figures,
            training=dict(trained.figures),
            seconds={"training": seconds, "judging": time.monotonic() - started},
            data=data,
        )
        work.finish(report)
        return report

    def _registered(
        self,
        group: _Group,
        trained: TrainedAdapter,
        figures: AdapterFigures,
        faults: Sequence[str],
        data: str,
    ) -> str:
        """Keep an adapter, put it to use if it has no fault, and return its version."""
        origin = Origin(
            cluster=group.cluster,
            base=self._shop.base,
            trainer=self._order.trainer.name,
            users=[each.name for each in group.people],
            data=data,
            metrics={**figures.as_json(), "faults": list(faults)},
            seeds={"training": self._order.seed},
        )
        version = self._shop.registry.add(trained, origin).version
        if not faults:
            self._shop.registry.publish(version)
        return version

    def _task(self, group: _Group) -> TrainingTask:
        needs, shop = self._order.trainer.needs, self._shop
        task = training_task(
            self._members,
            group.cluster,
            weights=shop.weights,
            folder=shop.folder,
            parts=group.parts,
            selection=self._order.plan.selection,
            reward=self._reward(group.cluster, group.people) if "reward" in needs else None,
            told=shop.told(self._members, group.cluster, group.people)
            if "contrasts" in needs
            else None,
            seed=self._order.seed,
        )
        if "rated" not in needs:
            return task
        rated = ratings(shop.learner.store, self._members, group.cluster, group.people)
        return replace(task, rated=rated_replies(task.pairs, rated))

    def _reward(self, cluster: str, people: Sequence[Member]) -> ClusterReward:
        return ClusterReward(self._shop.learner, self._members, cluster, people)

    def _trained(
        self, task: TrainingTask, work: WorkFolder, progress: Progress
    ) -> tuple[TrainedAdapter, float]:
        """Train, unless that was done before the work was broken off; say in how many seconds."""
        known = work.trained()
        if known is not None:
            return known
        started = time.monotonic()
        trained = self._order.trainer.train(task, progress=progress)
        seconds = time.monotonic() - started
        work.keep_trained(trained, seconds=seconds)
        return trained, seconds

    def _figures(
        self, judge: AdapterJudge, group: _Group, trained: TrainedAdapter, progress: Progress
    ) -> AdapterFigures:
        """Judge an adapter, which is in memory only meanwhile."""
        name = f"on trial: {group.cluster}"
        with ExitStack() as meanwhile:
            for each in self._generators:
                each.load_adapter(name, trained.folder)
                meanwhile.callback(each.unload_adapter, name)
            return judge.judge(
                group.cluster,
                self._reader(name),
                parts=group.parts,
                reward=lambda people: self._reward(group.cluster, people),
                progress=progress,
            )

    @property
    def _generators(self) -> tuple[TakesAdapters, ...]:
        """Return the base model as it samples and, if that is another, as it reads."""
        sampling, reading = self._shop.generator, self._shop.precise
        if reading is sampling or not self._order.plan.trial.precise:
            return (sampling,)
        return (sampling, reading)

    def _reader(self, adapter: str | None = None) -> ModelReader:
        return ModelReader(self._generators[0], adapter, self._generators[-1])

    @cached_property
    def _judge(self) -> AdapterJudge:
        independent = IndependentJudge(
            self._order.judge, self._shop.sentences, self._members, seed=self._order.seed
        )
        return AdapterJudge(
            self._members,
            self._reader(),
            independent,
            trial=self._order.plan.trial,
            seed=self._order.seed,
        )

    def _key(self, cluster: str, data: str) -> str:
        """Return the folder's name of one adapter: of everything that decides what it becomes."""
        order, shop = self._order, self._shop
        told = {
            "tenant": shop.tenant,
            "clustering": shop.clustering.version,
            "cluster": cluster,
            "base": shop.base,
            "data": data,
            "trainer": order.trainer.name,
            "settings": dict(order.settings),
            "plan": order.plan.as_json(),
            "seed": order.seed,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24]

    def _finished(self, work: WorkFolder) -> AdapterReport | None:
        """Return what a run before made, unless it was deleted since."""
        report = work.report()
        if report is None or report.version is None:
            return None
        try:
            row = self._shop.registry.find(report.version)
        except NotFoundError:
            return None
        return replace(report, published=row.published)


def _told_of(cluster: str, progress: Progress) -> Progress:
    return lambda what, done, total: progress(f"{cluster}: {what}", done, total)


def _praise(figures: AdapterFigures) -> str:
    return (
        f"accuracy {figures.accuracy:.3f} against base's {figures.base_accuracy:.3f}, samples "
        f"preferred in {figures.wins.value:.2f} of cases by the users' reward and in "
        f"{figures.independent_wins.value:.2f} by the independent judge"
    )
