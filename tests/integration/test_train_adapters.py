"""The whole way on SmolLM2: comparisons, clusters, an adapter that is judged, and a reply by it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from persona_engine import PersonaEngine
from persona_engine.adapters.figures import Limits
from persona_engine.adapters.judging import Trial
from persona_engine.adapters.members import Division, read_members
from persona_engine.adapters.told import TastesTold
from persona_engine.cli.app import app
from persona_engine.config import EngineConfig
from persona_engine.engine import AdapterPlan
from persona_engine.errors import NotFoundError, PluginError

EXAMPLE = Path(__file__).parents[2] / "examples" / "adapters" / "train_adapters.py"
A_LITTLE = {"margin": 0.1, "rank": 2}
SHORT = {
    "trial.prompts": 1,
    "trial.samples": 1,
    "trial.tokens": 4,
    "trial.neutral": 2,
    "selection.pairs": 1,
    "division.prompts": 0.1,
    "limits.comparisons": 5,
    "judge": "attributes",
}

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("train_adapters_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def settings(tmp_path_factory, smollm2, minilm, example):
    """An engine's settings, on a database with clusters."""
    folder = tmp_path_factory.mktemp("way")
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        data_folder=folder / "data",
        generator=str(smollm2),
        sentence_encoder=str(minilm),
        max_tokens=6,
        candidates=1,
    )
    with PersonaEngine(config=config) as engine:
        with pytest.raises(NotFoundError, match="no clusters to train adapters for"):
            engine.train_adapters()
        engine.import_comparisons(example.comparisons(36))
        found = engine.cluster(clusterer="kmeans")
    assert len(found.clusters) == 2
    return config


def test_an_adapter_is_trained_judged_and_serves(settings):
    plan = AdapterPlan().changed(SHORT)
    with PersonaEngine(config=settings) as engine:
        with pytest.raises(PluginError, match="no_such_loss"):
            engine.train_adapters(loss="no_such_loss")
        name = engine.clusters().clusters[0].name
        heard: list[str] = []
        (report,) = engine.train_adapters(
            cluster=name,
            settings=A_LITTLE,
            plan=plan,
            progress=lambda what, done, total: heard.append(what),
        )
        assert f"{name}: reading gradients" in heard
        assert not report.published  # so short a step from one pair beats nothing beyond its error
        assert "standard errors" in report.reason
        assert report.figures.neutral == pytest.approx(1.0, abs=0.02)
        row = engine.adapters().find(report.version)
        assert (row.cluster, row.published, row.meta["trainer"]) == (name, False, "tangent")
        engine.adapters().publish(report.version)
        members = engine.store.tenant("default").users()
        served = {
            next(iter(engine.user(user).clusters())): user
            for user in members
            if max(engine.user(user).clusters().values()) > 0.8
        }
        turn = [{"role": "user", "content": "How do I keep basil alive?"}]
        mine = engine.user(served[name]).chat(turn, seed=1)
        assert mine.trace.adapter == report.version
        other = next(user for cluster, user in served.items() if cluster != name)
        assert engine.user(other).chat(turn, seed=1).trace.adapter is None


def test_prompts_are_told_what_a_cluster_likes(settings):
    with PersonaEngine(config=settings) as engine:
        runtime = engine._runtime
        clustering = engine.store.tenant("default").published_clustering()
        members = read_members(
            runtime.learner,
            "default",
            runtime.clusterer(clustering.clusterer),
            clustering,
            division=Division(),
            seed=0,
        )
        tells = TastesTold(runtime.learner, runtime.attributes.all, runtime.count_tokens)
        turn = [{"role": "user", "content": "How do I keep basil alive?"}]
        told = {
            name: tells(members, name, members.training(name, least=0.5))(turn)
            for name in clustering.names
        }
    (concise,) = (name for name in told if "concise" in name)
    assert turn == [{"role": "user", "content": "How do I keep basil alive?"}]
    for name, messages in told.items():
        said = messages[-1]["content"]
        assert said.startswith(turn[0]["content"])
        assert ("Answer in one or two short sentences." in said) == (name == concise)


def test_the_command_goes_on_from_what_is_finished(settings, tmp_path, monkeypatch):
    for name in ("database", "generator", "sentence_encoder", "data_folder"):
        monkeypatch.setenv(f"PERSONA_{name.upper()}", str(getattr(settings, name)))
    with PersonaEngine(config=settings) as engine:
        name = engine.clusters().clusters[0].name
    told = {**A_LITTLE, **SHORT}
    options = [part for key, value in told.items() for part in ("--set", f"{key}={value}")]
    done = CliRunner().invoke(
        app, ["adapters", "train", "--cluster", name, "--json", *options], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout)["adapters"]
    assert report["cluster"] == name
    with PersonaEngine(config=settings) as engine:
        versions = engine.adapters().versions(name)
        assert [each.version for each in versions] == [report["version"]]  # trained once


def test_wrong_settings_are_refused(settings, monkeypatch):
    monkeypatch.setenv("PERSONA_DATABASE", settings.database)
    wrong = {"beta": "expected KEY=VALUE", "trial.toes=1": "no setting of the plan"}
    for option, said in wrong.items():
        done = CliRunner().invoke(app, ["adapters", "train", "--set", option])
        assert done.exit_code == 2
        assert said in done.output


@pytest.mark.slow
@pytest.mark.usefixtures("minilm")
def test_the_example_runs(example, tmp_path, capsys, smollm2):
    plan = AdapterPlan(trial=Trial(prompts=1, samples=1, tokens=4), limits=Limits(users=1))
    plan = plan.changed({**SHORT, "division.prompts": 0.04})
    example.run(tmp_path, settings=A_LITTLE, plan=plan, generator=str(smollm2))
    said = capsys.readouterr().out
    assert said.startswith("clusters: ")
    assert said.count("not published: ") == 2
    assert "adapter: none" in said
