"""`persona demo` on the real model, with short replies."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from persona_engine.cli.app import app
from persona_engine.cli.demo.checks import CHECKS
from persona_engine.cli.demo.story import load_story

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def database(tmp_path_factory, smollm2, minilm):
    return f"sqlite:///{tmp_path_factory.mktemp('demo')}/persona.db"


@pytest.fixture(scope="module")
def result(database):
    short = ["--max-tokens", "16", "--candidates", "4", "--seed", "1"]
    return CliRunner().invoke(app, ["demo", "--json", "--database", database, *short])


@pytest.fixture(scope="module")
def document(result):
    assert result.exit_code == 0, (result.stderr, result.exception)
    return json.loads(result.stdout)


def said(document):
    for request in document["requests"]:
        yield request["base"], None
        for name, each in request["personal"].items():
            yield each, name


def test_both_answer_four_questions_by_their_tastes(document):
    story = load_story()
    assert [act["person"] for act in document["onboarding"]] == ["ada", "ben"]
    for act in document["onboarding"]:
        person = story.person(act["person"])
        assert len(act["answers"]) == story.questions
        assert act["profile"]["comparisons"] == story.questions
        assert len(act["profile"]["tastes"]) == 16
        for answer in act["answers"]:
            pole = person.tastes.get(answer["question"]["style"])
            if pole is not None:
                assert (answer["choice"] == answer["question"]["high"]) == (pole == "high")


def test_everybody_gets_every_reply_and_its_trace(document):
    assert [each["prompt"] for each in document["requests"]] == list(load_story().asks)
    for each, name in said(document):
        trace = each["trace"]
        assert each["words"] == len(each["text"].split())
        assert each["keeps_instruction"] == CHECKS["one_sentence"](each["text"])
        assert trace["candidates"][0]["text"] == each["text"]
        assert sum(step["milliseconds"] for step in trace["steps"]) > 0
        if name is None:
            assert (trace["personalized"], len(trace["candidates"])) == (False, 1)
            continue
        drawn = [each for each in trace["candidates"] if not each["edits"]]  # others were mended
        assert len(drawn) == 4
        scored = [each for each in trace["candidates"] if each["text"].strip()]
        assert all(math.isfinite(c["reward"]) and c["spread"] >= 0 for c in scored)


def test_the_instruction_reaches_the_prompt_of_its_person_only(document):
    instructor = load_story().instructor
    for each, name in said(document):
        used = [each["instruction"]["text"] for each in each["trace"]["instructions"]]
        assert used == ([load_story().instruction] if name == instructor else [])
    kept = document["instruction_kept"]
    held = [each["keeps_instruction"] for each, name in said(document) if name == instructor]
    assert (kept["asked"], kept["personal"]) == (len(held), sum(held))


def test_the_correction_says_honestly_what_it_changed(document):
    correction = document["correction"]
    before, after = correction["before"], correction["after"]
    assert correction["comparisons"] == 1
    assert correction["liked"] == before["trace"]["candidates"][correction["rank"]]["text"]
    assert correction["liked"] != before["text"]
    assert correction["changed"] == (before["text"] != after["text"])
    assert correction["as_liked"] == (after["text"] == correction["liked"])
    drawn = [sorted(c["text"] for c in each["trace"]["candidates"]) for each in (before, after)]
    assert drawn[0] == drawn[1]  # the same candidates, in another order or not


def test_the_correction_raises_what_was_liked(document):
    correction = document["correction"]

    def lead(said):
        rewards = {c["text"]: c["reward"] for c in said["trace"]["candidates"]}
        return rewards[correction["liked"]] - rewards[correction["before"]["text"]]

    assert lead(correction["after"]) > lead(correction["before"])


def test_export_and_receipt_agree_and_nothing_is_left(document):
    farewell = document["farewell"]
    exported, receipt = farewell["document"], farewell["receipt"]
    assert exported["user"] == receipt["user"] == load_story().corrector
    for section, table in (("comparisons", "comparison"), ("replies", "reply")):
        assert len(exported[section]) == receipt["rows"][table] > 0
    assert receipt["sha256"]
    assert farewell["comparisons_left"] == 0


def test_it_does_not_touch_people_who_live_there_already(document, database):
    again = CliRunner().invoke(app, ["demo", "--json", "--database", database])
    assert (again.exit_code, again.stdout) == (4, "")
    assert "has a user 'ben' already" in again.stderr
