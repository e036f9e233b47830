"""Steering on the real language model: rankings, replies and their explanations."""

from __future__ import annotations

import json

import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig

pytestmark = pytest.mark.model

ASK = "How do I get rid of moss in a lawn?"
SHORT = "Rake it out, then feed the grass."
LONG = (
    "Moss grows where grass is weak, so start with the reasons: shade, wet soil and low mowing. "
    "In spring, rake the moss out with a spring-tine rake, or hire a scarifier for a large lawn. "
    "Then spike the soil so that water drains, sow fresh seed on the bare patches, and feed the "
    "grass. Mow a little higher from then on, and the moss will have a hard time coming back."
)
PIRATE = [
    {"attribute": "pirate", "prompt": f"Shall we {what}?", "high": f"{high}", "low": low}
    for what, high, low in (
        ("go", "Arr, weigh anchor, ye scurvy dogs!", "Yes, let us go."),
        ("eat", "Aye, hand over the grub, matey!", "Yes, lunch would be good."),
        ("rest", "Avast! Drop anchor, me hearties!", "Yes, a break is fine."),
    )
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory, smollm2):
    folder = tmp_path_factory.mktemp("steering")
    file = folder / "attributes.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in PIRATE))
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=str(smollm2),
        data_folder=folder / "index",
        attributes=file,
    )
    with PersonaEngine(config=config) as opened:
        yield opened


def test_a_new_person_is_ranked_for_as_they_say(engine):
    ann = engine.user("ann")
    plain = ann.rank(ASK, [LONG, SHORT])
    ann.steer(concise=+1)
    brief = ann.rank(ASK, [LONG, SHORT])
    assert brief.order == (1, 0)
    assert brief.personalized
    assert "set by hand: concise +1" in brief.reason
    ann.steer(detailed=+1)
    assert ann.rank(ASK, [LONG, SHORT]).order == (0, 1)
    ann.steer(concise=0)
    assert ann.rank(ASK, [LONG, SHORT]) == plain


def test_a_hosts_attribute_steers_too(engine):
    bob = engine.user("bob")
    candidates = ["Yes, I can help you.", "Arr, I'll help ye, matey!"]
    bob.steer(pirate=3)
    assert bob.rank("Can you help me?", candidates).order == (1, 0)
    assert next(each for each in bob.profile().tastes if each.style == "pirate").mean > 0


def test_a_reply_says_what_was_set_and_what_is_preferred(engine):
    cleo = engine.user("cleo")
    cleo.steer(concise=+2)
    reply = cleo.chat([{"role": "user", "content": ASK}], max_tokens=12, candidates=2)
    assert reply.trace.steering == "concise +2"
    assert reply.trace.reward_model == "hierarchical"
    said = cleo.explain(reply.id).text
    assert "Set by hand: concise +2." in said
    assert "Prefers: concise (+" in said
