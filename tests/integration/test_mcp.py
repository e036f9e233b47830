"""`persona mcp` as the official SDK's own client meets it: in process, over stdio, over HTTP."""

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
from persona_engine.errors import ConfigError
from persona_engine.integrations.mcp import OneKey, create_server
from persona_engine.store import Store
from tests.bigram_host import fitted, opened

CHAT = {"personal_context"}
READS = {"list_instructions", "get_profile"}
WRITES = {"add_instruction", "revise_instruction", "retract_instruction", "record_preference"}
FEEDBACK = READS | WRITES
ADMIN = {"forget_user"}
PATIENCE = 600  # seconds, on a machine that does much else
COMMAND = "import sys; from persona_engine.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def host(tmp_path_factory, sqlite_template, minilm):
    """A folder with a database and a population, and an engine on it."""
    folder = fitted(tmp_path_factory.mktemp("assisted"), sqlite_template)
    with opened(
        folder, sentence_encoder=str(minilm), instruction_selector="embedding_selector"
    ) as it:
        yield folder, it


def key(store, *scopes, tenant="default", **settings):
    return store.api_keys.create(tenant, label="assistant", scopes=scopes, **settings)


def talk(server, conversation):
    """Run a conversation of the SDK's client with a server, and return what it returns."""

    async def run():
        with anyio.fail_after(PATIENCE):
            async with Client(server) as client:
                return await conversation(client)

    return anyio.run(run)


async def told(client, tool, **arguments):
    """Return what a tool returns, as values."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result.structured_content


async def refusal(client, tool, **arguments):
    """Return what a tool says that refuses."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text


def in_process(host, *scopes, user=None, tenant="default"):
    _, engine = host
    keys = engine.store.api_keys
    secret = key(engine.store, *scopes, tenant=tenant).secret
    return create_server(engine, OneKey(keys, secret), user=user)


@pytest.mark.model
def test_what_a_person_says_is_kept_and_told_before_a_reply(host):
    async def conversation(client):
        british = await told(
            client, "add_instruction", user="ann", text="Answer in British English."
        )
        assert british["status"] == "active"
        found = await told(client, "personal_context", user="ann", request="Plan my weekend")
        assert "- Answer in British English." in found["system"]
        assert found["messages"][-1]["content"].startswith("Plan my weekend\n\n")
        turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
        found = await told(client, "personal_context", user="ann", request=turns)
        assert found["messages"][0] == turns[0]
        revised = await told(
            client,
            "revise_instruction",
            user="ann",
            instruction_id=british["id"],
            text="Answer in Scots.",
        )
        (listed,) = (await told(client, "list_instructions", user="ann"))["instructions"]
        assert listed == revised
        await told(client, "retract_instruction", user="ann", instruction_id=revised["id"])
        assert (await told(client, "list_instructions", user="ann")) == {"instructions": []}
        history = await told(client, "list_instructions", user="ann", history=True)
        assert {each["status"] for each in history["instructions"]} == {"superseded", "retracted"}
        found = await told(client, "personal_context", user="ann", request="Plan my weekend")
        assert (found["system"], found["messages"][-1]["content"]) == ("", "Plan my weekend")

    talk(in_process(host, "feedback", "chat"), conversation)


@pytest.mark.model
def test_preferences_become_tastes_until_the_person_is_forgotten(host):
    async def conversation(client):
        for number in range(4):
            learned = await told(
                client,
                "record_preference",
                user="bea",
                prompt="Where to?",
                chosen=f"we go home home {number}",
                rejected=f"think think {number}",
                idempotency_key=f"k{number}",
            )
        again = await told(
            client,
            "record_preference",
            user="bea",
            prompt="Where to?",
            chosen="we go home home 3",
            rejected="think think 3",
            idempotency_key="k3",
        )
        assert again == learned
        profile = await told(client, "get_profile", user="bea")
        assert profile["comparisons"] == 4
        receipt = await told(client, "forget_user", user="bea")
        assert receipt["rows"]["comparison"] == 4
        assert len(receipt["sha256"]) == 64
        assert (await told(client, "get_profile", user="bea"))["comparisons"] == 0

    talk(in_process(host, "admin"), conversation)


