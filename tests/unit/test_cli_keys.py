"""`persona keys`: the secret once, the list without it, revoked for good."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from persona_engine.cli.app import app
from persona_engine.cli.keys import moment_of
from persona_engine.errors import InvalidInputError
from persona_engine.store import Store


@pytest.fixture
def url(tmp_path, sqlite_template):
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}"


@pytest.fixture
def call(url):
    return lambda *arguments: CliRunner().invoke(
        app, ["--database", url, "keys", *arguments], env={"COLUMNS": "200"}
    )


def test_create_list_revoke(call, url):
    made = call("create", "backend", "--scope", "chat", "--scope", "feedback", "--tenant", "acme")
    assert made.exit_code == 0, made.stderr
    secret = made.stdout.strip()
    assert "nobody can show it again" in made.stderr
    assert secret not in made.stderr
    with Store(url) as store:
        key = store.api_keys.find(secret)
        assert (key.tenant, key.label, key.scopes) == ("acme", "backend", {"chat", "feedback"})
        assert timedelta(days=89) < key.expires_at - datetime.now(UTC) < timedelta(days=91)
        shown = call("list", "--tenant", "acme")
        assert secret not in shown.stdout
        assert all(each in shown.stdout for each in (key.id, "backend", "chat, feedback", "live"))
        assert key.id not in call("list").stdout  # another tenant's
        assert call("revoke", key.id).exit_code == 3
        revoked = call("revoke", key.id, "--tenant", "acme")
        assert revoked.stdout == f"Key {key.id} (backend) is revoked.\n"
        assert store.api_keys.find(secret) is None
    assert "revoked" in call("list", "--tenant", "acme").stdout


def test_json(call):
    made = call(
        "create", "ci", "--scope", "admin", "--expires", "never", "--per-minute", "5", "--json"
    )
    document = json.loads(made.stdout)
    assert made.stderr == ""
    assert document["secret"].startswith(f"persona_{document['key']['id']}_")
    listed = json.loads(call("list", "--json").stdout)["keys"]
    assert listed == [document["key"]]
    assert listed[0]["scopes"] == ["admin"]
    assert (listed[0]["expires_at"], listed[0]["per_minute"]) == (None, 5)
    gone = json.loads(call("revoke", listed[0]["id"], "--json").stdout)["key"]
    assert gone["status"] == "revoked"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scope", "root"], "expected one or more of chat, feedback, admin"),
        (["--scope", "chat", "--expires", "soon"], "expires is 'soon', expected a time such as"),
        (["--scope", "chat", "--per-minute", "0"], "per_minute is 0"),
    ],
)
def test_what_cannot_be_a_key(call, arguments, message):
    result = call("create", "k", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert json.loads(call("list", "--json").stdout)["keys"] == []


def test_a_scope_must_be_named(call):
    assert call("create", "k").exit_code == 2


@pytest.mark.parametrize("text", ["", "0d", "90", "d", "-1d", "1.5h", "9999999d", "999999d"])
def test_no_times(text):
    if text == "999999d":
        with pytest.raises(InvalidInputError, match="expected a time"):
            moment_of(text, datetime(9000, 1, 1, tzinfo=UTC))
        return
    with pytest.raises(InvalidInputError, match="expected a time"):
        moment_of(text, datetime(2026, 1, 1, tzinfo=UTC))
