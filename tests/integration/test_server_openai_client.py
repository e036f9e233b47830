"""OpenAI's own client against a real server: plain, streamed, several, stopped, refused, left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest

from tests.server_process import run, serving

MODEL = "smollm2-135m-instruct"
ASK = [{"role": "user", "content": "Name one fruit."}]
FEW = {"persona": {"candidates": 2}}

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with two places in its queue, and a key for chat."""
    folder = tmp_path_factory.mktemp("served")
    database = f"sqlite:///{folder}/persona.db"
    secret = run("--database", database, "keys", "create", "tests", "--scope", "feedback").strip()
    chat = run("--database", database, "keys", "create", "tests", "--scope", "chat").strip()
    with serving(folder) as served:
        yield served, chat, secret


@pytest.fixture(scope="module")
def client(server):
    served, key, _ = server
    with openai.OpenAI(api_key=key, base_url=f"{served.url}/v1", max_retries=0) as client:
        yield client


@dataclass(frozen=True)
class Call:
    """One call of the client, and what must come of it."""

    name: str
    given: dict[str, Any]
    holds: Callable[[Any], bool] = lambda answer: True
    fails: type[openai.APIStatusError] | None = None

    @property
    def request(self) -> dict[str, Any]:
        return {"model": MODEL, "messages": ASK, "max_tokens": 4, "temperature": 0, **self.given}


def text(answer) -> str:
    return answer.choices[0].message.content


def whole(answer) -> bool:
    usage = answer.usage
    return bool(
        answer.object == "chat.completion"
        and answer.model == MODEL
        and answer.system_fingerprint
        and text(answer)
        and answer.choices[0].message.role == "assistant"
        and usage.prompt_tokens > 0
        and 0 < usage.completion_tokens <= 4 * len(answer.choices)
        and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    )


def joined(chunks, index: int = 0) -> str:
    pieces = [each for chunk in chunks for each in chunk.choices if each.index == index]
    return "".join(each.delta.content or "" for each in pieces)


def streamed(chunks, indices=(0,)) -> bool:
    ends = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    return (
        len({chunk.id for chunk in chunks}) == 1
        and all(chunk.object == "chat.completion.chunk" for chunk in chunks)
        and chunks[0].choices[0].delta.role == "assistant"
        and len(ends) == len(indices)
        and all(joined(chunks, index) for index in indices)
    )


BAD, MISSING = openai.BadRequestError, openai.NotFoundError
CALLS = (
    Call("plain", {}, whole),
    Call("at its end", {"max_tokens": 24}, lambda a: a.choices[0].finish_reason == "stop"),
    Call("cut", {"max_tokens": 1}, lambda a: a.choices[0].finish_reason == "length"),
    Call(
        "max_completion_tokens",
        {"max_tokens": openai.omit, "max_completion_tokens": 2},
        lambda a: a.usage.completion_tokens == 2,
    ),
    Call("several", {"n": 3, "temperature": 1.0, "seed": 1}, lambda a: len(a.choices) == 3),
    Call("stop", {"stop": "fruit", "max_tokens": 24}, lambda a: "fruit" not in text(a)),
    Call("stops", {"stop": [".", ",", "!"], "max_tokens": 12}, lambda a: "." not in text(a)),
    Call("seeded", {"seed": 7, "temperature": 1.0}, whole),
    Call("hot", {"temperature": 1.5, "top_p": 0.9}, whole),
    Call("likeliest", {"top_p": 0, "temperature": 1.0}, whole),
    Call("parts", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}),
    Call("developer", {"messages": [{"role": "developer", "content": "Be brief."}, *ASK]}, whole),
    Call("history", {"messages": [*ASK, {"role": "assistant", "content": "Fig."}, *ASK]}, whole),
    Call("neutral", {"frequency_penalty": 0, "logprobs": False, "tools": []}, whole),
    Call("for a user", {"user": "ann", "extra_body": FEW}, lambda a: len(a.id) == 32),
    Call("base", {"user": "ann", "extra_body": {"persona": {"personal": False}}}, whole),
    Call("budgeted", {"user": "ann", "extra_body": {"persona": {"budget": "2s"}}}, whole),
    Call("stream", {"stream": True}, streamed),
    Call("stream n", {"stream": True, "n": 2}, lambda c: streamed(c, (0, 1))),
    Call("stream user", {"stream": True, "user": "ann", "extra_body": FEW}, streamed),
    Call(
        "stream usage",
        {"stream": True, "stream_options": {"include_usage": True}},
        lambda c: c[-1].usage.completion_tokens > 0 and not c[-1].choices,
    ),
    Call("stream stop", {"stream": True, "stop": ["."]}, lambda c: "." not in joined(c)),
    Call("no model", {"model": "gpt-4o"}, fails=MISSING),
    Call("no messages", {"messages": []}, fails=BAD),
    Call("bad role", {"messages": [{"role": "robot", "content": "Hi"}]}, fails=BAD),
    Call("too hot", {"temperature": 3}, fails=BAD),
    Call("no tokens", {"max_tokens": 0}, fails=BAD),
    Call("too many", {"n": 100}, fails=BAD),
    Call("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}, fails=BAD),
    Call("images", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, fails=BAD),
    Call("json", {"response_format": {"type": "json_object"}}, fails=BAD),
    Call("bad user", {"user": "a\tb"}, fails=BAD),
    Call("unknown", {"extra_body": {"colour": "red"}}, fails=BAD),
    Call("no decoder", {"extra_body": {"persona": {"decoder": "magic"}}}, fails=BAD),
    Call("stream refused", {"stream": True, "model": "gpt-4o"}, fails=MISSING),
)


