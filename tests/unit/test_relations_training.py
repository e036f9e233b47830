"""What the relation scorer learns from, and the file that it learned into."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from persona_engine.errors import ArtefactError
from persona_engine.instructions.relations.bank import read_statements, relation
from persona_engine.instructions.relations.features import PAIR_FEATURES, pair_features
from persona_engine.instructions.relations.network import load_network
from persona_engine.instructions.relations.pairs import draw_near_pairs, draw_pairs
from persona_engine.instructions.relations.scorer import relate
from persona_engine.instructions.relations.text import fold, read, words_of
from persona_engine.types import Instruction

TRIPLES = Path(__file__).parents[1] / "benchmarks" / "instructions_maintenance.tsv"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FILE = """\
# home/city | one: Rome; Oslo
*: I live in {}. | {} is home.
> *: I moved to {}.
~ work: I work in {}.
# food/allergy | many: nuts; eggs
yes: No {}, I'm allergic.
no: I can eat {}.
# thing/dog
name.a: My dog is Rex.
name.b: My dog is Bo.
age: My dog is two.
"""


@pytest.fixture(scope="module")
def statements():
    return read_statements()


@pytest.fixture
def small(tmp_path):
    (tmp_path / "some.txt").write_text(FILE, encoding="utf-8")
    (tmp_path / "more.rows").write_text("Be brief = Keep it short > Be long ~ Be kind\n")
    (tmp_path / "families.txt").write_text("home/city food/allergy\n")
    return tmp_path


@pytest.mark.parametrize(
    ("before", "after", "label"),
    [
        ("I live in Rome.", "Rome is home.", 0),
        ("I live in Rome.", "I moved to Oslo.", 1),
        ("I live in Rome.", "I work in Oslo.", 2),
        ("No nuts, I'm allergic.", "I can eat nuts.", 1),
        ("No nuts, I'm allergic.", "No eggs, I'm allergic.", 2),
        ("My dog is Rex.", "My dog is Bo.", 1),
        ("My dog is Rex.", "My dog is two.", 2),
        ("Be brief", "Keep it short", 0),
        ("Be brief", "Be long", 1),
        ("Be brief", "Be kind", 2),
    ],
)
def test_files_say_how_statements_are_related(small, before, after, label):
    known = {each.text: each for each in read_statements(small)}
    assert relation(known[before], known[after]) == label


def test_near_pairs_are_unrelated_and_of_groups_that_cannot_overlap(small):
    def embed(texts):
        rng = np.random.default_rng(len(texts))
        return rng.normal(size=(len(texts), 4)) / 9

    near = draw_near_pairs(
        read_statements(small), embed, np.random.default_rng(0), nearest=2, folder=small
    )
    assert near
    assert {each.label for each in near} == {2}


def test_enough_is_drawn_of_every_kind(statements):
    assert len({each.group for each in statements}) > 300
    pairs = draw_pairs(statements[:2000], np.random.default_rng(0), rounds=1)
    counts = np.bincount([each.label for each in pairs])
    assert counts.sum() > 3000
    assert counts.min() > 500
    assert pairs == draw_pairs(statements[:2000], np.random.default_rng(0), rounds=1)


def test_no_sentence_of_the_test_is_learned_from(statements):
    learned = {words_of(fold(each.text)) for each in statements}
    lines = TRIPLES.read_text(encoding="utf-8").splitlines()
    said = [text for line in lines if line[0] != "#" for text in line.split("\t")[1:]]
    assert len(said) >= 4 * 300
    assert [text for text in said if words_of(fold(text)) in learned] == []


def test_shipped_network_gives_probabilities():
    network = load_network()
    rng = np.random.default_rng(0)
    old = [read("Use emojis"), read("I live in Rome")]
    width = network.tensors["projection"].shape[-1]
    p = network.probabilities(
        pair_features(old, read("No emojis")),
        rng.normal(size=(2, width)),
        rng.normal(size=width),
        np.zeros(2),
    )
    assert p.shape == (2, 3)
    assert p.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("features", ["other", " ".join(PAIR_FEATURES)])
def test_damaged_network_is_refused(tmp_path, features):
    path = tmp_path / "relations.safetensors"
    described = {"fingerprint": "some", "features": features}
    save_file({"projection": np.zeros((1, 2, 3), np.float16)}, path, metadata=described)
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_network(path)


def test_another_encoder_is_not_judged_by_this_network():
    def never(texts):
        raise AssertionError(texts)

    said = Instruction("a", "Use emojis", NOW)
    assert relate(replace(said, id="b"), [said], embed=never, fingerprint="other") is None


def test_only_the_nearest_of_many_are_scored():
    network = load_network()
    width = network.tensors["projection"].shape[-1]
    asked = []

    def embed(texts):
        asked.append(len(texts))
        return np.full((len(texts), width), width**-0.5)

    many = [Instruction(str(i), f"I own {i} books about hats", NOW) for i in range(200)]
    new = Instruction("new", "I own 7 books about hats", NOW)
    found = relate(new, many, embed=embed, fingerprint=network.fingerprint)
    assert asked == [201, 17]
    assert np.count_nonzero(found.same) == 16
    assert found.same[7] > 0
