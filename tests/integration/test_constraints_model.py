"""Standing rules are obeyed by the real language model, and the trace says how."""

from __future__ import annotations

import pytest

from persona_constraints import compile_instruction, judge
from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig

pytestmark = pytest.mark.model

ASK = [{"role": "user", "content": "Name three fruits that grow on trees, please."}]
SHORT = {"max_tokens": 16, "candidates": 3}
RULES = ("Wrap your entire reply in double quotation marks.", "Never use commas.")


@pytest.fixture(scope="module")
def engine(tmp_path_factory, smollm2, minilm):
    folder = tmp_path_factory.mktemp("constraints")
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=str(smollm2),
        sentence_encoder=str(minilm),
        data_folder=folder / "index",
        instruction_verifiers=("constraints",),
    )
    with PersonaEngine(config=config) as opened:
        yield opened


@pytest.fixture
def someone(engine, request):
    person = engine.user(request.node.name)
    for rule in RULES:
        person.instruct(rule, kind="constraint", strength="must")
    return person


def test_rules_hold_and_the_trace_tells_what_was_done(someone) -> None:
    reply = someone.chat(ASK, seed=1, **SHORT)
    base = someone.chat(ASK, seed=1, personal=False, **SHORT)
    constraints = [each for rule in RULES for each in compile_instruction(rule)]
    assert judge(constraints, reply.text, ASK[0]["content"]).holds
    assert not judge(constraints, base.text, ASK[0]["content"]).holds
    shown = reply.trace.candidates[0]
    assert shown.text == reply.text
    assert "put into quotation marks" in shown.edits
    assert {each.text: each.probability for each in shown.checks} == dict.fromkeys(RULES, 1.0)
    assert "put right" in reply.trace.reason
    assert "Put right: put into quotation marks." in someone.explain(reply.id).text
    assert not any(each.edits for each in base.trace.candidates)


def test_what_is_streamed_is_what_is_shown(someone) -> None:
    stream = someone.stream(ASK, seed=1, **SHORT)
    text = "".join(stream)
    assert text == stream.reply.text
    assert text.startswith('"')
    assert text.endswith('"')


def test_a_hosts_own_candidates_are_ranked_by_what_they_keep(someone) -> None:
    ranking = someone.rank(ASK, ["apples, pears and figs", '"apples pears and figs"'])
    assert ranking.order == (1, 0)
    assert all(each.probability == 1.0 for each in ranking.candidates[0].checks)
