"""From clusters to published adapters, on a bigram model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona_engine.errors import ConflictError, InvalidInputError, NotFoundError


def test_an_adapter_that_beats_base_is_published(bench):
    reports = bench.train()
    assert [each.cluster for each in reports] == ["home", "way"]
    for report in reports:
        assert report.published, report.reason
        figures = report.figures
        assert figures.accuracy > 0.9 > figures.base_accuracy
        assert figures.independent_wins.value > 0.6
        assert figures.users >= 3
        row = bench.shop.registry.find(report.version)
        assert row.published
        assert row.cluster == report.cluster
        assert row.meta["metrics"]["accuracy"] == figures.accuracy
        assert report.data == row.meta["data"]
    assert not list(bench.shop.folder.glob("*/work"))


def test_likelihoods_are_read_precisely_unless_told_otherwise(bench, monkeypatch):
    read = []
    precise = type(bench.shop.generator)()
    monkeypatch.setattr(
        precise, "log_likelihood", lambda *_, **asked: read.append(asked) or np.zeros(len(_[1]))
    )
    monkeypatch.setattr(bench, "shop", replace(bench.shop, precise=precise))
    bench.train("home")
    assert {each["adapter"] for each in read} == {None, "on trial: home"}
    read.clear()
    bench.train("home", **{"trial.precise": False})
    assert not read


def test_what_was_finished_is_not_trained_again(bench):
    first = bench.train()
    runs = bench.trainer.runs
    assert bench.train() == first
    assert bench.trainer.runs == runs
    bench.train(**{"limits.kl": 2.0})  # another plan is other work
    assert bench.trainer.runs == 2 * runs


def test_a_deleted_version_is_trained_anew(bench):
    (report,) = bench.train("home")
    bench.shop.registry.delete(report.version, force=True)
    (again,) = bench.train("home")
    assert (bench.trainer.runs, again.version) == (2, report.version)


def test_what_somebody_unpublished_is_told_as_it_is(bench):
    (report,) = bench.train("home")
    bench.shop.registry.unpublish(report.version)
    assert not bench.train("home")[0].published


def test_broken_off_while_judging_it_is_not_trained_again(bench, monkeypatch):
    monkeypatch.setattr(bench.shop.generator, "prefill_each", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.train("home")
    assert not bench.shop.registry.versions()
    monkeypatch.undo()
    (report,) = bench.train("home")
    assert report.published
    assert bench.trainer.runs == 1


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_what_does_not_beat_base_is_kept_but_not_published(bench):
    bench.trainer.strength = -3.0  # it learns the opposite
    for report in bench.train():
        assert not report.published
        assert report.reason.startswith("accuracy is -")
        row = bench.shop.registry.find(report.version)
        assert not row.published
        assert row.meta["metrics"]["faults"] == report.reason.split("; ")


def test_what_drifts_is_not_published(bench):
    (report,) = bench.train("home", **{"limits.neutral": 1.001})
    assert not report.published
    assert "perplexity on neutral text" in report.reason
    (report,) = bench.train("home", **{"limits.kl": 1e-6})
    assert "KL to base" in report.reason


def test_too_little_to_judge_by_is_said(bench):
    (report,) = bench.train("home", **{"limits.comparisons": 1000})
    assert "held-out comparisons by" in report.reason
    with pytest.raises(InvalidInputError, match="users are held out to judge by"):
        bench.train("home", **{"division.users": 0.1})
    assert bench.trainer.runs == 1


def test_a_cluster_that_nobody_is_of_is_said(bench):
    (report,) = bench.train("home", **{"selection.membership": 1.0})
    assert (report.version, report.published) == (None, False)
    assert report.reason == "nobody belongs to it who is not held out"


def test_a_trainer_without_what_it_needs_is_said(bench):
    bench.trainer.needs = frozenset({"pairs", "rated"})
    (report,) = bench.train("home")
    assert report.published  # comparisons stand for ratings
    task = bench.trainer.tasks[0]
    assert len(task.rated) == 2 * len(task.pairs)
    bench.trainer.needs = frozenset({"contrasts", "reward", "prompts"})
    bench.train("home")
    task = bench.trainer.tasks[1]
    assert task.contrasts[0] == [{"role": "system", "content": "Told."}, *task.pairs[0].prompt]
    warm, long = task.reward(task.prompts[0], ["the warm home", "the long way"])
    assert warm > long


def test_unknown_clusters_and_populations_are_refused(bench):
    with pytest.raises(NotFoundError, match="no cluster 'sea', only home, way"):
        bench.train("sea")
    other = replace(bench.shop.clustering, population="other")
    bench.shop = replace(bench.shop, clustering=other)
    with pytest.raises(ConflictError, match="stand on population other"):
        bench.train()


def test_the_seed_decides_everything(bench):
    first = bench.train("home")[0]
    other = bench.train("home", seed=1)[0]
    assert first.data != other.data  # others are held out
