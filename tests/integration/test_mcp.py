"""The tools as the official SDK's own client meets them, in process."""

from __future__ import annotations

import re

import pytest

from persona_engine.errors import ConfigError
from persona_engine.integrations.mcp import OneKey, create_server
from tests.bigram_host import fitted, opened
from tests.mcp_client import ADMIN, CHAT, FEEDBACK, READS, key, refusal, talk, told


@pytest.fixture(scope="module")
def host(tmp_path_factory, sqlite_template, minilm):
    """A folder with a database and a population, and an engine on it."""
    folder = fitted(tmp_path_factory.mktemp("assisted"), sqlite_template)
    with opened(
        folder, sentence_encoder=str(minilm), instruction_selector="embedding_selector"
    ) as it:
        yield folder, it


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


def test_more_calls_than_a_key_may_make_are_told_to_come_again(host):
    _, engine = host
    keys = engine.store.api_keys
    slow, own = (
        create_server(engine, OneKey(keys, key(engine.store, "feedback", **limit).secret), **given)
        for limit, given in (({"per_minute": 1}, {}), ({}, {"per_minute": 12}))
    )

    async def counted(client):
        answers = [await client.call_tool("list_instructions", {"user": "kay"}) for _ in range(4)]
        refused = [each.content[0].text for each in answers if each.is_error]
        assert len((await client.list_tools()).tools) == len(FEEDBACK)
        return refused

    refused = talk(slow, counted)
    assert len(refused) == 3
    assert re.search(r"more than 1 calls a minute: try again in \d+ s", refused[0])
    assert len(talk(own, counted)) == 2  # ten seconds' worth at once
