"""`persona db`, `weights` and `plugins`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

from persona_engine import plugins as plugins_package
from persona_engine.cli.app import app
from persona_engine.errors import PluginError
from persona_engine.plugins import PluginRecord, Plugins
from persona_engine.store.schema import REVISION


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setenv("PERSONA_WEIGHTS", str(tmp_path / "weights"))
    url = f"sqlite:///{tmp_path}/persona.db"

    def run(*arguments):
        return CliRunner().invoke(app, ["--database", url, *arguments])

    return run


def document(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_status_changes_nothing(call, tmp_path):
    found = document(call("db", "status", "--json"))
    assert (found["revision"], found["head"], found["current"]) == (None, REVISION, False)
    assert not (tmp_path / "persona.db").exists()


def test_upgrade_then_status_then_check(call):
    assert document(call("db", "upgrade", "--json"))["before"] is None
    assert document(call("db", "upgrade", "--json"))["before"] == REVISION
    assert document(call("db", "status", "--json"))["current"] is True
    assert document(call("db", "check", "--json"))["sound"] is True
    assert "already" in call("db", "upgrade").stdout


def test_check_of_no_database_says_what_to_do(call, tmp_path):
    result = call("db", "check")
    assert result.exit_code == 5
    assert "persona db upgrade" in result.stderr
    assert not (tmp_path / "persona.db").exists()


def test_check_finds_damage(call, tmp_path):
    call("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "persona.db")) as connection:
        connection.execute(
            "INSERT INTO rating (tenant, user, id, reply, value, created_at) "
            "VALUES ('t', 'u', 'i', 'no such reply', 1.0, 0)"
        )
        connection.commit()
    result = call("db", "check", "--json")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["faults"]


def test_a_newer_schema_is_refused(call, tmp_path):
    call("db", "upgrade")
    with closing(sqlite3.connect(tmp_path / "persona.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert document(call("db", "status", "--json"))["revision"] == "9999"
    assert call("db", "upgrade").exit_code == 5
    assert call("db", "check").exit_code == 5


def test_weights_list_names_what_is_known(call, tmp_path):
    rows = document(call("weights", "list", "--json"))["weights"]
    assert {row["name"]: row["present"] for row in rows} == {
        "smollm2-135m-instruct": False,
        "all-minilm-l6-v2": False,
    }
    (tmp_path / "weights" / "all-minilm-l6-v2").mkdir(parents=True)
    rows = document(call("weights", "list", "--json"))["weights"]
    assert [row["present"] for row in rows] == [False, True]
    assert "persona weights pull smollm2" in call("weights", "list").stdout.replace("\n", " ")


def test_weights_pull_of_an_unknown_name_is_code_6(call):
    result = call("weights", "pull", "nonsense")
    assert result.exit_code == 6
    assert "smollm2-135m-instruct" in result.stderr


def test_weights_verify_finds_a_damaged_folder(call, tmp_path):
    assert document(call("weights", "verify", "--json")) == {"weights": []}
    folder = tmp_path / "weights" / "all-minilm-l6-v2"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    result = call("weights", "verify", "all-minilm-l6-v2", "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["weights"][0]["problems"]
    assert "persona weights pull" in call("weights", "verify").stdout.replace("\n", " ")


def test_plugins_lists_every_record(call, monkeypatch):
    seen = {}

    def discover(**settings):
        seen.update(settings)
        records = [
            PluginRecord("ours", "decoder", "1.0", "persona-engine", "active"),
            PluginRecord("theirs", None, "2", "theirs", "failed", "ImportError: x", ImportError()),
        ]
        if settings["strict"]:
            raise PluginError("1 plugins could not be loaded", remedy="mend it")
        return Plugins(records, {})

    monkeypatch.setattr(plugins_package, "discover", discover)
    monkeypatch.setenv("PERSONA_BLOCKED_PLUGINS", '["bad"]')
    rows = document(call("plugins", "--json"))["plugins"]
    assert rows[1] == {
        "name": "theirs",
        "kind": None,
        "version": "2",
        "distribution": "theirs",
        "status": "failed",
        "reason": "ImportError: x",
    }
    assert seen["blocked"] == ("bad",)
    assert "theirs" in call("plugins").stdout
    assert call("plugins", "--strict").exit_code == 7
