"""Replies drawn by real servers of three kinds, ranked by our own encoder."""

from __future__ import annotations

import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.errors import GenerationError
from tests.chat_servers import llama_cpp, smollm2_gguf, transformers_serve
from tests.server_process import serving

pytestmark = pytest.mark.model

ASK = [{"role": "user", "content": "How do I start running?"}]


@pytest.fixture(scope="module", params=["transformers serve", "llama.cpp", "persona serve"])
def server(request, tmp_path_factory, smollm2):
    """Kind and address of a server that runs."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "transformers serve":
        with transformers_serve(smollm2, folder) as address:
            yield request.param, address
    elif request.param == "llama.cpp":
        pytest.importorskip("xllamacpp")
        with llama_cpp(smollm2_gguf(folder), folder) as address:
            yield request.param, address
    else:
        with serving(folder, "--insecure-loopback") as served:
            yield request.param, f"{served.url}/v1"


@pytest.fixture(scope="module")
def engine(server, tmp_path_factory, smollm2, minilm):
    """An engine that judges by hidden states of SmolLM2, which has a population that is shipped."""
    folder = tmp_path_factory.mktemp("remote")
    _, address = server
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=address,
        feature_encoder="hidden-state",
        feature_weights=str(smollm2),
        sentence_encoder=str(minilm),
        data_folder=folder / "data",
        plugin_settings={"openai_compatible": {"timeout": 300.0}},
        max_tokens=6,
        candidates=3,
    )
    with PersonaEngine(config=config) as engine:
        yield engine


def test_a_stranger_gets_the_servers_own_reply(engine, server):
    reply = engine.user("stranger").chat(ASK, seed=3)
    (only,) = reply.trace.candidates
    assert reply.text.strip()
    assert 0 < only.tokens <= 6
    assert not reply.trace.personalized
    assert (only.log_prob is not None) == (server[0] == "llama.cpp")
    if only.log_prob is not None:
        assert -100 < only.log_prob < 0
    stream = engine.user("stranger").stream(ASK, seed=3)
    pieces = list(stream)
    assert "".join(pieces) == stream.reply.text == reply.text
    assert sum(bool(each) for each in pieces) > 1


def test_a_known_person_gets_the_best_of_several(engine):
    alice = engine.user("alice")
    for asked in alice.onboard(questions=4):
        alice.prefer(asked, "a")
    reply = alice.chat(ASK, seed=1)
    rewards = [each.reward for each in reply.trace.candidates]
    assert len(rewards) == 3
    assert len({each.text for each in reply.trace.candidates}) > 1
    assert reply.text == reply.trace.candidates[0].text
    if reply.trace.personalized:
        assert rewards[0] == max(rewards)
    assert reply.trace.population is not None
    alice.feedback(reply.id, rating=1)


def test_instructions_are_placed(engine):
    bob = engine.user("bob")
    bob.instruct("Answer in British English.")
    stream = bob.stream(ASK, seed=2, candidates=1)
    assert "".join(stream) == stream.reply.text
    assert [each.used for each in stream.reply.trace.instructions] == [True]


def test_what_a_server_cannot_do_is_said(engine):
    with pytest.raises(GenerationError, match="best_of_n"):
        engine.user("alice").chat(ASK, decoding="token_search")
    reply = engine.user("alice").chat(ASK, decoding="auto", candidates=2, max_tokens=2)
    assert reply.trace.search.plan == "best of n: the generator draws whole replies"
    assert all(each.ok for each in engine.doctor() if each.name.startswith("weights"))
