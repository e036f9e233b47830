"""What goes wrong between here and a server is told plainly, tried again, and then left alone."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from persona_engine.errors import ConfigError, GenerationError, WeightsError
from persona_engine.types import Sampling
from persona_openai_compatible import Breaker, OpenAICompatible
from persona_openai_compatible.address import Address

ASK = [{"role": "user", "content": "a secret of somebody's"}]
SAMPLING = Sampling(max_tokens=20)


def reply(generator, branches=1):
    grown = generator.prefill(ASK, branches=branches, seed=0)
    while True:
        result = grown.step(SAMPLING)
        if all(result.finished):
            return result.texts[0]


def test_a_server_that_is_not_there(letters):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        generator = OpenAICompatible(address=f"{url}#tiny", encoder=letters, retries=0)
        with pytest.raises(GenerationError, match=r"cannot be reached: .*start the server"):
            reply(generator)
        with pytest.raises(WeightsError, match="does not say which adapters"):
            generator.load_adapter("x@1", Path("x"))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "answered 401.*api_key_env"),
        (404, "answered 404.*name one of its models: tiny"),
        (400, "answered 400: .*as the test wants it"),
        (500, "answered 500.*the server's log"),
        (429, "answered 429"),
    ],
)
def test_a_server_that_refuses(status, words, generator_of, scripted):
    scripted.status = status
    with pytest.raises(GenerationError, match=words) as caught:
        reply(generator_of())
    assert "secret" not in str(caught.value)


def test_faults_are_tried_again(generator_of, scripted, monkeypatch):
    monkeypatch.setattr("openai._base_client.SyncAPIClient._sleep_for_retry", lambda *_, **__: None)
    scripted.status = 503
    with pytest.raises(GenerationError, match="answered 503"):
        reply(generator_of(retries=3))
    assert len(scripted.requests) == 4


def test_a_server_that_goes_silent(generator_of, scripted):
    scripted.gate.clear()
    with pytest.raises(GenerationError, match=r"did not go on within 0.2 s.*timeout"):
        reply(generator_of(timeout=0.2))


@pytest.mark.parametrize("told", [True, False])
def test_a_stream_that_breaks_off(told, generator_of, scripted):
    scripted.breaks_after, scripted.error_chunk = 3, told
    generator = generator_of()
    if told:
        with pytest.raises(GenerationError, match="broke off: APIError: out of memory"):
            reply(generator)
    else:  # closed in order, as some servers end a stream that they cannot finish
        assert reply(generator) == "reply 0 b and"


def test_one_failed_reply_fails_the_whole(generator_of, scripted):
    scripted.status = 500
    with pytest.raises(GenerationError, match="500"):
        reply(generator_of(together=False), branches=4)


def test_after_some_failures_it_is_left_alone_for_a_while(generator_of, scripted):
    now = [0.0]
    breaker = Breaker("the server", failures=2, seconds=30.0, clock=lambda: now[0])
    generator = generator_of(breaker=breaker)
    scripted.status = 500
    for _ in range(2):
        with pytest.raises(GenerationError, match="answered 500"):
            reply(generator)
    with pytest.raises(GenerationError, match=r"failed 2 times in a row.*30 s more"):
        reply(generator)
    assert len(scripted.requests) == 2
    now[0] = 31.0
    with pytest.raises(GenerationError, match="answered 500"):
        reply(generator)
    with pytest.raises(GenerationError, match="failed 3 times"):
        reply(generator)
    now[0], scripted.status = 62.0, None
    assert reply(generator).startswith("reply")
    assert breaker.state == "closed"


def test_refusals_of_what_was_asked_break_nothing(generator_of, scripted):
    breaker = Breaker("the server", failures=1)
    scripted.status = 400
    for _ in range(3):
        with pytest.raises(GenerationError, match="answered 400"):
            reply(generator_of(breaker=breaker))
    assert breaker.state == "closed"


def test_while_one_request_is_tried_the_others_wait(generator_of):
    now = [0.0]
    breaker = Breaker("the server", failures=1, seconds=5.0, clock=lambda: now[0])
    breaker.failed(OSError())
    now[0] = 6.0
    breaker.enter()
    assert breaker.state == "trying"
    with pytest.raises(GenerationError, match="OSError"):
        breaker.enter()
    breaker.given_up()
    breaker.enter()
    breaker.answered()
    breaker.enter()
    breaker.failed(OSError())  # the answer broke off
    assert breaker.state == "open"


@pytest.mark.parametrize(
    "bad",
    ["127.0.0.1:8000", "ftp://host/v1", "http://", "http://host/v1?a=b", "http://u:pw@host/v1"],
)
def test_addresses_that_are_none(bad, letters):
    with pytest.raises(ConfigError) as caught:
        OpenAICompatible(address=bad, encoder=letters)
    assert "pw" not in str(caught.value)


def test_addresses_are_read_and_written():
    for text, url in (
        ("http://h:1#m", "http://h:1/v1#m"),
        ("https://h/openai/v1/#org/m@2", "https://h/openai/v1#org/m@2"),
    ):
        assert str(Address.parse(text)) == url


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("timeout", 0.0),
        ("connect_timeout", 1e9),
        ("retries", -1),
        ("break_after", 0),
        ("break_seconds", -1.0),
        ("parallel", 0),
        ("parallel", True),
    ],
)
def test_settings_out_of_range(name, bad, generator_of):
    with pytest.raises(ConfigError, match=f"{name} is"):
        generator_of(**{name: bad})


def test_a_key_that_is_not_there(generator_of, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="'NO_SUCH_KEY' is not set"):
        reply(generator_of(api_key_env="NO_SUCH_KEY"))
