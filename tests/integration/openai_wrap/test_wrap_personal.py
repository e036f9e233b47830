"""Calls that name a known user are personal, and the client goes on working as it did."""

from __future__ import annotations

import asyncio
import copy
import threading
import time

import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI, Stream
from openai.types.chat import ChatCompletion, ParsedChatCompletion
from pydantic import BaseModel

from persona_engine.errors import InvalidInputError, NotFoundError
from persona_engine.integrations.openai import personalize_client, reply_id

pytestmark = pytest.mark.model

ASK = [{"role": "system", "content": "You help."}, {"role": "user", "content": "Dinner?"}]
ANN = {"model": "base", "messages": ASK, "user": "ann"}
DISHES = ["warm warm dish", "warm dish", "cold cold dish", "cold dish"]


class Dish(BaseModel):
    name: str


@pytest.fixture
def plain(recorder):
    recorder.texts = DISHES
    with OpenAI(api_key="k", base_url=recorder.url) as client:
        yield client


@pytest.fixture
def client(plain, engine):
    return personalize_client(plain, engine, candidates=4)


def test_the_best_of_several_comes_back_alone_with_an_id(client, recorder, engine):
    kept = copy.deepcopy(ASK)
    reply = client.chat.completions.create(**ANN)
    assert kept == ASK
    (sent,) = recorder.bodies()
    assert sent["n"] == 4
    assert sent["user"] == "ann"
    assert sent["messages"][0] == ASK[0]
    assert sent["messages"][1]["content"].startswith("Dinner?\n\n<standing_instructions>")
    (choice,) = reply.choices
    assert (choice.index, choice.message.content) == (0, "cold cold dish")
    assert reply.usage.completion_tokens == 8  # what four cost
    ann = engine.user("ann")
    learned = ann.feedback(reply_id(reply), rating=1)
    assert {each.rejected for each in learned} == set(DISHES) - {"cold cold dish"}
    assert "British English" in ann.explain(reply_id(reply)).text
    assert reply.persona_reply_id == reply_id(reply) == reply.model_dump()["persona_reply_id"]
    with pytest.raises(NotFoundError):
        engine.user("bob").feedback(reply_id(reply), rating=1)


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"temperature": 0},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"stream": True},
        {"extra_body": {"temperature": 0}},
    ],
)
def test_several_are_asked_for_only_where_one_is_to_be_chosen(more, client, recorder):
    reply = client.chat.completions.create(**{**ANN, **more})
    _ = list(reply) if isinstance(reply, Stream) else reply
    (sent,) = recorder.bodies()
    assert sent.get("n") == more.get("n")
    assert "British" in sent["messages"][1]["content"]


def test_a_host_that_asks_for_several_gets_all_in_its_order(client, engine):
    reply = client.chat.completions.create(**ANN, n=3)
    assert [each.message.content for each in reply.choices] == DISHES[:3]
    (learned, other) = engine.user("ann").feedback(reply_id(reply), chosen=1)
    assert {learned.rejected, other.rejected} == {DISHES[0], DISHES[2]}


def test_one_is_asked_for_unless_the_host_allows_more(plain, recorder, engine):
    reply = personalize_client(plain, engine).chat.completions.create(**ANN)
    assert "n" not in recorder.bodies()[0]
    assert reply.choices[0].message.content == DISHES[0]


def test_streams_pass_through_and_are_kept_at_their_end(client, recorder, engine):
    stream = client.chat.completions.create(**ANN, stream=True)
    assert isinstance(stream, Stream)
    chunks = list(stream)
    assert "".join(each.choices[0].delta.content or "" for each in chunks) == DISHES[0]
    (found,) = {reply_id(each) for each in chunks}
    (learned,) = engine.user("ann").feedback(found, better="cold dish")
    assert learned.rejected == DISHES[0]
    with client.chat.completions.create(**ANN, stream=True) as left:
        first = next(left)
    with pytest.raises(NotFoundError):
        engine.user("ann").feedback(reply_id(first), rating=1)
    with client.chat.completions.stream(**ANN) as helper:
        whole = helper.get_final_completion()
    assert whole.choices[0].message.content == DISHES[0]
    engine.user("ann").feedback(reply_id(whole), rating=-1)
    assert client.persona.failures == 0


def test_parsed_and_raw_replies(client, recorder, engine):
    recorder.texts = ['{"name": "cold dish"}', '{"name": "cold cold dish"}']
    parsed = client.chat.completions.parse(**ANN, response_format=Dish)
    assert isinstance(parsed, ParsedChatCompletion)
    assert parsed.choices[0].message.parsed == Dish(name="cold cold dish")
    raw = client.chat.completions.with_raw_response.create(**ANN)
    assert "n" not in recorder.bodies()[-1]
    assert raw.headers["content-type"] == "application/json"
    engine.user("ann").feedback(reply_id(raw.parse()), rating=1)
    with client.chat.completions.with_streaming_response.create(**ANN) as response:
        assert response.parse().choices[0].message.content == '{"name": "cold dish"}'
    streamed = client.chat.completions.with_raw_response.create(**ANN, stream=True)
    assert len(list(streamed.parse())) == 4


def test_messages_with_pictures_and_calls_of_tools(client, recorder):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "You help."},
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "A cold dish."},
        {"role": "user", "content": [picture, {"type": "text", "text": "Describe it."}]},
    ]
    client.chat.completions.create(**{**ANN, "messages": messages})
    (sent,) = recorder.bodies()
    assert sent["messages"][:-1] == messages[:-1]
    assert sent["messages"][-1]["content"][:2] == messages[-1]["content"]
    assert "British" in sent["messages"][-1]["content"][2]["text"]
    assert client.persona.failures == 0


