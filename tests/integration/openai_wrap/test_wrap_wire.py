"""On the wire a personal client that has nothing to add is the plain one, byte for byte."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI
from pydantic import BaseModel

from persona_engine.integrations.openai import personalize_client

pytestmark = pytest.mark.model

RANDOM_PER_REQUEST = {"idempotency-key"}
ASK = [{"role": "user", "content": "What shall I cook? Grüße 🙂"}]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


class Dish(BaseModel):
    name: str


CALLS = {
    "plain": {},
    "settings": {"temperature": 0.3, "max_tokens": 5, "seed": 7, "stop": ["\n"], "n": 2},
    "long": {"messages": [{"role": "system", "content": "You help."}, *ASK * 3]},
    "parts": {"messages": [{"role": "user", "content": [PICTURE, {"type": "text", "text": "?"}]}]},
    "tools": {"tools": [TOOL], "tool_choice": "auto"},
    "extra": {"extra_body": {"top_k": 4}, "extra_headers": {"X-A": "b"}, "extra_query": {"q": "1"}},
    "timeout": {"timeout": 9.0},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "format": {"response_format": {"type": "json_object"}},
    "json": {"metadata": {"a": "b"}, "store": False, "reasoning_effort": "low"},
}
WAYS_TO_ADD_NOTHING = {
    "nobody": ({}, {}),
    "off for the call": ({"user": "ann", "personal": False}, {}),
    "off for the client": ({"user": "ann"}, {"personal": False}),
    "off in the environment": ({"user": "ann"}, {}),
    "somebody unknown": ({"user": "nobody-said-this"}, {}),
    "a user that is no name": ({"user": "x" * 300}, {}),
    "messages ruled beside": ({"user": "ann", "extra_body": {"messages": ASK}}, {}),
}


def wire(recorder):
    """Return what came, without what is drawn for every request."""
    return [
        (
            method,
            path,
            [(k, v) for k, v in headers if k.lower() not in RANDOM_PER_REQUEST],
            body,
        )
        for method, path, headers, body in recorder.take()
    ]


def arguments(name, more):
    asked = {"model": "base", "messages": ASK, **CALLS[name], **more}
    if "extra_body" in CALLS[name] and "extra_body" in more:
        asked["extra_body"] = {**CALLS[name]["extra_body"], **more["extra_body"]}
    return asked


def without_ours(asked):
    return {name: value for name, value in asked.items() if name != "personal"}


@pytest.fixture
def plain(recorder):
    with OpenAI(api_key="k", base_url=recorder.url, organization="o") as client:
        yield client


@pytest.mark.parametrize("way", WAYS_TO_ADD_NOTHING)
def test_plain_calls_and_streams(way, plain, recorder, engine, monkeypatch):
    more, settings = WAYS_TO_ADD_NOTHING[way]
    if "environment" in way:
        monkeypatch.setenv("PERSONA_OFF", "1")
    client = personalize_client(plain, engine, candidates=4, **settings)
    for name, stream in product(CALLS, (False, True)):
        asked = arguments(name, more)
        found = []
        for each, given in ((plain, without_ours(asked)), (client, asked)):
            reply = each.chat.completions.create(**given, stream=stream)
            _ = list(reply) if stream else reply
            found.append(wire(recorder))
        assert found[0] == found[1]
        assert len(found[0]) == 1


@pytest.mark.parametrize("way", WAYS_TO_ADD_NOTHING)
def test_awaited_calls_and_streams(way, recorder, engine, monkeypatch):
    more, settings = WAYS_TO_ADD_NOTHING[way]
    if "environment" in way:
        monkeypatch.setenv("PERSONA_OFF", "true")

    async def run():
        async with AsyncOpenAI(api_key="k", base_url=recorder.url) as plain:
            client = personalize_client(plain, engine, candidates=4, **settings)
            for name in CALLS:
                asked = arguments(name, more)
                for stream in (False, True):
                    found = []
                    for each, given in ((plain, without_ours(asked)), (client, asked)):
                        reply = await each.chat.completions.create(**given, stream=stream)
                        _ = [chunk async for chunk in reply] if stream else reply
                        found.append(wire(recorder))
                    assert found[0] == found[1]

    asyncio.run(run())


def ways_through(client, more):
    """Every other way to a chat completion, and what is none."""
    asked = {"model": "base", "messages": ASK, **more}
    completions = client.chat.completions
    recorderless = client.with_options(max_retries=0, timeout=3.0)
    completions.parse(**asked)
    with completions.stream(**asked) as stream:
        stream.until_done()
    completions.with_raw_response.create(**asked).parse()
    client.with_raw_response.chat.completions.create(**asked).parse()
    list(completions.with_raw_response.create(**asked, stream=True).parse())
    with completions.with_streaming_response.create(**asked) as response:
        response.read()
    recorderless.chat.completions.create(**asked)
    recorderless.copy(default_headers={"X-B": "c"}).chat.completions.create(**asked)
    with client.beta.chat.completions.stream(
        **{name: value for name, value in asked.items() if name != "personal"}
    ) as stream:
        stream.until_done()
    client.models.list()
    client.responses.create(model="base", input="Hi", **{k: more[k] for k in more if k == "user"})


@pytest.mark.parametrize("way", ["nobody", "off for the client", "somebody unknown"])
def test_every_other_way_through_the_client(way, plain, recorder, engine):
    more, settings = WAYS_TO_ADD_NOTHING[way]
    client = personalize_client(plain, engine, candidates=4, **settings)
    ways_through(plain, more)
    expected = wire(recorder)
    ways_through(client, more)
    assert wire(recorder) == expected
    assert len(expected) == 11


@pytest.mark.parametrize("more", [{}, {"user": "somebody-unknown"}])
def test_azure(more, recorder, engine):
    address = recorder.url.removesuffix("/v1")
    given = {"azure_endpoint": address, "api_key": "k", "api_version": "2024-10-21"}
    asked = {"model": "base", "messages": ASK, **more}
    with AzureOpenAI(**given) as plain:
        client = personalize_client(plain, engine, candidates=4)
        assert isinstance(client, AzureOpenAI)
        found = []
        for each in (plain, client, client.with_options(timeout=5.0)):
            each.chat.completions.create(**asked)
            found.append(wire(recorder))
    assert found[0] == found[1]
    assert found[2][0][3] == found[0][0][3]

    async def run():
        async with AsyncAzureOpenAI(**given) as plain:
            for each in (plain, personalize_client(plain, engine, candidates=4)):
                await each.chat.completions.create(**asked)
                found.append(wire(recorder))

    asyncio.run(run())
    assert found[3] == found[4]


class Broken:
    """An engine of which every part fails once it is used."""

    def __init__(self, engine):
        self.store = engine.store

    def user(self, *_, **__):
        raise RuntimeError("a message of ann's: What shall I cook?")


def test_any_failure_of_ours_leaves_the_request_as_it_was(plain, recorder, engine, caplog):
    client = personalize_client(plain, Broken(engine), candidates=4)
    for name in CALLS:
        asked = arguments(name, {"user": "ann"})
        found = []
        for each in (plain, client):
            each.chat.completions.create(**asked)
            found.append(wire(recorder))
        assert found[0] == found[1]
    assert client.persona.failures == client.persona.counts["prepare"] == len(CALLS)
    logged = [each for each in caplog.records if each.name.startswith("persona_engine")]
    assert len(logged) == len(CALLS)
    assert all("cook" not in each.getMessage() and each.exc_info is None for each in logged)


def test_what_the_server_refuses_only_as_changed_is_sent_as_it_was(plain, recorder, engine):
    recorder.most = 1
    client = personalize_client(plain, engine, candidates=4)
    asked = {"model": "base", "messages": ASK, "user": "ann"}
    plain.chat.completions.create(**asked)
    expected = wire(recorder)
    reply = client.chat.completions.create(**asked)
    changed, original = wire(recorder)
    assert [original] == expected != [changed]
    assert reply.choices[0].message.content == "cold dish"
    assert client.persona.counts["refused"] == client.persona.failures == 1
    client.chat.completions.create(**asked)  # several are not asked for again
    (again,) = recorder.bodies()
    assert "n" not in again
    assert "British" in again["messages"][-1]["content"]
