"""Features are encoded once for each tenant, wherever they are looked up next."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError
from persona_engine.features import LONGEST_TEXT, FeatureCache, Text
from persona_engine.store import NewComparison, Store, content_key
from persona_engine.types import Scope

WIDTH = 6


class HashingEncoder:
    """Features drawn from the hash of the content; counts what it encodes."""

    fingerprint = "hashing/1"
    width = WIDTH

    def __init__(self):
        self.batches = []

    def encode(self, prompts, responses):
        self.batches.append(list(responses))
        return np.stack([features_of(p, r) for p, r in zip(prompts, responses, strict=True)])


def features_of(prompt, response):
    digest = hashlib.sha256(content_key(prompt, response).encode()).digest()
    return np.random.default_rng(list(digest)).normal(size=WIDTH).astype(np.float32)


@pytest.fixture
def store(tmp_path, sqlite_template):
    path = tmp_path / "persona.db"
    path.write_bytes(sqlite_template.read_bytes())
    with Store(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture
def encoder():
    return HashingEncoder()


@pytest.fixture
def cache(store, encoder):
    return FeatureCache(encoder, store)


def test_rows_come_in_the_order_asked_for_and_duplicates_are_encoded_once(cache, encoder):
    texts = [Text("long " * 9, "p"), Text("b", "p"), Text("long " * 9, "p"), Text("b", "q")]
    found = cache.get("t", texts)
    wanted = [features_of([{"role": "user", "content": t.prompt}], t.response) for t in texts]
    np.testing.assert_array_equal(found, np.stack(wanted))
    assert sum(map(len, encoder.batches)) == 3


def test_text_and_one_turn_are_the_same_prompt(cache, encoder):
    cache.get("t", [Text("a", "p")])
    cache.get("t", [Text("a", [{"role": "user", "content": "p"}])])
    assert encoder.batches == [["a"]]


def test_a_later_cache_reads_sql(store, cache, encoder):
    first = cache.get("t", [Text("a", "p")])
    again = FeatureCache(encoder, store).get("t", [Text("a", "p")])
    np.testing.assert_array_equal(first, again)
    assert len(encoder.batches) == 1


def test_another_tenant_and_another_space_share_nothing(store, cache, encoder):
    cache.get("t", [Text("a")])
    assert cache.find("other", [Text("a")]) is None
    other = HashingEncoder()
    other.fingerprint = "hashing/2"
    assert FeatureCache(other, store).find("t", [Text("a")]) is None
    cache.get("other", [Text("a")])
    assert encoder.batches == [["a"], ["a"]]


def test_find_gives_all_or_nothing_and_encodes_nothing(cache, encoder):
    cache.get("t", [Text("a")])
    assert cache.find("t", [Text("a"), Text("b")]) is None
    np.testing.assert_array_equal(cache.find("t", [Text("a")]), [features_of((), "a")])
    assert len(encoder.batches) == 1


def test_shipped_features_are_used_and_never_stored(store, encoder):
    shipped = {Text("a", "p").key: np.arange(WIDTH, dtype=np.float32)}
    cache = FeatureCache(encoder, store, shipped=lambda: shipped)
    np.testing.assert_array_equal(cache.get("t", [Text("a", "p")])[0], np.arange(WIDTH))
    assert encoder.batches == []
    assert store.tenant("t").embeddings(encoder.fingerprint, list(shipped)) == {}


def test_what_is_not_to_be_kept_stays_in_memory(store, cache, encoder):
    cache.get("t", [Text("a")], keep=False)
    cache.get("t", [Text("a")], keep=False)
    assert len(encoder.batches) == 1
    assert store.tenant("t").embeddings(encoder.fingerprint, [Text("a").key]) == {}


def test_clear_forgets_memory_but_not_sql(store, cache, encoder):
    cache.get("t", [Text("kept")])
    cache.get("t", [Text("gone")], keep=False)
    cache.clear()
    assert cache.find("t", [Text("kept")]) is not None
    assert cache.find("t", [Text("gone")]) is None


def test_forgetting_a_person_takes_the_features_of_their_texts(store, cache, encoder):
    cache.get("t", [Text("mine", "p"), Text("worse", "p"), Text("ours", "p")])
    store.user(Scope("t", "ann")).record(
        [NewComparison("p", "mine", "worse"), NewComparison("p", "mine", "ours")]
    )
    store.user(Scope("t", "bob")).record([NewComparison("p", "ours", "mine")])
    cache.get("t", [Text("theirs", "p")])
    assert store.user(Scope("t", "ann")).forget().cached_embeddings == 3
    cache.clear()
    for each in ("mine", "worse", "ours"):  # whoever else said it has it encoded once more
        assert cache.find("t", [Text(each, "p")]) is None
    assert cache.find("t", [Text("theirs", "p")]) is not None


def test_memory_holds_the_latest_vectors_only(store, encoder):
    cache = FeatureCache(encoder, store, remembered=2)
    cache.get("t", [Text(name) for name in "abc"], keep=False)
    found = [name for name in "abc" if cache.find("t", [Text(name)]) is not None]
    assert len(found) == 2


def test_no_texts_give_no_rows(cache):
    assert cache.get("t", []).shape == (0, WIDTH)


def test_progress_ends_at_the_total(cache):
    told = []
    texts = [Text(f"text {n}") for n in range(100)]
    cache.get("t", texts, progress=lambda *each: told.append(each))
    assert told[0] == ("encoding", 0, 100)
    assert told[-1] == ("encoding", 100, 100)
    assert len(told) == 3


@pytest.mark.parametrize(
    ("response", "says"),
    [
        ("", "blank"),
        (" \n", "blank"),
        (None, "None"),
        (3, "3"),
        ("x" * (LONGEST_TEXT + 1), "1,000,001 characters"),
        ("a\0b", "NUL"),
        ("a\ud800b", "surrogate"),
    ],
)
def test_one_bad_text_stops_everything_before_anything_is_encoded(cache, encoder, response, says):
    with pytest.raises(InvalidInputError, match=says):
        cache.get("t", [Text("good"), Text(response)])
    assert encoder.batches == []
