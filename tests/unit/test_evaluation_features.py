"""Features: encoded once, kept whole, or brought by the caller."""

from __future__ import annotations

import json

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.evaluation import Item, encode, read_comparisons, read_features
from persona_engine.evaluation import features as features_module

ROWS = [
    {"user": "a", "prompt": "Hello?", "chosen": "Hi.", "rejected": "Good day."},
    {"user": "b", "prompt": "", "chosen": "Good day.", "rejected": "Hi."},
    {"user": "b", "prompt": "Bye?", "chosen": "Good day.", "rejected": "Farewell."},
]


class LengthEncoder:
    """Features of a text: its length, and that of its prompt."""

    width = 2

    def __init__(self, fingerprint="length/v1"):
        self.fingerprint = fingerprint
        self.encoded = []

    def encode(self, prompts, responses):
        self.encoded += responses
        said = [prompt[0]["content"] if prompt else "" for prompt in prompts]
        pairs = zip(responses, said, strict=True)
        return np.array([[len(text), len(prompt)] for text, prompt in pairs], np.float32)


@pytest.fixture
def dataset(tmp_path):
    path = tmp_path / "ours.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return read_comparisons(path)


def test_items_are_encoded_with_their_prompts_and_prompts_by_themselves(dataset, tmp_path):
    found = encode(dataset, LengthEncoder(), tmp_path / "kept")
    texts = [(item.text, item.prompt) for item in dataset.items]
    assert found.responses.tolist() == [[len(text), len(prompt)] for text, prompt in texts]
    assert found.prompts.tolist() == [[len(prompt), 0] for _, prompt in texts]


def test_without_prompts_there_are_no_features_of_them(tmp_path):
    path = tmp_path / "ours.jsonl"
    path.write_text(json.dumps(ROWS[1]))
    assert encode(read_comparisons(path), LengthEncoder(), tmp_path).prompts is None


def test_nothing_is_encoded_twice(dataset, tmp_path):
    one, two, other = LengthEncoder(), LengthEncoder(), LengthEncoder("length/v2")
    kept = encode(dataset, one, tmp_path)
    again = encode(dataset, two, tmp_path)
    encode(dataset, other, tmp_path)
    assert len(one.encoded) == len(set(dataset.items)) + 2
    assert two.encoded == []
    assert other.encoded
    assert again.responses.tolist() == kept.responses.tolist()


def test_what_is_encoded_outlives_an_interruption(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(features_module, "_ENCODED_AT_ONCE", 1)
    monkeypatch.setattr(features_module, "_SECONDS_BETWEEN_SAVES", -1.0)

    class Interrupted(LengthEncoder):
        def encode(self, prompts, responses):
            if len(self.encoded) == 3:
                raise KeyboardInterrupt
            return super().encode(prompts, responses)

    with pytest.raises(KeyboardInterrupt):
        encode(dataset, Interrupted(), tmp_path)
    rest = LengthEncoder()
    encode(dataset, rest, tmp_path)
    assert len(rest.encoded) == len(set(dataset.items)) + 2 - 3


def test_a_damaged_file_is_made_again(dataset, tmp_path):
    encode(dataset, LengthEncoder(), tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    again = LengthEncoder()
    encode(dataset, again, tmp_path / "kept")
    assert again.encoded


def test_item_identity_is_one_hot_of_the_text(dataset, tmp_path):
    plain = encode(dataset, LengthEncoder(), tmp_path)
    found = plain.with_item_identity()
    assert found.responses.shape == (len(dataset.items), 2 + 3)
    assert found.fingerprint.startswith(plain.fingerprint + "+item/")
    one_hot = found.responses[:, 2:]
    assert one_hot.sum(1).tolist() == [1.0] * len(dataset.items)
    for row, item in zip(one_hot, dataset.items, strict=True):
        for other, twin in zip(one_hot, dataset.items, strict=True):
            assert (row == other).all() == (item.text == twin.text)


def test_item_identity_of_very_many_texts_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(features_module, "MOST_ONE_HOT", 2)
    with pytest.raises(InvalidInputError, match="one feature for each of 3 texts"):
        encode(dataset, LengthEncoder(), tmp_path).with_item_identity()


def test_a_method_is_given_what_it_reads_and_nothing_else(dataset, tmp_path):
    found = encode(dataset, LengthEncoder(), tmp_path)
    plain, everything = (
        found.preferences(dataset.rows, reads) for reads in ((), ("prompt", "texts"))
    )
    assert (plain.prompt, plain.texts) == (None, None)
    assert everything.prompt.tolist() == [[6, 0], [0, 0], [4, 0]]
    assert everything.texts[2].chosen == "Good day."
    assert everything.user.tolist() == [0, 1, 1]


def test_features_of_the_caller(dataset, tmp_path):
    path = tmp_path / "own.npz"
    texts = ["Farewell.", "Hi.", "Good day.", "unused"]
    np.savez(
        path,
        texts=texts,
        features=np.arange(8).reshape(4, 2),
        prompt_texts=["Hello?", "Bye?"],
        prompt_features=np.eye(2),
    )
    found = read_features(dataset, path)
    expected = [np.arange(8).reshape(4, 2)[texts.index(i.text)].tolist() for i in dataset.items]
    assert found.responses.tolist() == expected
    assert found.prompts[0].tolist() == [1.0, 0.0]
    assert found.fingerprint.endswith("/2")


def test_features_of_the_caller_by_prompt(dataset, tmp_path):
    keys = [(item.id, item.prompt) for item in dataset.items]
    path = tmp_path / "own.npz"
    values = np.arange(float(len(keys)))[:, None]
    np.savez(path, ids=[k for k, _ in keys], prompts=[p for _, p in keys], features=values)
    assert read_features(dataset, path).responses.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"features": np.eye(3)}, "expected features and ids"),
        ({"texts": ["Hi."], "features": np.eye(2)}, r"shape \(2, 2\)"),
        ({"texts": ["Hi."], "features": np.array([["x"]])}, "type <U1"),
        ({"texts": ["Hi."], "features": np.eye(1)}, "no features of 'Good day.'"),
        ({"texts": ["Hi."], "features": np.array([[np.nan]])}, "row 0 of features is not finite"),
        ({"texts": np.array(["Hi."], object), "features": np.eye(1)}, "cannot be read"),
        (
            {
                "texts": ["Hi.", "Good day.", "Farewell."],
                "features": np.eye(3),
                "prompt_texts": ["Bye?"],
                "prompt_features": np.eye(1),
            },
            r"no features of the prompt 'Hello\?'",
        ),
    ],
)
def test_features_that_cannot_be_used_are_named(dataset, tmp_path, arrays, says):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays)
    with pytest.raises(InvalidInputError, match=says) as caught:
        read_features(dataset, path)
    assert str(path) in caught.value.message


def test_a_file_that_is_no_archive_is_named(dataset, tmp_path):
    path = tmp_path / "own.npz"
    path.write_text("texts")
    with pytest.raises(InvalidInputError, match="cannot be read as a NumPy archive"):
        read_features(dataset, path)
    np.save(tmp_path / "one.npy", np.eye(2))
    with pytest.raises(InvalidInputError, match="single array"):
        read_features(dataset, tmp_path / "one.npy")


def test_other_texts_have_features_in_the_same_space(dataset, tmp_path):
    found = encode(dataset, LengthEncoder(), tmp_path).with_item_identity()
    others = found.of_others([Item("new", "new", "Why?"), Item("Hi.", "Hi.")])
    assert others.tolist() == [[3, 4, 0, 0, 0], [3, 0, 0, 0, 0]]
