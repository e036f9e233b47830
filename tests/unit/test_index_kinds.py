"""Kinds of index: what they find, how they are erased from, when they may be of yesterday."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from persona_engine.errors import ArtefactError
from persona_engine.index import VectorCache, cache, files, kinds
from persona_engine.index.erasing import erase_keys
from persona_engine.index.keys import KeyTable
from persona_engine.index.snapshot import read_snapshot

faiss = pytest.importorskip("faiss")
KINDS = ("flat", "ivf", "hnsw", "sq")
COUNT, WIDTH = 2_000, 12


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, WIDTH))
    vectors = centres[rng.integers(0, 30, COUNT)] + 0.4 * rng.normal(size=(COUNT, WIDTH))
    return [(f"ü{i:05d}", vector.astype(np.float32)) for i, vector in enumerate(vectors)]


def cache_in(folder, kind="auto", **settings):
    return VectorCache(
        folder, tenant="t", kind="users", fingerprint="f", backend="faiss", index=kind, **settings
    )


def exact(rows, query, count):
    matrix = np.stack([vector for _, vector in rows])
    cosines = matrix @ query / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query)
    return [rows[place][0] for place in np.argsort(-cosines)[:count]]


def never_called():
    raise AssertionError("load() was called although memory or file was fresh")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_the_nearest_and_says_how_many_of_them(tmp_path, rows, kind):
    built = cache_in(tmp_path, kind).current(lambda: rows, "1")
    assert built.manifest.index == kind
    assert built.manifest.recall >= 0.95
    again = cache_in(tmp_path, kind).current(never_called, "1")  # mapped from the file
    assert again.manifest == built.manifest or again.manifest.sha256
    rng, found, wanted = np.random.default_rng(1), 0, 0
    for place in rng.integers(0, COUNT, 60):
        query = rows[place][1] + 0.1 * rng.normal(size=WIDTH)
        truth = exact(rows, query, 10)
        mine = again.search(query, count=10)
        assert mine == built.search(query, count=10)
        assert [cosine for _, cosine in mine] == sorted((c for _, c in mine), reverse=True)
        found, wanted = found + len(set(truth) & {key for key, _ in mine}), wanted + 10
    assert found / wanted >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_be_found_is_decided_before_the_search(tmp_path, rows, kind):
    index = cache_in(tmp_path, kind).current(lambda: rows, "1")
    query = rows[5][1]
    far = exact(rows, query, COUNT)[-4:]
    assert {key for key, _ in index.search(query, count=4, allowed=far)} == set(far)
    near = exact(rows, query, 100)
    for excluded in (near[:3], near[:90]):  # few are dropped afterwards, many skipped on the way
        found = [key for key, _ in index.search(query, count=5, exclude=excluded)]
        assert len(found) == 5
        assert not set(found) & set(excluded)
    assert len(index.search(query, count=COUNT)) == COUNT


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_who_is_new_finds_as_much_as_the_manifest_says(tmp_path, kind):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(8_200, 32)).astype(np.float32)
    named = [(f"{number:05d}", each) for number, each in enumerate(vectors[:8_000])]
    index = cache_in(tmp_path, kind).current(lambda: named, "1")
    found = [{key for key, _ in index.search(each, count=10)} for each in vectors[8_000:]]
    true = [set(exact(named, each, 10)) for each in vectors[8_000:]]
    hits = sum(len(mine & theirs) for mine, theirs in zip(found, true, strict=True))
    assert index.manifest.recall >= 0.97
    assert abs(hits / 2_000 - index.manifest.recall) < 0.02
    assert len(index) == 8_000  # those who were held back are in it


@pytest.mark.parametrize("kind", KINDS)
def test_somebody_is_erased_where_they_lie(tmp_path, rows, kind):
    index = cache_in(tmp_path, kind)
    before = index.current(lambda: rows, "1")
    other_process = cache_in(tmp_path, kind).current(never_called, "1")
    key, vector = rows[777]
    unit = (vector / np.linalg.norm(vector)).astype(np.float32).tobytes()
    assert key.encode() in index.path.read_bytes()
    inode = index.path.stat().st_ino
    assert index.remove(key, "nobody") == 1
    assert index.path.stat().st_ino == inode  # overwritten, not written anew
    content = index.path.read_bytes()
    assert key.encode() not in content
    assert unit not in content
    assert key not in dict(other_process.search(vector, count=30))  # whoever has it mapped, too
    after = cache_in(tmp_path, kind).current(never_called, "1")
    assert (after.manifest.erased, len(after), len(before)) == (1, COUNT - 1, COUNT)
    wanted = [each for each in exact(rows, vector, 6) if each != key]
    found = {each for each, _ in after.search(vector, count=5)}
    assert len(found & set(wanted)) >= (3 if kind == "hnsw" else 4)  # a graph lost a crossing
    assert after.search(vector, count=3, allowed=[key]) == []
    assert index.remove(key) == 0
    assert cache_in(tmp_path, kind).status(generation="1").count == COUNT - 1


def test_a_file_full_of_holes_is_deleted(tmp_path, rows):
    index = cache_in(tmp_path, "ivf")
    index.current(lambda: rows, "1")
    assert index.remove(*[key for key, _ in rows[:150]]) == 150
    assert not index.path.exists()


def test_where_faiss_writes_otherwise_the_file_is_deleted(tmp_path, rows, monkeypatch):
    index = cache_in(tmp_path, "hnsw")
    index.current(lambda: rows, "1")
    monkeypatch.setattr("persona_engine.index.places._AFTER_LINKS", 24)
    assert erase_keys(index.path, {rows[3][0]}, index._backend) == 1
    assert not index.path.exists()


def test_an_erasure_that_was_cut_short_is_noticed(tmp_path, rows):
    index = cache_in(tmp_path, "ivf")
    index.current(lambda: rows, "1")
    file = files.read(index.path)
    with index.path.open("r+b") as stream:  # the vector is gone, its checksum is not
        stream.seek(file.body + file.manifest.length - 40)
        stream.write(b"\0" * 40)
    with pytest.raises(ArtefactError, match="checksum"):
        files.read(index.path)


def damage(path, place):
    with path.open("r+b") as stream:
        stream.seek(place)
        (byte,) = stream.read(1)
        stream.seek(place)
        stream.write(bytes([byte ^ 0xFF]))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("persona_engine.index.blocks.SIZE", 512)


@pytest.mark.parametrize("kind", KINDS)
def test_erasing_checks_what_it_touches_and_no_more(tmp_path, rows, kind, small_blocks):
    index = cache_in(tmp_path, kind)
    index.current(lambda: rows, "1")
    file = files.read(index.path)
    searcher = read_snapshot(file, backend=index._backend).searcher
    payload = file.body + file.manifest.length - len(file.payload)
    mine, other = (searcher.holes([file.keys.find(rows[n][0])], file.payload)[0] for n in (7, 640))
    assert other.offset // 512 != mine.offset // 512
    whole = index.path.read_bytes()
    damage(index.path, payload + other.offset)
    assert index.remove(rows[7][0]) == 1
    assert index.path.exists()
    with pytest.raises(ArtefactError, match="checksum"):  # who reads the rest finds it
        files.read(index.path)
    places = [payload + mine.offset, file.body + file.keys.span(file.keys.find(rows[9][0]))[0]]
    places += [] if mine.number is None else [payload + mine.number]
    for place in places:
        index.path.write_bytes(whole)
        damage(index.path, place)
        assert index.remove(rows[7][0]) in (0, 1)
        assert not index.path.exists()  # no new hash hides the damage


@pytest.mark.parametrize("change", [-1, -31, -32, -40_000, 1, 32])
def test_a_file_of_another_length_is_no_index(tmp_path, rows, change):
    index = cache_in(tmp_path, "flat")
    index.current(lambda: rows, "1")
    whole = index.path.read_bytes()
    index.path.write_bytes(whole[:change] if change < 0 else whole + b"\0" * change)
    with pytest.raises(ArtefactError, match="checksum"):
        files.read(index.path)
    assert cache_in(tmp_path, "flat").remove(rows[3][0]) == 0  # deleted, whatever it held
    assert not index.path.exists()


def test_kinds_follow_the_number_of_vectors(tmp_path, rows, monkeypatch):
    assert cache_in(tmp_path).current(lambda: rows, "1").manifest.index == "flat"
    monkeypatch.setattr(kinds, "EXACT", 1_000)
    assert cache_in(tmp_path).status(generation="1").state == "stale"  # too large to be exact now
    assert cache_in(tmp_path).current(lambda: rows, "1").manifest.index == "ivf"
    assert cache_in(tmp_path, "hnsw").current(lambda: rows[:10], "2").manifest.index == "flat"


def test_a_large_index_serves_while_it_is_built_again(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(kinds, "EXACT", 1_000)
    monkeypatch.setattr(cache, "_ASKED_EVERY", 0.0)
    index = cache_in(tmp_path, patience=3_600.0)
    first = index.current(lambda: rows, lambda: "1")
    assert index.current(never_called, lambda: "2") is first  # young enough
    assert (
        cache_in(tmp_path, patience=3_600.0).current(never_called, "2").manifest.generation == "1"
    )
    assert cache_in(tmp_path).current(lambda: rows[:-1], "2").manifest.generation == "2"
    index = cache_in(tmp_path, patience=1e-9)
    release = threading.Event()

    def slow():
        assert release.wait(20)
        return rows[:-2]

    late = index.current(slow, "3")
    assert late.manifest.generation == "2"
    assert index.current(never_called, "3") is late
    release.set()
    index._renewal.join(20)
    assert index.current(never_called, "3").manifest.generation == "3"


def test_asking_sql_is_spared_where_an_index_is_large(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(kinds, "EXACT", 1_000)
    index, asked = cache_in(tmp_path, patience=600.0), []

    def generation():
        asked.append(1)
        return "1"

    for _ in range(5):
        index.current(lambda: rows, generation)
    assert len(asked) == 1


def test_keys_are_found_between_blank_ones():
    names = sorted(["a", "b", "bä", "c", "ab", "zz", "\U0001f600", "z"])
    table = KeyTable.of(names)
    text = np.array(table.text)
    for gone in ("b", "bä", "c", "zz"):
        row = table.find(gone)
        text[int(table.ends[row]) : int(table.ends[row + 1])] = 0
    blank = KeyTable(table.ends, text)
    left = [name for name in names if name not in ("b", "bä", "c", "zz")]
    assert list(blank) == left
    for row, name in enumerate(names):
        assert blank.find(name) == (row if name in left else None)
    assert blank.erased.tolist() == [names.index(n) for n in sorted(("b", "bä", "c", "zz"))]
    assert blank.find("nobody") is None
    assert "a" in blank
    assert 3 not in blank
    assert KeyTable.of([]).find("a") is None