@pytest.mark.parametrize(
    ("scopes", "tools"),
    [
        (["chat"], CHAT),
        (["feedback"], FEEDBACK),
        (["chat", "feedback"], CHAT | FEEDBACK),
        (["admin"], CHAT | FEEDBACK | ADMIN),
    ],
)
def test_a_key_sees_and_may_use_what_its_scopes_allow(host, scopes, tools):
    async def conversation(client):
        listed = {each.name: each for each in (await client.list_tools()).tools}
        for name in (CHAT | FEEDBACK | ADMIN) - tools:
            said = await refusal(
                client,
                name,
                user="cy",
                text="x",
                instruction_id="x",
                prompt="x",
                chosen="x",
                rejected="y",
                request="x",
            )
            assert f"the key does not allow {name}, which needs the scope" in said
        return listed

    listed = talk(in_process(host, *scopes), conversation)
    assert set(listed) == tools
    for name, tool in listed.items():
        assert tool.description
        assert tool.annotations.read_only_hint is (name in CHAT | READS)
        destroys = {"forget_user", "retract_instruction", "revise_instruction"}
        assert tool.annotations.destructive_hint is (name in destroys)
        assert tool.annotations.open_world_hint is False
        assert "self" not in tool.input_schema["properties"]
        assert tool.output_schema["properties"]


def test_another_tenants_people_are_not_there(host):
    _, engine = host
    wish = engine.user("dora").instruct("Call me Doctor.")

    async def conversation(client):
        assert (await told(client, "list_instructions", user="dora"))["instructions"] == []
        known = await refusal(client, "retract_instruction", user="dora", instruction_id=wish.id)
        unknown = await refusal(client, "retract_instruction", user="eve", instruction_id=wish.id)
        assert known == unknown
        assert (await told(client, "get_profile", user="dora"))["instructions"] == []
        await told(client, "forget_user", user="dora")

    talk(in_process(host, "admin", tenant="rival"), conversation)
    assert [each.id for each in engine.user("dora").instructions()] == [wish.id]


def test_what_is_done_stands_in_the_audit_trail_with_its_key(host):
    _, engine = host
    made = key(engine.store, "admin", tenant="audited")
    server = create_server(engine, OneKey(engine.store.api_keys, made.secret))

    async def conversation(client):
        await told(client, "add_instruction", user="kim", text="Say nothing secret.")
        await told(client, "get_profile", user="kim")
        await told(client, "forget_user", user="lea")

    talk(server, conversation)
    trail = engine.store.tenant("audited").audit_events()
    done = [(each.action, each.detail["tool"]) for each in trail if each.actor == made.key.id]
    assert done == [
        ("write", "add_instruction"),
        ("read", "get_profile"),
        ("delete", "forget_user"),
    ]
    assert "secret" not in repr(trail)
    assert "kim" not in repr(trail)


def test_a_server_of_one_person_is_for_nobody_else(host):
    async def conversation(client):
        await told(client, "add_instruction", text="Be brief.")
        (listed,) = (await told(client, "list_instructions", user="flo"))["instructions"]
        assert listed["text"] == "Be brief."
        assert "for one person alone" in await refusal(client, "list_instructions", user="ann")

    talk(in_process(host, "chat", "feedback", user="flo"), conversation)


def test_errors_say_what_is_wrong_and_what_to_do(host):
    async def conversation(client):
        assert "user is missing" in await refusal(client, "list_instructions")
        said = await refusal(client, "revise_instruction", user="gus", instruction_id="x", text="y")
        assert "no instruction 'x' for this user. To mend it: list" in said
        blank = {"prompt": "p", "chosen": " ", "rejected": "r"}
        assert "a response is blank" in await refusal(
            client, "record_preference", user="gus", **blank
        )
        assert "strength" in await refusal(
            client, "add_instruction", user="gus", text="x", strength="maybe"
        )
        assert "expected a name of 1 to 256" in await refusal(client, "list_instructions", user="")
        assert "Unknown tool" in await refusal(client, "drop_tables")

    talk(in_process(host, "chat", "feedback"), conversation)


def test_a_revoked_key_stops_at_once(host):
    _, engine = host
    made = key(engine.store, "feedback")
    server = create_server(engine, OneKey(engine.store.api_keys, made.secret))

    async def conversation(client):
        await told(client, "list_instructions", user="hal")
        engine.store.api_keys.revoke("default", made.key.id)
        assert "expired or been revoked" in await refusal(client, "list_instructions", user="hal")

    talk(server, conversation)
    with pytest.raises(ConfigError, match="PERSONA_KEY is no key of this database"):
        OneKey(engine.store.api_keys, made.secret)


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
