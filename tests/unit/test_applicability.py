"""The selector by condition, slot and request, without the sentence encoder."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from persona_applicability import ApplicabilitySelector, persona_instruction_selectors
from persona_applicability.bearing import bearing, bearing_features, place
from persona_applicability.chains import Ties, leads
from persona_applicability.compose import ANY, Composer
from persona_applicability.fit import Network, fit_head, fit_pass, fit_platt, fit_projection
from persona_applicability.kinship import is_related, roots
from persona_applicability.learn_tastes import Said, learn_space, recalls
from persona_applicability.material import Taste, read_material
from persona_applicability.memory import Memory
from persona_applicability.parse import parse, stems
from persona_applicability.phrasebook import Phrasebook
from persona_applicability.space import Weights, load_weights, save_weights
from persona_engine.errors import (
    ArtefactError,
    ConfigError,
    FingerprintMismatchError,
    InvalidInputError,
)
from persona_engine.modelling import sigmoid
from persona_engine.scorers import Networks, unit
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

TOOLS = language_tools()
REQUEST = "Find me a flight to Oslo"
MATERIAL = read_material()


def selector_of_words(**settings) -> ApplicabilitySelector:
    """The shipped weights, told that they were learned on hashed words."""
    weights = Weights(TOOLS.fingerprint, load_weights().arrays)
    return ApplicabilitySelector(weights=weights, **settings)


def wish(text: str, **more) -> Instruction:
    return Instruction(id=text, text=text, created_at=datetime(2026, 1, 1, tzinfo=UTC), **more)


def select(texts, conversation=None, tools=TOOLS, selector=None, **more):
    conversation = conversation or [{"role": "user", "content": REQUEST}]
    return (selector or selector_of_words()).select(
        conversation,
        [wish(each, **more) for each in texts],
        request=tools.embed([conversation[-1]["content"]])[0],
        embeddings=tools.embed(texts) if texts else np.zeros((0, 384), np.float32),
        tools=tools,
    )


@pytest.mark.parametrize(
    ("text", "condition", "main"),
    [
        ("If I ask for flights, my airline is Qantas", "flights", "my airline is Qantas"),
        ("If cuisine is Thai then look for Baan", "cuisine is Thai", "look for Baan"),
        ("I sit at the aisle when I book flights.", "flights", "I sit at the aisle"),
        ("When it comes to cars, I like red ones.", "cars", "I like red ones."),
        ("For code, add a usage example.", "code", "add a usage example."),
        ("If you're going to Ghent, Belgium, take bikes.", "you're going to Ghent, Belgium", None),
        ("My dentist when I ask for one is Dr. Ode.", "", "My dentist is Dr. Ode."),
        ("Never use emoji.", "", "Never use emoji."),
    ],
)
def test_condition_and_wish_are_told_apart(text: str, condition: str, main: str | None) -> None:
    found = parse(text)
    assert found.condition == condition
    assert main is None or found.main == main


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("If I ask for trains, my preferred city is Ghent", "Ghent"),
        ('Play "Take Five" when I want jazz.', "Take Five"),
        ("My preferred class is business", "business"),
        ("Request hotels in Cape Town.", "Cape Town"),
    ],
)
def test_the_value_is_found(text: str, value: str) -> None:
    assert parse(text).value == value


def test_the_scope_is_a_condition() -> None:
    assert parse("An aisle seat.", "if I ask for flights").condition == "flights"


def test_what_an_instruction_is_built_with_is_no_content() -> None:
    assert stems("If you're looking for it, I want some please") == frozenset()


def test_also_is_noticed() -> None:
    assert parse("If I ask for flights, also look at hotels").also
    assert not parse("If I want a salon, it's for both men and women").also


def test_instructions_are_described_once() -> None:
    asked: list[str] = []

    def embed(texts):
        asked.extend(texts)
        return TOOLS.embed(texts)

    tools = dataclasses.replace(TOOLS, embed=embed)
    selector = selector_of_words()
    texts = ["If I ask for flights, my airline is Qantas", "Be brief."]
    first = select(texts, tools=tools, selector=selector)
    before = Counter(asked)
    second = select(texts, tools=tools, selector=selector)
    spans = [parse(each).condition for each in texts if parse(each).condition]
    assert all(Counter(asked)[each] == before[each] == 1 for each in spans)
    assert first == second


def test_earlier_turns_are_read() -> None:
    turns = [
        {"role": "user", "content": "I want to fly to Oslo"},
        {"role": "assistant", "content": "When?"},
        {"role": "user", "content": "On Friday"},
    ]
    texts = ["If I want to fly, my airline is Qantas"]
    assert select(texts, turns)[0].probability != select(texts, turns[2:])[0].probability


def test_what_must_hold_is_used_at_less() -> None:
    texts = ["Some wish about something."]
    p = select(texts)[0].probability
    settings = {"threshold": min(p + 0.01, 1.0), "must_threshold": max(p - 0.01, 0.0)}
    assert not select(texts, selector=selector_of_words(**settings))[0].used
    assert select(texts, selector=selector_of_words(**settings), strength="must")[0].used


def test_a_chain_is_as_probable_as_what_leads_to_it() -> None:
    parsed = [parse("My cuisine is Thai"), parse("If the cuisine is Thai, go to Baan")]
    links = np.zeros((3, 2, 2), np.float32)
    links[:, 0, 1] = 0.9
    tastes = place(np.eye(2, load_weights().widths[2], dtype=np.float32), load_weights())
    ties = Ties(np.eye(2, dtype=np.float32), *leads(links, parsed), tastes)
    found = ties.features(np.array([0.5, 0.1], np.float32))
    assert found[1, 7:13] == pytest.approx([0.9, 0.45] * 3)
    assert found[1, 13] == pytest.approx(0.5)
    assert found[1, :7].tolist() == [0.0] * 7
    assert found[0].tolist() == [0.0] * 14


def test_memory_forgets_the_oldest() -> None:
    memory: Memory[float] = Memory(most=2)
    calls: list[list[int]] = []

    def find(rows):
        calls.append(list(rows))
        return [float(each) for each in rows]

    assert memory.each(["a", "b"], find) == [0.0, 1.0]
    memory.each(["c"], find)
    assert memory.each(["b", "c"], find) == [1.0, 0.0]
    memory.each(["a"], find)
    assert calls == [[0, 1], [0], [0]]


def test_memory_is_told_once() -> None:
    memory: Memory[int] = Memory(most=1)
    answers = iter((1, 2, 3))
    told = [memory.one(each, lambda: next(answers)) for each in ("a", "a", "b", "a")]
    assert told == [1, 1, 2, 3]


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    weights = Weights("space", {"general": np.arange(4, dtype=np.float32)})
    save_weights(weights, tmp_path, about={"seed": 3})
    found = load_weights(tmp_path)
    assert found.fingerprint == "space"
    assert found.arrays["general"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert json.loads((tmp_path / "weights.json").read_text())["seed"] == 3


def test_damaged_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="train"):
        load_weights(tmp_path)


def test_another_encoder_is_refused() -> None:
    with pytest.raises(FingerprintMismatchError, match="hashed-words"):
        select(["Be brief."], selector=ApplicabilitySelector())
    with pytest.raises(FingerprintMismatchError, match="all-minilm-l6-v2"):
        ApplicabilitySelector(fingerprint="another/space")


@pytest.mark.parametrize("settings", [{"threshold": 1.5}, {"must_threshold": float("nan")}])
def test_wrong_settings_are_refused(settings) -> None:
    with pytest.raises(ConfigError):
        ApplicabilitySelector(**settings)


@pytest.mark.parametrize(
    ("request_", "embeddings", "error"),
    [
        (np.ones(384), np.ones((2, 384)), InvalidInputError),
        (np.ones(384), np.full((1, 384), np.nan), InvalidInputError),
        (np.ones(8), np.ones((1, 8)), FingerprintMismatchError),
    ],
)
def test_wrong_embeddings_are_refused(request_, embeddings, error) -> None:
    with pytest.raises(error):
        selector_of_words().select(
            [{"role": "user", "content": "Hi"}],
            [wish("Be brief.")],
            request=request_.astype(np.float32),
            embeddings=embeddings.astype(np.float32),
            tools=TOOLS,
        )


def test_examples_are_drawn_alike_by_one_seed() -> None:
    def some(seed: int):
        composer = Composer(MATERIAL, Phrasebook(MATERIAL, 0), domains())
        rng = np.random.default_rng(seed)
        return [composer.draw(rng) for _ in range(20)]

    assert some(1) == some(1)
    assert some(1) != some(2)


def domains() -> frozenset[str]:
    return frozenset(
        {each.label for each in MATERIAL.services} | {each.topic for each in MATERIAL.tastes}
    )


def test_examples_are_of_every_sort_and_labelled() -> None:
    composer = Composer(MATERIAL, Phrasebook(MATERIAL, 0), domains())
    rng = np.random.default_rng(0)
    examples = [composer.draw(rng) for _ in range(300)]
    assert {each.sort for each in examples} == {
        *("plain", "stated", "absent", "taste", "task", "nothing")
    }
    assert all(len(each.profile) == len(set(each.profile)) for each in examples)
    applying = [sum(label == 1 for label in each.labels) for each in examples]
    assert min(applying) == 0
    assert max(applying) > 2
    assert any(label == ANY for each in examples for label in each.labels)


def test_held_out_phrases_are_not_trained_on() -> None:
    rng = np.random.default_rng(0)
    service = MATERIAL.services[0]
    kept, held = (
        {
            Phrasebook(MATERIAL, seed, held_out=held_out).wish(service, 0, rng).text
            for seed in range(60)
        }
        for held_out in (False, True)
    )
    assert not kept & held


def test_thirty_domains_and_more() -> None:
    assert len(MATERIAL.services) + len({each.topic for each in MATERIAL.tastes}) >= 60


def test_fitting_recovers_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 6)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.float32)
    learned = fit_pass(x, y, np.ones(2000), network=Network(epochs=80, decay=0.0), seed=0)
    networks = Networks.of({f"p_{key}": value for key, value in learned.items()}, "p")
    assert ((networks.log_odds(x) > 0) == (y > 0.5)).mean() > 0.95
    head = fit_head(x, (x[:, 2] > 0).astype(np.float32), np.ones(2000), decay=1e-4, seed=0)
    assert int(np.abs(head[:-1]).argmax()) == 2


def test_what_like_tastes_were_asked_before_bears_on_a_taste() -> None:
    axes = np.eye(4, dtype=np.float32)
    arrays = {f"bearing_{side}": np.zeros(4, np.float32) for side in ("request", "instruction")}
    # Requests along axis 1 touched tastes along axis 0, those along axis 3 tastes along axis 2.
    pairs = {"pairs_taste": axes[[0, 2]], "pairs_asked": axes[[1, 3]][None]}
    weights = Weights("x", {"bearing": axes, **arrays, **pairs})
    tastes = place(axes[[0, 2]], weights)
    assert tastes.known.sum(axis=1) == pytest.approx(1.0)
    first, second = bearing(axes[1], tastes, weights)
    assert first > second
    first, second = bearing(axes[3], tastes, weights)
    assert second > first


def test_bearing_is_told_alone_and_among_the_others() -> None:
    found = bearing_features(np.array([0.5, 0.1, 0.3], np.float32))
    assert found[:, 0] == pytest.approx([0.5, 0.1, 0.3])
    assert found[:, 1] == pytest.approx([0.0, -0.4, -0.2])
    assert found[0, 2] > 0 > found[1, 2]


def test_the_learned_space_finds_tastes_that_it_never_saw() -> None:
    rng = np.random.default_rng(0)

    def said(number: int) -> Said:
        meant = 2 * rng.standard_normal(4)
        ways, asked = (
            unit(np.concatenate([np.tile(meant, (2, 1)), rng.standard_normal((2, 12))], axis=1))
            for _ in range(2)
        )
        return Said(Taste(f"topic {number}", "=", "it", "", ("a", "b")), ways, asked)

    known, unknown = [said(n) for n in range(60)], [said(60 + n) for n in range(20)]
    before, after = (
        recalls(unknown, Weights("x", learn_space(known, seed=0, steps=steps)), among=20, seed=0)
        for steps in (0, 150)
    )
    assert after["recall_at_1"] > before["recall_at_1"] + 0.05
    assert after["recall_at_5"] > 0.9


def test_lasting_tastes_are_read_with_two_requests_and_a_topic() -> None:
    assert len(MATERIAL.lasting) > 800
    assert all(len(each.requests) >= 2 and each.topic for each in MATERIAL.lasting)
    assert all(each.why for each in MATERIAL.lasting if each.sign in "+-")
    base = {each.topic for each in MATERIAL.tastes}
    assert all(roots(each.topic) <= base for each in MATERIAL.lasting)
    assert is_related("gadgets", "software and data")
    assert not is_related("gadgets", "pets")


def test_a_taste_without_a_reason_is_said_without_one() -> None:
    book = Phrasebook(MATERIAL, 0)
    bare = next(each for each in MATERIAL.lasting if not each.why)
    assert set(book.tastes(bare, 4)) == {bare.what, f"Remember: {bare.what}"}


def test_platt_undoes_a_wrong_scale() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal(20_000)
    y = (rng.random(20_000) < sigmoid(z)).astype(float)
    slope, offset = fit_platt(3 * z + 1, y, np.ones(20_000))
    assert slope == pytest.approx(1 / 3, abs=0.03)
    assert offset == pytest.approx(-1 / 3, abs=0.06)


def test_a_projection_brings_pairs_together() -> None:
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((12, 4)).astype(np.float32)
    at = np.arange(240) % 12

    def noisy():
        noise = 3 * rng.standard_normal((240, 12)).astype(np.float32)
        return np.concatenate([topics[at], noise], axis=1)

    left, right = noisy(), noisy()
    alike = at[:, None] == at
    found = fit_projection(
        left, right, alike, start=np.eye(16, dtype=np.float32), steps=200, stay=0.01, seed=0
    )
    assert np.abs(found[:4]).mean() > 1.5 * np.abs(found[4:]).mean()


def test_it_is_registered() -> None:
    assert persona_instruction_selectors()["applicability"] is ApplicabilitySelector
