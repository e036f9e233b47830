"""`persona adapters`: list, show, publish, roll back, delete, export."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from persona_engine import PersonaEngine
from persona_engine.adapters.manifest import CONFIG, WEIGHTS
from persona_engine.adapters.registry import Origin
from persona_engine.cli.app import app
from persona_engine.types import Scope, TrainedAdapter


@pytest.fixture
def url(tmp_path, sqlite_template, monkeypatch):
    monkeypatch.setenv("PERSONA_DATA_FOLDER", str(tmp_path / "data"))
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}"


@pytest.fixture
def versions(url, tmp_path):
    found = []
    with PersonaEngine(url) as engine:
        engine.store.user(Scope("default", "alice")).touch()
        for value in (1.0, 2.0):
            folder = tmp_path / f"trained-{value}"
            folder.mkdir()
            (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 1}))
            save_file({"a.lora_A.weight": np.full((1, 3), value, np.float32)}, folder / WEIGHTS)
            metrics = {"win_rate": 0.7, "worst": {"group": 0.6}}
            origin = Origin("terse", "b1", "dpo", users=["alice"], metrics=metrics)
            found.append(engine.adapters().add(TrainedAdapter(folder, {}, {}), origin).version)
    return found


@pytest.fixture
def call(url):
    return lambda *arguments: CliRunner().invoke(
        app, ["--database", url, "adapters", *arguments], env={"COLUMNS": "200"}
    )


def document(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_list_and_show(call, versions):
    rows = document(call("list", "--json"))["adapters"]
    assert [row["version"] for row in rows] == versions
    assert document(call("list", "--cluster", "other", "--json"))["adapters"] == []
    shown = document(call("show", versions[0], "--json"))
    assert shown["manifest"]["cluster"] == shown["adapter"]["cluster"] == "terse"
    table = call("list").stdout
    assert versions[0] in table
    assert "win_rate 0.7" in table
    assert "dpo" in call("show", versions[1]).stdout


def test_publish_roll_back_unpublish_delete(call, versions):
    first, second = versions
    for each in versions:
        assert document(call("publish", each, "--json"))["adapter"]["published"]
    assert document(call("rollback", "terse", "--json"))["adapter"]["version"] == first
    assert call("rollback", "terse").exit_code == 3
    refused = call("delete", first)
    assert refused.exit_code != 0
    assert "is published" in refused.stderr
    assert "base model serves" in call("unpublish", first).stdout
    assert "is deleted" in call("delete", first).stdout
    assert "serves cluster 'terse'" in call("publish", second).stdout
    assert document(call("delete", second, "--force", "--json"))["adapter"]["version"] == second
    assert document(call("list", "--json"))["adapters"] == []


def test_export_of_what_is_published(call, versions, tmp_path):
    target = tmp_path / "served"
    assert "no adapter is published" in call("export", str(target)).stderr
    call("publish", versions[0])
    found = document(call("export", str(target), "--base-model", "org/model", "--json"))
    assert list(found["exported"]) == versions[:1]
    config = json.loads((target / versions[0] / CONFIG).read_text())
    assert config["base_model_name_or_path"] == "org/model"
    assert str(target / versions[1]) in call("export", str(target), "--version", versions[1]).stdout


def test_damage_is_told(call, versions, tmp_path):
    (weights,) = (tmp_path / "data").rglob(f"{versions[0]}/{WEIGHTS}")
    weights.write_bytes(b"other")
    for verb in ("show", "publish"):
        result = call(verb, versions[0])
        assert result.exit_code != 0
        assert "sha256" in result.stderr
    assert "no adapter" in call("show", "0" * 16).stderr
