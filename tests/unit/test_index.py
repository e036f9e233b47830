"""The vector index: a cache of SQL that is never wrong, whatever happens to its file."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from persona_engine.errors import (
    ArtefactError,
    InvalidInputError,
    MissingExtraError,
    ScopeError,
    StoreUnavailableError,
)
from persona_engine.index import VectorCache, backends, files
from persona_engine.index.backends import Built
from persona_engine.index.faiss_backend import FaissBackend
from persona_engine.index.locking import exclusive

BACKENDS = ("faiss", "numpy")


def rows_of(count=200, width=8, seed=0, prefix="u"):
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return [(f"{prefix}{i:05d}", vector) for i, vector in enumerate(vectors)]


def cache_in(folder, **settings):
    defaults = {"tenant": "t", "kind": "users", "fingerprint": "f", "backend": "numpy"}
    return VectorCache(Path(folder), **(defaults | settings))


def exact(rows, query, count, keep=lambda key: True):
    scored = [
        (key, float(v @ query / np.linalg.norm(v) / np.linalg.norm(query)))
        for key, v in rows
        if keep(key)
    ]
    return sorted(scored, key=lambda each: -each[1])[:count]


def never_called():
    raise AssertionError("load() was called although memory or file was fresh")


@pytest.mark.parametrize("backend", BACKENDS)
def test_search_is_exact_cosine(tmp_path, backend):
    rows, query = rows_of(), np.arange(8.0) - 3
    found = cache_in(tmp_path, backend=backend).search(lambda: rows, "g", query, count=7)
    wanted = exact(rows, query, 7)
    assert [key for key, _ in found] == [key for key, _ in wanted]
    np.testing.assert_allclose([c for _, c in found], [c for _, c in wanted], atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_allowed_and_excluded_keys_are_filtered_before_the_search(tmp_path, backend):
    rows, query = rows_of(), np.ones(8)
    cache = cache_in(tmp_path, backend=backend)
    far = [key for key, _ in exact(rows, query, 200)[-5:]]  # the five least similar
    found = cache.search(lambda: rows, "g", query, count=5, allowed=[*far, "nobody"])
    assert [key for key, _ in found] == far
    nearest = exact(rows, query, 1)[0][0]
    found = cache.search(lambda: rows, "g", query, count=5, exclude=[nearest, "nobody"])
    assert len(found) == 5
    assert [k for k, _ in found] == [k for k, _ in exact(rows, query, 5, lambda k: k != nearest)]
    found = cache.search(lambda: rows, "g", query, count=9, allowed=far, exclude=far[:2])
    assert {key for key, _ in found} == set(far[2:])
    assert cache.search(lambda: rows, "g", query, count=3, allowed=[]) == []
    assert len(cache.search(lambda: rows, "g", query, count=999)) == 200


@pytest.mark.parametrize("backend", BACKENDS)
def test_file_is_used_by_the_next_cache_and_rebuilt_when_stale(tmp_path, backend):
    rows, query = rows_of(20), np.ones(8)
    first = cache_in(tmp_path, backend=backend).search(lambda: rows, "1", query, count=3)
    again = cache_in(tmp_path, backend=backend)
    assert again.search(never_called, "1", query, count=3) == first
    assert again.search(lambda: rows[:2], "2", query, count=3) != first
    other_space = cache_in(tmp_path, backend=backend, fingerprint="g")
    assert other_space.status(generation="2").state == "stale"
    assert len(other_space.search(lambda: rows[:1], "2", query, count=3)) == 1


def test_each_byte_that_is_damaged_is_noticed(tmp_path):
    cache = cache_in(tmp_path)
    rows, query = rows_of(3, 2), np.ones(2)
    wanted = cache.search(lambda: rows, "1", query, count=3)
    whole = cache.path.read_bytes()
    for position in range(len(whole)):
        cache.path.write_bytes(
            whole[:position] + bytes([whole[position] ^ 0x15]) + whole[position + 1 :]
        )
        assert cache.status(generation="1").state in ("damaged", "stale")
    cache.path.write_bytes(whole[: len(whole) // 2])
    assert cache_in(tmp_path).search(lambda: rows, "1", query, count=3) == wanted
    assert cache.status(generation="1").state == "fresh"


def test_foreign_bytes_never_reach_faiss(tmp_path, monkeypatch):
    faiss = pytest.importorskip("faiss")
    cache = cache_in(tmp_path, backend="faiss")
    cache.search(lambda: rows_of(5), "1", np.ones(8), count=1)
    whole = cache.path.read_bytes()
    cache.path.write_bytes(whole[:-1] + b"\x00")

    def parse(*arguments):
        raise AssertionError("FAISS was handed bytes that failed their checksum")

    monkeypatch.setattr(faiss, "deserialize_index", parse)
    monkeypatch.setattr(faiss, "read_index", parse)
    assert cache_in(tmp_path, backend="faiss").status().state == "damaged"
    fresh = cache_in(tmp_path, backend="faiss")
    assert len(fresh.search(lambda: rows_of(5), "1", np.ones(8), count=2)) == 2
    foreign = np.frombuffer(b"IwFl" + b"\x00" * 80, np.uint8)
    with pytest.raises(ArtefactError, match="expected one of kind 'flat'"):
        FaissBackend(faiss).load(foreign, Built(), count=1, width=1)


def test_status_names_count_and_generation(tmp_path):
    cache = cache_in(tmp_path)
    assert cache.status().state == "missing"
    cache.current(lambda: rows_of(4), "g7")
    status = cache.status(generation="g7")
    assert (status.state, status.count, status.generation) == ("fresh", 4, "g7")
    assert status.path.is_file()
    stale = cache.status(generation="g8")
    assert stale.state == "stale"
    assert "'g7', expected 'g8'" in stale.detail


@pytest.mark.parametrize("backend", BACKENDS)
def test_tenants_and_kinds_have_files_of_their_own(tmp_path, backend):
    query = np.ones(8)
    for tenant, prefix in (("a", "x"), ("../a", "y"), ("a/b", "z")):
        cache = cache_in(tmp_path, tenant=tenant, backend=backend)
        rows = rows_of(5, prefix=prefix)
        found = cache.search(lambda rows=rows: rows, "1", query, count=99)
        assert {key[0] for key, _ in found} == {prefix}
        assert cache.path.is_relative_to(tmp_path)
        assert ".." not in cache.path.parts
    assert len(list(tmp_path.glob("*/users.index"))) == 3
    with pytest.raises(ScopeError):
        cache_in(tmp_path, tenant="")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_removed_vector_is_gone_from_disk_at_once(tmp_path, backend):
    rows, query = rows_of(50), np.ones(8)
    cache = cache_in(tmp_path, backend=backend)
    cache.current(lambda: rows, "1")
    orphan = cache.path.with_name("users.index.tmp-dead")  # left by a writer that was killed
    orphan.write_bytes(cache.path.read_bytes())
    doomed = cache.current(never_called, "1").searcher.vectors()[7].astype("<f4").tobytes()
    assert doomed in cache.path.read_bytes()
    assert cache.remove("u00007", "nobody") == 1
    assert not orphan.exists()
    assert doomed not in cache.path.read_bytes()
    assert b"u00007" not in cache.path.read_bytes()
    found = cache_in(tmp_path, backend=backend).search(never_called, "1", query, count=99)
    assert [k for k, _ in found] == [k for k, _ in exact(rows, query, 99, lambda k: k != "u00007")]
    assert cache.remove("u00007") == 0
    assert cache.remove(*[key for key, _ in rows]) == 49
    assert not cache.path.exists()


def test_removal_deletes_a_file_that_cannot_be_read(tmp_path):
    pytest.importorskip("faiss")
    cache = cache_in(tmp_path, backend="faiss")
    cache.current(lambda: rows_of(5), "1")
    assert cache_in(tmp_path, backend="numpy").remove("u00001") == 1  # not its own format
    assert not cache.path.exists()
    cache.path.write_bytes(b"garbage")
    assert cache.remove("u00001") == 1  # the one in memory
    assert cache.remove("u00001") == 0
    assert not cache.path.exists()


def test_removal_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    cache = cache_in(tmp_path)
    cache.current(lambda: rows_of(50), "1")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "erase", full)
    with pytest.raises(StoreUnavailableError, match="No space left"):
        cache.remove("u00001")


def test_unwritable_folder_serves_from_memory_and_says_so_once(tmp_path, caplog):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    cache = cache_in(blocker / "indexes")
    with caplog.at_level(logging.WARNING):
        for generation in ("1", "2"):
            assert len(cache.search(lambda: rows_of(5), generation, np.ones(8), count=3)) == 3
    told = [record for record in caplog.records if "serving from memory" in record.message]
    assert len(told) == 1
    assert cache.remove("u00001") == 1


def test_full_disk_serves_from_memory_and_leaves_no_remains(tmp_path, monkeypatch, caplog):
    cache = cache_in(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "full")))
    assert len(cache.search(lambda: rows_of(5), "1", np.ones(8), count=3)) == 3
    assert [path.name for path in cache.path.parent.iterdir()] == ["users.lock"]
    assert "full" in caplog.text


def test_a_hanging_holder_of_the_lock_does_not_stop_searches(tmp_path):
    cache = cache_in(tmp_path, lock_timeout=0.05)
    with exclusive(cache.path.with_suffix(".lock"), timeout=1):
        assert len(cache.search(lambda: rows_of(5), "1", np.ones(8), count=3)) == 3
        with pytest.raises(StoreUnavailableError, match="held"):
            cache.remove("u00001")


def test_failed_load_leaves_everything_as_it_was(tmp_path):
    cache = cache_in(tmp_path)
    cache.current(lambda: rows_of(5), "1")
    before = cache.path.read_bytes()

    def broken():
        yield from rows_of(3)
        raise StoreUnavailableError("database went away")

    with pytest.raises(StoreUnavailableError, match="went away"):
        cache.current(broken, "2")
    assert cache.path.read_bytes() == before
    assert len(cache.current(never_called, "1")) == 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", np.ones(3)), ("b", np.ones(4))], "one width for all"),
        ([("a", np.ones(3)), ("a", np.ones(3))], "occurs twice"),
        ([("a", np.ones(3)), ("b", np.array([1, np.nan, 0]))], "'b' has values that are not"),
        ([("a", np.ones((3, 1)))], "one width for all"),
        ([("a", np.ones(0))], "one width for all"),
    ],
)
def test_vectors_that_cannot_be_indexed(tmp_path, rows, message):
    cache = cache_in(tmp_path)
    with pytest.raises(InvalidInputError, match=message):
        cache.current(lambda: rows, "1")
    assert not cache.path.exists()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("query", [np.ones(7), np.zeros(8), np.full(8, np.nan), np.ones((1, 8))])
def test_queries_that_cannot_be_searched(tmp_path, backend, query):
    with pytest.raises(InvalidInputError, match="query"):
        cache_in(tmp_path, backend=backend).search(lambda: rows_of(5), "1", query, count=1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_zero_vectors_and_empty_tenants(tmp_path, backend):
    cache = cache_in(tmp_path, backend=backend)
    assert cache.search(list, "0", np.ones(8), count=3) == []
    assert cache_in(tmp_path, backend=backend).search(never_called, "0", np.ones(8), count=3) == []
    rows = [("like", np.ones(8)), ("unlike", -np.ones(8)), ("unknown", np.zeros(8))]
    found = cache.search(lambda: rows, "1", np.ones(8), count=3)
    assert [key for key, _ in found] == ["like", "unknown", "unlike"]
    assert [cosine for _, cosine in found] == pytest.approx([1.0, 0.0, -1.0])
    with pytest.raises(InvalidInputError, match="count is 0"):
        cache.search(lambda: rows, "1", np.ones(8), count=0)


def test_without_faiss_numpy_serves_and_says_so_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "faiss", None)
    backends._say_that_numpy_serves.cache_clear()
    for _ in range(3):
        cache = cache_in(tmp_path, backend="auto")
        assert len(cache.search(lambda: rows_of(5), "1", np.ones(8), count=2)) == 2
    assert caplog.text.count("faiss is not installed") == 1
    with pytest.raises(MissingExtraError, match="persona-engine\\[local\\]"):
        cache_in(tmp_path, backend="faiss")


def test_importing_the_index_loads_no_faiss():
    code = "import sys, persona_engine.index; sys.exit('faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _serve(folder, worker, rounds):
    rng = np.random.default_rng(worker)
    for turn in range(rounds):
        generation = int(rng.integers(1, 6))
        cache = cache_in(folder)
        found = cache.search(
            lambda count=generation: rows_of(count), str(generation), np.ones(8), count=99
        )
        assert len(found) == generation, (worker, turn, generation, len(found))


def test_processes_that_rebuild_at_once_see_only_whole_files(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_serve, args=(tmp_path, each, 60)) for each in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert cache_in(tmp_path).status().state == "fresh"
