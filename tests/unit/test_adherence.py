"""The learned verifier: parsing, parts of replies, features, directions, training material."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from persona_adherence import AdherenceVerifier
from persona_adherence.directions import Directions, fit_directions
from persona_adherence.examples import made_examples, read_contrasts, read_written
from persona_adherence.features import FEATURES, features, texts_of
from persona_adherence.replies import take_apart
from persona_adherence.scorer import DATA, Scorer, load_scorer, save_scorer
from persona_adherence.train import auc, calibration_error, fit_weights
from persona_adherence.wishes import parse
from persona_engine.errors import ArtefactError, FingerprintMismatchError
from persona_engine.interfaces import LanguageTools
from persona_engine.modelling import sigmoid
from persona_engine.testing.language import language_tools
from persona_engine.types import Instruction

SAID = datetime(2026, 1, 1, tzinfo=UTC)


def signed(text: str) -> list[tuple[str, int]]:
    return [(span.text, span.sign) for span in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I hate loud places.", [("loud places", -1)]),
        ("I'm vegan.", [("vegan", 1)]),
        ("I prefer trains over planes because flying scares me.", [("trains", 1), ("planes", -1)]),
        ("I refuse to use anything that isn't open source.", [("open source", 1)]),
        ("I don't enjoy films without a happy ending.", [("happy ending", 1)]),
        ("I avoid all fish except salmon.", [("fish", -1), ("salmon", 1)]),
        ("I love jazz but dislike big bands.", [("jazz", 1), ("big bands", -1)]),
        ("I don't like tea and prefer coffee.", [("tea", -1), ("coffee", 1)]),
        ("I can't live without cheese.", [("cheese", 1)]),
        ("I do not eat pork due to religious reasons.", [("pork", -1)]),
        ("I'd rather cook than order in.", [("cook", 1), ("order in", -1)]),
        ("", []),
        ("?!", []),
    ],
)
def test_what_is_wanted_and_unwanted(text, expected):
    assert signed(text) == expected


def test_a_reply_is_taken_apart():
    reply = take_apart("Pesto without nuts, 12.5 g; a nut-free loaf. Fine!")
    assert reply.clauses == ("Pesto without nuts", "12.5 g", "a nut-free loaf", "Fine")
    assert reply.denied == (True, False, True, False)
    assert reply.numbers == (12.5,)
    assert reply.denied_stems == {"pesto", "nut", "free", "loaf"}
    assert take_apart("…").clauses == ("…",)


def test_a_long_reply_is_read_all_over():
    reply = take_apart(". ".join(f"Clause number {n}" for n in range(200)))
    assert len(reply.clauses) == 40
    assert reply.clauses[0] == "Clause number 0"
    assert reply.clauses[-1] == "Clause number 195"


def no_directions(width: int = 384) -> Directions:
    return Directions(np.zeros((1, width), np.float32), np.zeros((1, width), np.float32), 3.0)


def read(instruction: str, request: str, replies: Sequence[str]) -> list[dict[str, float]]:
    texts = list(dict.fromkeys(texts_of(instruction, request, replies)))
    vectors = dict(zip(texts, language_tools().embed(texts), strict=True))
    rows = features(instruction, request, replies, vectors=vectors, directions=no_directions())
    return [dict(zip(FEATURES, row.tolist(), strict=True)) for row in rows]


def test_words_of_the_unwanted_thing_count_and_denied_ones_apart():
    names, denies, other = read(
        "I avoid peanuts.", "A snack?", ["Roasted peanuts.", "A bar without peanuts.", "An apple."]
    )
    assert (names["unwanted_words"], names["unwanted_denied_words"]) == (1, 0)
    assert (denies["unwanted_words"], denies["unwanted_denied_words"]) == (0, 1)
    assert (other["unwanted_words"], other["wanted_there"]) == (0, 0)
    assert names["unwanted_whole"] > other["unwanted_whole"]
    assert denies["denies_unwanted"] == 1


def test_words_that_the_request_has_already_say_nothing():
    (reply,) = read("I avoid noisy bars.", "Which bars are near?", ["The bars on Elm Street."])
    assert reply["unwanted_words"] == 0


@pytest.mark.parametrize(
    ("instruction", "reply", "expected"),
    [
        ("Nothing over 20 euros.", "One for 12, one for 19.", 1),
        ("Nothing over 20 euros.", "One for 12, one for 1,200.", -1),
        ("At least 3 options.", "I have 2.", -1),
        ("My budget is 50 euros.", "It costs 45.", 1),
        ("Nothing over 20 euros.", "A cheap one.", 0),
        ("I like blue.", "It costs 45.", 0),
    ],
)
def test_numbers_keep_a_limit(instruction, reply, expected):
    assert read(instruction, "What shall I buy?", [reply])[0]["within_limit"] == expected


def test_directions_tell_opposites_apart_and_vanish_far_from_what_they_know():
    basis = np.eye(6, dtype=np.float32)
    quiet, loud, far = basis[0], basis[1], basis[5]
    apart = basis[2] - basis[3]
    learned = fit_directions(np.stack([quiet, loud]), np.stack([apart, -apart]), sharpness=10)
    found = learned(np.stack([quiet, loud, far]))
    assert found[0] @ apart > 0.9
    assert found[1] @ apart < -0.9
    assert np.abs(found[2]).max() < 1e-3


def test_weights_are_fitted_and_penalised():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(4000), rng.normal(size=(4000, 2))]).astype(np.float32)
    kept = (rng.random(4000) < sigmoid(x @ np.array([0.5, 2.0, 0.0]))).astype(float)
    found = fit_weights(x, kept, np.ones(4000))
    np.testing.assert_allclose(found, [0.5, 2.0, 0.0], atol=0.15)


def test_measures_of_judgements():
    kept = np.array([1.0, 1.0, 0.0, 0.0])
    assert auc(np.array([0.9, 0.8, 0.2, 0.1]), kept) == 1.0
    assert auc(np.array([0.9, 0.1, 0.2, 0.3]), kept) == 0.5
    even = np.full(4, 0.5)
    assert calibration_error(even, kept, np.ones(4)) == 0.0
    assert calibration_error(even, np.ones(4), np.ones(4)) == 0.5


def test_material_is_large_and_the_same_for_the_same_seed():
    contrasts, written = read_contrasts(), read_written()
    made = made_examples(contrasts, per_contrast=6, seed=0)
    assert made == made_examples(contrasts, per_contrast=6, seed=0)
    assert len(made) + len(written) >= 2000
    assert len({each.domain for each in written}) >= 30
    assert len({each.domain for each in contrasts}) >= 40
    for each in (*made, *written):
        assert any(each.keeps)
        assert not all(each.keeps)
        assert len(each.replies) == len(each.keeps)
        assert parse(each.instruction), each.instruction


def test_a_scorer_survives_its_file(tmp_path):
    scorer = load_scorer()
    save_scorer(scorer, tmp_path)
    again = load_scorer(tmp_path)
    assert again.fingerprint == scorer.fingerprint
    np.testing.assert_array_equal(again.weights, scorer.weights)
    np.testing.assert_array_equal(again.directions.weights, scorer.directions.weights)


@pytest.mark.parametrize("file", ["scorer.json", "directions.safetensors"])
def test_a_damaged_scorer_is_refused(tmp_path, file):
    save_scorer(load_scorer(), tmp_path)
    (tmp_path / file).write_text("nonsense")
    with pytest.raises(ArtefactError, match=r"persona_adherence\.train"):
        load_scorer(tmp_path)


def test_another_encoder_is_refused():
    wish = Instruction("1", "No nuts.", SAID)
    with pytest.raises(FingerprintMismatchError, match="hashed-words"):
        AdherenceVerifier().verify([], [wish], ["Walnuts."], tools=language_tools())


def hashed_verifier() -> tuple[AdherenceVerifier, LanguageTools]:
    tools = language_tools()
    weights = np.zeros(len(FEATURES))
    weights[FEATURES.index("unwanted_words")] = -3.0
    weights[FEATURES.index("unwanted_denied_words")] = 3.0
    bears = np.zeros(3 + 384, np.float32)
    bears[1] = 40.0  # cosine to the request
    bears[0] = -10.0
    return AdherenceVerifier(
        scorer=Scorer(tools.fingerprint, no_directions(), weights, bears)
    ), tools


def test_probabilities_and_reasons():
    verifier, tools = hashed_verifier()
    wishes = [Instruction("1", "I avoid peanuts.", SAID), Instruction("2", "?", SAID)]
    found = verifier.verify([], wishes, ["Peanuts.", "No peanuts.", "Figs."], tools=tools)
    np.testing.assert_allclose(found.probability[0], sigmoid(np.array([-3, 3, 0])), atol=1e-5)
    assert np.isnan(found.probability[1]).all()
    assert "nearest to the unwanted 'peanuts'" in found.reasons[0][0]
    assert found.reasons[1] == ("", "", "")


def test_what_does_not_bear_on_the_request_is_kept():
    verifier, tools = hashed_verifier()
    wish = Instruction("1", "I avoid peanuts.", SAID)

    def kept(request: str) -> float:
        turn = [{"role": "user", "content": request}]
        return verifier.verify(turn, [wish], ["Peanuts."], tools=tools).probability[0, 0]

    assert kept("What do I avoid?") < 0.1
    assert kept("Who won the match?") > 0.9


def test_shipped_weights_have_the_signs_that_they_should():
    weights = json.loads((DATA / "scorer.json").read_text())["weights"]
    assert weights["unwanted_whole"] < 0 < weights["wanted_whole"]
    assert weights["unwanted_words"] < 0 < weights["wanted_words"]
    assert weights["unwanted_direction"] < 0 < weights["wanted_direction"]
    assert weights["unwanted_denied_words"] > 0
    assert weights["within_limit"] > 0
