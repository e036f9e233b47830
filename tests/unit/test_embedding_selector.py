"""The embedding selector: what is general applies always, what has a topic where it fits."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import numpy as np
import pluggy
import pytest

import persona_embedding_selector
from persona_embedding_selector import EmbeddingSelector
from persona_embedding_selector.calibration import (
    DATA,
    Calibration,
    fit_noisy_or,
    load_calibration,
    probabilities,
    save_calibration,
)
from persona_engine import hookspecs
from persona_engine.errors import (
    ArtefactError,
    ConfigError,
    FingerprintMismatchError,
    InvalidInputError,
)
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

BORN = datetime(2026, 1, 1, tzinfo=UTC)
EXAMPLES = [json.loads(line) for line in (DATA / "examples.jsonl").read_text().splitlines()]
ANCHORS = [json.loads(line) for line in (DATA / "anchors.jsonl").read_text().splitlines()]


def wish(text, **fields):
    return Instruction(text, text, BORN, **fields)


def unit(vector):
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def request_at(cosine, embedding):
    """Return a unit vector at this cosine to the embedding and far from every anchor."""
    known = load_calibration()
    spanned = np.concatenate([known.general, known.topical, embedding[None]])
    aside = np.linalg.svd(spanned)[2][-1]  # orthogonal to all of them
    return unit(cosine * embedding + np.sqrt(1 - cosine**2) * aside)


def judge(instruction, embedding, cosine, **settings):
    (judged,) = EmbeddingSelector(**settings).select(
        [],
        [instruction],
        request=request_at(cosine, embedding),
        embeddings=embedding[None],
        tools=language_tools(),
    )
    return judged


def general_embedding():
    return unit(load_calibration().general[7])  # "Do not use emoji."


def topical_embedding():
    return unit(load_calibration().topical[0])  # "I am a vegetarian."


def test_general_instructions_apply_whatever_the_request():
    judged = judge(wish("Do not use emoji."), general_embedding(), cosine=0.0)
    assert judged.used
    assert judged.reason.startswith("holds for every request (p = ")


def test_topical_instructions_apply_where_they_fit():
    far = judge(wish("No meat in recipes."), topical_embedding(), cosine=0.0)
    near = judge(wish("No meat in recipes."), topical_embedding(), cosine=0.5)
    assert not far.used
    assert far.reason.startswith("is about something else")
    assert near.used
    assert near.reason.startswith("fits this request (p = ")
    assert near.reason.endswith("cosine 0.50)")


def test_words_and_scope_that_say_when_make_it_less_general():
    always = judge(wish("Do not use emoji."), general_embedding(), cosine=0.0)
    when = judge(wish("When I am at work, do not use emoji."), general_embedding(), cosine=0.0)
    scoped = judge(wish("Do not use emoji.", scope="e-mails"), general_embedding(), cosine=0.0)
    assert when.probability < always.probability
    assert scoped.probability == when.probability


def test_probability_grows_with_the_cosine():
    found = [
        judge(wish("x"), topical_embedding(), c).probability for c in np.linspace(-0.2, 0.9, 12)
    ]
    assert found == sorted(found)
    assert all(0 < p < 1 for p in found)


def test_what_must_hold_is_used_more_readily():
    cosine = 0.11
    prefer = judge(wish("x"), topical_embedding(), cosine)
    must = judge(wish("x", strength="must"), topical_embedding(), cosine)
    assert must.probability == prefer.probability
    assert (prefer.used, must.used) == (False, True)
    assert judge(wish("x"), topical_embedding(), cosine, threshold=0.0).used


def test_every_instruction_once_most_probable_first_inputs_unchanged():
    rng = np.random.default_rng(0)
    embeddings = np.stack([unit(row) for row in rng.normal(size=(30, 384))])
    request = unit(rng.normal(size=384))
    before = embeddings.copy(), request.copy()
    wishes = [wish(str(i)) for i in range(30)]
    judged = EmbeddingSelector().select(
        [], wishes, request=request, embeddings=embeddings, tools=language_tools()
    )
    found = [each.probability for each in judged]
    assert found == sorted(found, reverse=True)
    assert {each.instruction.id for each in judged} == {each.id for each in wishes}
    np.testing.assert_array_equal(embeddings, before[0])
    np.testing.assert_array_equal(request, before[1])
    assert (
        EmbeddingSelector().select(
            [], [], request=request, embeddings=embeddings[:0], tools=language_tools()
        )
        == ()
    )


def test_other_encoders_are_refused():
    known = load_calibration().fingerprint
    EmbeddingSelector(fingerprint=known)
    with pytest.raises(FingerprintMismatchError, match="sentence/other"):
        EmbeddingSelector(fingerprint="sentence/other")
    with pytest.raises(FingerprintMismatchError, match="width 8"):
        EmbeddingSelector().select(
            [],
            [wish("x")],
            request=np.ones(8),
            embeddings=np.ones((1, 8)),
            tools=language_tools(),
        )


@pytest.mark.parametrize(
    ("request_vector", "embeddings"),
    [
        (np.ones(384), np.ones((2, 384))),
        (np.ones(383), np.ones((1, 384))),
        (np.ones((1, 384)), np.ones((1, 384))),
        (np.ones(384), np.ones(384)),
        (np.full(384, np.nan), np.ones((1, 384))),
        (np.ones(384), np.full((1, 384), np.inf)),
    ],
)
def test_arrays_that_cannot_be_used(request_vector, embeddings):
    with pytest.raises(InvalidInputError, match="embeddings"):
        EmbeddingSelector().select(
            [], [wish("x")], request=request_vector, embeddings=embeddings, tools=language_tools()
        )


@pytest.mark.parametrize("settings", [{"threshold": 1.1}, {"must_threshold": float("nan")}])
def test_thresholds_are_probabilities(settings):
    with pytest.raises(ConfigError, match="threshold is"):
        EmbeddingSelector(**settings)


def test_twenty_instructions_take_well_under_a_millisecond():
    rng = np.random.default_rng(0)
    embeddings = np.stack([unit(row) for row in rng.normal(size=(20, 384))])
    wishes = [wish(f"instruction number {i}") for i in range(20)]
    selector = EmbeddingSelector()
    seconds = []
    for _ in range(50):
        start = time.perf_counter()
        selector.select(
            [], wishes, request=embeddings[0], embeddings=embeddings, tools=language_tools()
        )
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.0005


def test_em_recovers_planted_coefficients():
    rng = np.random.default_rng(0)
    n = 20_000
    general = np.column_stack([np.ones(n), rng.normal(size=n)])
    topical = np.column_stack([np.ones(n), rng.normal(size=n)])
    u, v = np.array([-1.0, 2.0]), np.array([-1.5, 3.0])
    planted = Calibration("f", np.zeros((1, 2)), np.zeros((1, 2)), u, v)
    applies = (rng.random(n) < probabilities(planted, general, topical)[0]).astype(float)
    found = fit_noisy_or(general, topical, applies, weight=np.ones(n))
    np.testing.assert_allclose(found[0], u, atol=0.12)
    np.testing.assert_allclose(found[1], v, atol=0.12)


def test_calibration_survives_its_file_and_damage_is_named(tmp_path):
    save_calibration(load_calibration(), tmp_path)
    again, known = load_calibration(tmp_path), load_calibration()
    np.testing.assert_array_equal(again.general, known.general)
    np.testing.assert_array_equal(again.topical_weights, known.topical_weights)
    assert again.fingerprint == known.fingerprint
    (tmp_path / "calibration.json").write_text("{}")
    load_calibration.cache_clear()
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_calibration(tmp_path)


def test_shipped_data_are_split_by_domain_and_anchors_are_no_examples():
    assert len(EXAMPLES) >= 300
    assert len({(each["instruction"], each["request"]) for each in EXAMPLES}) == len(EXAMPLES)
    domains = {
        split: {each["domain"] for each in EXAMPLES if each["split"] == split}
        for split in ("train", "validation", "test")
    }
    assert sum(map(len, domains.values())) == len(set().union(*domains.values()))
    assert not {each["text"] for each in ANCHORS} & {each["instruction"] for each in EXAMPLES}
    known = load_calibration()
    assert len(known.general) == sum(each["sort"] == "general" for each in ANCHORS)
    assert len(known.topical) == sum(each["sort"] == "topical" for each in ANCHORS)


def test_it_registers_itself():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(persona_embedding_selector)
    (factories,) = manager.hook.persona_instruction_selectors()
    assert factories["embedding_selector"](threshold=0.5).name == "embedding_selector"