def test_an_adapter_is_named_where_the_server_has_it(plain, recorder, engine, monkeypatch):
    adapted = AdapterFor(engine, "group-1-ab12")
    client = personalize_client(plain, adapted)
    client.chat.completions.create(**ANN)
    client.chat.completions.create(**ANN)
    taken = recorder.take()
    assert [method for method, *_ in taken] == ["GET", "POST", "POST"]
    assert b'"model":"base"' in taken[1][3]
    recorder.models.append("group-1-ab12")
    fresh = personalize_client(plain, adapted)
    reply = fresh.with_options(timeout=5.0).chat.completions.create(**ANN)
    assert reply.model == "group-1-ab12"
    assert recorder.bodies()[0]["model"] == "group-1-ab12"
    recorder.refused = "group-1-ab12"
    assert fresh.chat.completions.create(**ANN).model == "base"
    assert fresh.persona.counts["refused"] == 1


def test_a_server_that_lists_no_models_is_no_hindrance(recorder, engine):
    recorder.models = None  # its answer is no list
    with OpenAI(api_key="k", base_url=recorder.url, max_retries=0) as plain:
        client = personalize_client(plain, AdapterFor(engine, "group-1-ab12"))
        reply = client.chat.completions.create(**ANN)
    assert reply.model == "base"
    assert reply_id(reply) is not None
    assert client.persona.counts["models"] == client.persona.failures == 1


class AdapterFor:
    """An engine that serves everybody by one adapter."""

    def __init__(self, engine, adapter):
        self.store, self._engine, self._adapter = engine.store, engine, adapter

    def user(self, name, *, tenant):
        from dataclasses import replace

        user = self._engine.user(name, tenant=tenant)
        personalize = user.personalize
        user.personalize = lambda texts: replace(personalize(texts), adapter=self._adapter)
        return user


def test_errors_of_the_hosts_own_are_raised_as_ever(client, recorder):
    recorder.refused = "Dinner"
    with pytest.raises(BadRequestError):
        client.chat.completions.create(**ANN)
    assert client.persona.failures == 0


@pytest.mark.parametrize("part", ["rank", "replied"])
def test_a_failure_after_the_reply_costs_no_reply(part, client, monkeypatch):
    from persona_engine.user import User

    def fail(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr(User, part, fail)
    reply = client.chat.completions.create(**ANN)
    assert len(reply.choices) == 1
    assert client.persona.failures == 1
    assert (reply_id(reply) is None) == (part == "replied")
    assert len(list(client.chat.completions.create(**ANN, stream=True))) == 4


def test_refusals_and_calls_of_tools_are_never_ranked(client, recorder):
    recorder.texts = [None, "warm dish", "cold dish"]
    reply = client.chat.completions.create(**ANN)
    assert reply.choices[0].message.content == "cold dish"
    recorder.texts = [None]
    reply = client.chat.completions.create(**ANN)
    assert reply.choices[0].message.content is None
    assert reply_id(reply) is None
    assert client.persona.failures == 0


def test_awaited_calls_are_personal_and_never_block_the_loop(recorder, engine, monkeypatch):
    from persona_engine.user import User

    recorder.texts = DISHES
    threads, rank = set(), User.rank

    def slow(self, *given):
        threads.add(threading.get_ident())
        time.sleep(0.3)
        return rank(self, *given)

    monkeypatch.setattr(User, "rank", slow)

    async def run():
        gaps, done = [], asyncio.Event()

        async def beat():
            while not done.is_set():
                before = time.monotonic()
                await asyncio.sleep(0.01)
                gaps.append(time.monotonic() - before)

        heart = asyncio.create_task(beat())
        async with AsyncOpenAI(api_key="k", base_url=recorder.url) as plain:
            client = personalize_client(plain, engine, candidates=4)
            reply = await client.chat.completions.create(**ANN)
            stream = await client.chat.completions.create(**ANN, stream=True)
            chunks = [chunk async for chunk in stream]
            async with client.chat.completions.stream(**ANN) as helper:
                whole = await helper.get_final_completion()
            raw = await client.chat.completions.with_raw_response.create(**ANN)
            off = await client.chat.completions.create(**ANN, personal=False)
        done.set()
        await heart
        return gaps, [reply, chunks[0], whole, raw.parse()], off

    gaps, replies, off = asyncio.run(run())
    assert replies[0].choices[0].message.content == "cold cold dish"
    assert threading.get_ident() not in threads
    assert len(gaps) > 20  # it went on while the engine slept
    assert reply_id(off) is None
    for each in replies:
        engine.user("ann").feedback(reply_id(each), rating=1)


def test_what_cannot_be_wrapped_is_refused(plain, engine):
    client = personalize_client(plain, engine)
    assert isinstance(client, OpenAI)
    assert type(client).__name__ == "OpenAI"
    with pytest.raises(InvalidInputError, match="personal already"):
        personalize_client(client, engine)
    with pytest.raises(InvalidInputError, match="client is a dict"):
        personalize_client({}, engine)
    for bad in (0, 129, True, "4"):
        with pytest.raises(InvalidInputError, match="candidates is"):
            personalize_client(plain, engine, candidates=bad)
    with pytest.raises(InvalidInputError, match="tenant"):
        personalize_client(plain, engine, tenant="")
    assert isinstance(plain.chat.completions.create(**ANN), ChatCompletion)
    assert not hasattr(plain, "persona")