def made(client, call):
    answer = client.chat.completions.create(**call.request)
    return list(answer) if call.given.get("stream") else answer


async def made_async(client, call):
    answer = await client.chat.completions.create(**call.request)
    return [chunk async for chunk in answer] if call.given.get("stream") else answer


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_comes_out_as_openais_does(client, call):
    if call.fails is None:
        assert call.holds(answer := made(client, call)), answer
        return
    with pytest.raises(call.fails) as caught:
        made(client, call)
    body = caught.value.body
    assert body["message"]
    assert body["type"] == "invalid_request_error"


def test_the_same_calls_come_out_from_the_asynchronous_client_all_at_once(server):
    served, key, _ = server
    refusals = [call for call in CALLS if call.fails is not None]
    answers = [call for call in CALLS if call.fails is None][::2]

    async def all_of_them():
        url = f"{served.url}/v1"
        async with openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0) as client:
            return await asyncio.gather(
                *(made_async(client, call) for call in (*answers, *refusals)),
                return_exceptions=True,
            )

    found = asyncio.run(all_of_them())
    for call, answer in zip((*answers, *refusals), found, strict=True):
        if call.fails is None:
            assert not isinstance(answer, Exception), (call.name, answer)
            assert call.holds(answer), call.name
        else:
            assert isinstance(answer, call.fails), (call.name, answer)


def test_equal_seeds_give_equal_replies_and_a_stream_says_what_a_whole_reply_does(client):
    given = {"seed": 11, "temperature": 1.0, "max_tokens": 6}
    first, second = (made(client, Call("", given)) for _ in range(2))
    chunks = made(client, Call("", {**given, "stream": True}))
    assert text(first) == text(second) == joined(chunks)


def test_models_are_listed_and_found(client):
    assert [each.id for each in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


def test_a_bad_key_is_an_authentication_error_and_a_key_for_feedback_may_not_chat(server):
    served, _, feedback = server
    url = f"{served.url}/v1"
    with (
        openai.OpenAI(api_key="wrong", base_url=url, max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()
    with (
        openai.OpenAI(api_key=feedback, base_url=url, max_retries=0) as other,
        pytest.raises(openai.PermissionDeniedError),
    ):
        other.models.list()


def test_the_id_of_a_reply_takes_feedback_and_one_of_nobody_does_not(server, client):
    served, _, key = server
    headers = {"Authorization": f"Bearer {key}"}

    def rated(reply_id):
        path = f"{served.url}/api/v1/users/ann/replies/{reply_id}/feedback"
        return httpx.post(path, json={"better": "A fig."}, headers=headers, timeout=60)

    personal = made(client, Call("", {"user": "ann", "extra_body": FEW}))
    done = rated(personal.id)
    assert done.status_code == 201, done.text
    assert done.json()[0]["chosen"] == "A fig."
    assert rated(made(client, Call("", {})).id).status_code == 404


def test_a_client_that_leaves_frees_its_place(server, client):
    """Two hundred tokens take longer than this test waits for the next answer."""
    served, key, _ = server
    given = {
        "max_tokens": 2_000,
        "temperature": 1.0,
        "messages": [{"role": "user", "content": "List all animals, with a paragraph on each."}],
    }
    stream = client.chat.completions.create(**Call("", {**given, "stream": True}).request)
    next(iter(stream))
    stream.close()
    with (
        openai.OpenAI(
            api_key=key, base_url=f"{served.url}/v1", max_retries=0, timeout=0.5
        ) as hasty,
        pytest.raises(openai.APITimeoutError),
    ):
        made(hasty, Call("", given))
    started = time.monotonic()
    assert whole(made(client, Call("", {})))
    assert time.monotonic() - started < 20
