"""A conversation in the console with the real language model: replies, traces, choosing."""

from __future__ import annotations

import pytest

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.onboarding import question_bank
from persona_engine.server import ServerSettings
from tests.integration.console.conftest import serving

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def talking(tmp_path_factory, smollm2, minilm):
    """A console whose engine has the model, and somebody who likes replies brief."""
    folder = tmp_path_factory.mktemp("talking")
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=str(smollm2),
        sentence_encoder=str(minilm),
        data_folder=folder / "index",
        max_tokens=12,
        candidates=4,
        plugin_settings={"blockwise": {"block": 4, "keep": 2, "min_confidence": 0.5}},
    )
    with PersonaEngine(config=config) as engine:
        ann = engine.user("ann")
        for question in [each for each in question_bank() if each.style == "length"][:4]:
            ann.prefer(question, "b" if question.high == "a" else "a")
        ann.instruct("Answer in British English.")
        engine.warm_up()
        settings = ServerSettings(preload=False, chat_seconds=600.0)
        with serving(engine, settings) as served:
            yield served


@pytest.fixture
def served(talking):
    return talking


def asked(page, words):
    page.get_by_label("Message").fill(words)
    page.get_by_label("Message").press("Enter")


def test_a_reply_tells_why_and_another_may_be_chosen(browse, served, picture):
    page = browse()
    page.set_default_timeout(120_000)
    page.goto("/console/chat?user=ann")
    page.wait_for_selector("#decoder option", state="attached")
    page.get_by_label("Search").select_option("blockwise")
    asked(page, "How do I start running?")
    assert page.get_by_role("button", name="Stop").is_visible()
    assert "Searching for the reply" in page.locator("#status").inner_text()
    page.wait_for_selector("#trace .part")
    trace = page.locator("#trace")
    assert "Answer in British English." in trace.inner_text()
    assert "±" in trace.locator(".candidates .reward").first.inner_text()
    trace.get_by_text("Time by step").click()
    assert trace.locator("meter").count() > 3
    trace.get_by_role("heading", name="Search").click()
    assert "blockwise" in trace.inner_text()
    assert trace.locator(".tree .branches li").count() > 1
    picture(page, "chat-wide-light")
    before = len(served.engine.user("ann").comparisons())
    choose = trace.get_by_role("button", name="Prefer candidate 2")
    other = trace.locator(".candidates li .text").nth(1).inner_text()
    choose.press("Enter")
    trace.get_by_text("learned from").wait_for()
    assert page.locator(".turn.assistant .text").inner_text() == other
    assert len(served.engine.user("ann").comparisons()) > before


def test_a_stranger_gets_the_base_reply_on_a_phone(browse, served, picture):
    page = browse("phone", "dark")
    page.set_default_timeout(120_000)
    page.goto("/console/chat")
    page.wait_for_selector("#decoder option", state="attached")
    assert page.get_by_role("button", name="Send").is_disabled()
    page.get_by_role("combobox", name="User").fill("stranger/1")
    page.get_by_role("button", name="Switch").click()
    asked(page, "Hi")
    page.wait_for_selector("#trace .part")
    assert "base reply" in page.locator("#trace").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(page, "chat-phone-dark")


def test_a_reply_can_be_stopped(browse, served):
    page = browse()
    page.set_default_timeout(120_000)
    page.goto("/console/chat?user=ann")
    page.wait_for_selector("#decoder option", state="attached")
    asked(page, "Tell me a story.")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert page.get_by_label("Message").input_value() == "Tell me a story."
    assert page.locator(".turn").count() == 0
