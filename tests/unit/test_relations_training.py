"""What the relation scorer learns from, and the file that it learned into."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from persona_engine.errors import ArtefactError
from persona_engine.instructions.relations import joint, network
from persona_engine.instructions.relations.bank import read_statements, relation
from persona_engine.instructions.relations.features import PAIR_FEATURES, pair_features
from persona_engine.instructions.relations.joint import load_joint, save_joint
from persona_engine.instructions.relations.near import draw_framed_pairs, draw_near_pairs
from persona_engine.instructions.relations.network import load_network, save_network
from persona_engine.instructions.relations.pairs import Pair, draw_pairs
from persona_engine.instructions.relations.scorer import CANDIDATES, relate
from persona_engine.instructions.relations.text import fold, read, words_of
from persona_engine.instructions.relations.train import hold_out
from persona_engine.interfaces import LanguageTools
from persona_engine.types import Instruction

TRIPLES = Path(__file__).parents[1] / "benchmarks" / "instructions_maintenance.tsv"
WIDTH = 384
NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATEMENTS = """\
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
    (tmp_path / "some.txt").write_text(STATEMENTS, encoding="utf-8")
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


def test_framed_pairs_share_two_words_and_no_group(small):
    (small / "fear.rows").write_text("I live in fear = Fear rules me > I fear nothing\n")
    rng = np.random.default_rng(0)
    statements = read_statements(small)

    def embed(texts):
        return rng.normal(size=(len(texts), 4)) / 9

    framed = draw_framed_pairs(statements, embed, rng, count=400, folder=small)
    assert framed
    assert {each.label for each in framed} == {2}
    known = {each.text: each.group for each in statements}
    plain = [each for each in framed if each.before in known and each.after in known]
    assert plain
    assert all(known[each.before] != known[each.after] for each in plain)


def test_shipped_networks_give_probabilities():
    topics, both = load_network(), load_joint()
    features = pair_features([read("Use emojis"), read("I live in Rome")], read("No emojis"))
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(2, WIDTH)), rng.normal(size=WIDTH)
    apart = topics.probabilities(features, old, new, np.zeros(2))
    together = both.probabilities(features, rng.normal(size=(2, 2, WIDTH)))
    for p in (apart, together):
        assert p.shape == (2, 3)
        assert p.sum(axis=1) == pytest.approx(1.0)


def test_what_is_saved_is_read_again(tmp_path):
    path = tmp_path / "copy.safetensors"
    topics = load_network()
    save_network(topics, path)
    for name, tensor in load_network(path).tensors.items():
        np.testing.assert_array_equal(tensor, topics.tensors[name])
    path = tmp_path / "other.safetensors"
    both = load_joint()
    save_joint(both, path)
    again = load_joint(path)
    assert (again.fingerprint, again.adapter.lower) == (both.fingerprint, both.adapter.lower)
    for name, tensor in {**again.adapter.tensors, **again.head}.items():
        kept = both.head[name] if name in both.head else both.adapter.tensors[name]
        np.testing.assert_array_equal(tensor, kept)


def test_shipped_files_are_small_and_of_one_encoder():
    assert network.FILE.stat().st_size + joint.FILE.stat().st_size < 3_000_000
    assert load_network().fingerprint == load_joint().fingerprint


def test_groups_that_are_held_out_are_not_learned_from():
    pairs = [Pair("a", "b", 0, f"group/{i % 40}") for i in range(400)]
    kept, held = hold_out(pairs, np.random.default_rng(0))
    assert (len(kept), len(held)) == (360, 40)
    assert not {each.group for each in kept} & {each.group for each in held}


@pytest.mark.parametrize("features", ["other", " ".join(PAIR_FEATURES)])
def test_damaged_network_is_refused(tmp_path, features):
    path = tmp_path / "relations.safetensors"
    described = {"fingerprint": "some", "features": features}
    save_file({"projection": np.zeros((1, 2, 3), np.float16)}, path, metadata=described)
    for load in (load_network, load_joint):
        with pytest.raises(ArtefactError, match="cannot be read"):
            load(path)


def test_another_encoder_is_not_judged_by_these_networks():
    def never(texts):
        raise AssertionError(texts)

    said = Instruction("a", "Use emojis", NOW)
    tools = LanguageTools(never, "other")
    assert relate(replace(said, id="b"), [said], tools=tools) is None


def test_an_encoder_that_reads_no_pairs_is_judged_by_topics_alone():
    def embed(texts):
        return np.full((len(texts), WIDTH), WIDTH**-0.5)

    said = Instruction("a", "Use emojis", NOW)
    new = Instruction("b", "Never use emojis", NOW)
    found = relate(new, [said], tools=LanguageTools(embed, load_network().fingerprint))
    assert found is not None
    assert found.update[0] > found.same[0]


def test_only_the_nearest_of_many_are_scored():
    asked = []

    def embed(texts):
        return np.full((len(texts), WIDTH), WIDTH**-0.5)

    def read_pairs(first, second, *, adapter):
        asked.append((first, second))
        return np.zeros((len(first), 2, WIDTH), np.float32)

    many = [Instruction(str(i), f"I own {i} books about hats", NOW) for i in range(200)]
    new = Instruction("new", "I own 7 books about hats", NOW, scope="hats")
    tools = LanguageTools(embed, load_network().fingerprint, read_pairs=read_pairs)
    found = relate(new, many, tools=tools)
    [(first, second)] = asked
    assert second == ["For hats, I own 7 books about hats"] * CANDIDATES
    assert "I own 7 books about hats" in first
    assert np.count_nonzero(found.same) == CANDIDATES
