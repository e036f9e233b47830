"""`persona mcp` as a process of its own: over stdio, over HTTP."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from typer.testing import CliRunner

from persona_engine.cli.app import app
from persona_engine.store import Store
from tests.mcp_client import CHAT, FEEDBACK, PATIENCE, key, refusal, talk, told

COMMAND = "import sys; from persona_engine.cli import main; sys.exit(main())"


@pytest.fixture
def installed(tmp_path, sqlite_template, minilm):
    """The environment of real processes on a database of their own, and its store."""
    database = f"sqlite:///{tmp_path}/persona.db"
    environment = {
        "PERSONA_DATABASE": database,
        "PERSONA_DATA_FOLDER": str(tmp_path / "data"),
        "PERSONA_SENTENCE_ENCODER": str(minilm),
        "PERSONA_INSTRUCTION_SELECTOR": "embedding_selector",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    with Store(database) as store:
        yield environment, store


@pytest.mark.model
def test_over_stdio_in_a_real_process(installed):
    environment, store = installed
    secret = key(store, "chat", "feedback").secret
    server = StdioServerParameters(
        command=sys.executable,
        args=["-c", COMMAND, "mcp", "--user", "ida"],
        env={**environment, "PERSONA_KEY": secret},
    )

    async def conversation(client):
        assert {each.name for each in (await client.list_tools()).tools} == CHAT | FEEDBACK
        await told(client, "add_instruction", text="Answer in British English.")
        assert "not allow" in await refusal(client, "forget_user")
        found = await told(client, "list_instructions")
        return [each["text"] for each in found["instructions"]]

    assert talk(server, conversation) == ["Answer in British English."]
    assert store.tenant("default").users() == ("ida",)


def test_without_a_good_key_the_process_does_not_start(installed, monkeypatch):
    environment, _ = installed
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PERSONA_KEY", raising=False)
    runner = CliRunner()
    missing = runner.invoke(app, ["mcp"])
    assert (missing.exit_code, "PERSONA_KEY is not set" in missing.output) == (2, True)
    monkeypatch.setenv("PERSONA_KEY", "persona_0123456789abcdef_" + "x" * 43)
    wrong = runner.invoke(app, ["mcp"])
    assert (wrong.exit_code, "is no key of this database" in wrong.output) == (2, True)
    public = runner.invoke(app, ["mcp", "--http", "--host", "0.0.0.0"])
    assert (public.exit_code, "--allowed-host" in public.output) == (2, True)
    assert runner.invoke(app, ["mcp", "--http", "--user", "ann"]).exit_code == 2


def test_without_the_sdk_the_command_names_the_extra():
    lacking = f"import sys; sys.modules['mcp'] = None; {COMMAND}"
    done = subprocess.run(
        [sys.executable, "-c", lacking, "mcp"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 8
    assert "pip install 'persona-engine[mcp]'" in done.stderr.replace("\n", " ")


@pytest.fixture
def address(installed):
    """Start `persona mcp --http` and give its address."""
    server = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "mcp", "--http", "--port", "0"],
        env={**os.environ, **installed[0]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        found = None
        while found is None:
            line = server.stderr.readline()
            assert line, "the server ended"
            found = re.search(r"http://\S+", line)
        yield found[0]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)
        server.stderr.close()


@asynccontextmanager
async def over_http(address, secret):
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        yield client


def test_over_http_every_request_shows_its_key(installed, address):
    _, store = installed
    mine = key(store, "chat", "feedback")
    theirs = key(store, "admin", tenant="rival")
    soon = datetime.now(UTC) + timedelta(days=1)
    boss = key(store, "admin", expires_at=soon)

    async def conversation():
        with anyio.fail_after(PATIENCE):
            async with over_http(address, mine.secret) as client:
                tools = {each.name for each in (await client.list_tools()).tools}
                await told(client, "add_instruction", user="joy", text="Call me Captain.")
                refused = await refusal(client, "forget_user", user="joy")
                async with over_http(address, theirs.secret) as rival:
                    others = await told(rival, "list_instructions", user="joy")
                    await told(rival, "forget_user", user="joy")
                async with over_http(address, boss.secret) as admin:
                    profile = await told(admin, "get_profile", user="joy")
            return tools, refused, others, profile

    tools, refused, others, profile = anyio.run(conversation)
    assert tools == CHAT | FEEDBACK
    assert "needs the scope 'admin'" in refused
    assert others == {"instructions": []}
    assert [each["text"] for each in profile["instructions"]] == ["Call me Captain."]
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"Accept": "application/json, text/event-stream"}
    store.api_keys.revoke("default", mine.key.id)
    with httpx2.Client(timeout=PATIENCE) as http:
        for secret in (None, "nonsense", mine.secret):
            headers = accept if secret is None else {**accept, "Authorization": f"Bearer {secret}"}
            answer = http.post(address, json=call, headers=headers)
            assert answer.status_code == 401, secret
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        foreign = {**accept, "Authorization": f"Bearer {boss.secret}", "Host": "evil.example"}
        assert http.post(address, json=call, headers=foreign).status_code in (403, 421)
