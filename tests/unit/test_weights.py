"""Resolving weights without a package index, and naming their bytes."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from persona_engine.errors import WeightsError
from persona_engine.weights import KNOWN, cache_folder, hub, resolve, verify, weights_hash
from persona_engine.weights.manifest import write_manifest
from tests.weights_index import model_files, serve


def _write_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in model_files().items():
        (folder / name).write_bytes(content)
    return folder


class TestResolve:
    def test_a_local_folder_is_taken_as_it_is(self, tmp_path):
        folder = _write_model(tmp_path / "mine")
        assert resolve(str(folder), download=False) == folder
        assert sorted(each.name for each in folder.iterdir()) == sorted(model_files())

    def test_an_unknown_name_lists_the_known_ones(self):
        with pytest.raises(WeightsError, match=r"'gpt-9'.*smollm2-135m-instruct, all-minilm-l6-v2"):
            resolve("gpt-9")

    def test_a_folder_that_is_no_model_says_what_it_lacks(self, tmp_path):
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(WeightsError, match=r"has no tokenizer.json, no model.safetensors"):
            resolve(str(tmp_path))


class TestCacheFolder:
    def test_the_environment_decides(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.delenv("PERSONA_WEIGHTS", raising=False)
        assert cache_folder() == tmp_path / "persona_engine" / "weights"
        monkeypatch.setenv("PERSONA_WEIGHTS", str(tmp_path / "mine"))
        assert cache_folder() == tmp_path / "mine"


class TestHash:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PERSONA_WEIGHTS", str(tmp_path / "cache"))
        return _write_model(tmp_path / "model")

    def test_equal_bytes_have_equal_hashes_wherever_they_lie(self, folder, tmp_path):
        assert weights_hash(folder) == weights_hash(_write_model(tmp_path / "other"))

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
    def test_every_file_that_decides_the_features_counts(self, folder, name):
        before = weights_hash(folder)
        (folder / name).write_bytes(b'{"other": 1}')
        assert weights_hash(folder) != before

    def test_sampling_defaults_do_not_count(self, folder):
        before = weights_hash(folder)
        (folder / "generation_config.json").write_text("{}")
        assert weights_hash(folder) == before

    def test_it_is_computed_once(self, folder, monkeypatch):
        before = weights_hash(folder)
        monkeypatch.setattr(
            "persona_engine.weights.manifest.file_sha256", lambda path: pytest.fail("read again")
        )
        assert weights_hash(folder) == before

    def test_a_folder_that_cannot_be_written_is_remembered_in_the_cache(self, folder, monkeypatch):
        (folder / "persona_weights.json").mkdir()
        before = weights_hash(folder)
        monkeypatch.setattr(
            "persona_engine.weights.manifest.file_sha256", lambda path: pytest.fail("read again")
        )
        assert weights_hash(folder) == before
        assert len(list((cache_folder() / ".hashes").iterdir())) == 1

    def test_a_damaged_manifest_is_computed_anew(self, folder):
        before = weights_hash(folder)
        (folder / "persona_weights.json").write_text('{"version": 1, "seen": [')
        assert weights_hash(folder) == before

    def test_a_folder_without_weights_is_an_error(self, folder):
        (folder / "model.safetensors").unlink()
        with pytest.raises(WeightsError, match=r"has no model\.safetensors"):
            weights_hash(folder)


class TestVerify:
    @pytest.fixture
    def folder(self, tmp_path):
        built = _write_model(tmp_path / "model")
        write_manifest(built, name="tiny", source="a test")
        return built

    def test_a_sound_folder_has_no_problem(self, folder):
        assert verify(folder) == ()

    def test_a_missing_folder_is_a_problem(self, tmp_path):
        assert verify(tmp_path / "none") == (f"{tmp_path / 'none'} has no such folder",)

    def test_a_byte_changed_with_time_and_size_kept_is_found(self, folder):
        path = folder / "model.safetensors"
        stat = path.stat()
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert verify(folder) == (f"{path} is not the file that was fetched (SHA-256 differs)",)

    def test_a_cut_file_is_found(self, folder):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-3])
        assert any("is damaged" in problem for problem in verify(folder))

    def test_a_deleted_file_is_found(self, folder):
        (folder / "tokenizer_config.json").unlink()
        expected = f"{folder / 'tokenizer_config.json'} is missing, the manifest lists it"
        assert verify(folder) == (expected,)


class TestHub:
    SOURCE = KNOWN["all-minilm-l6-v2"].hub

    @pytest.fixture
    def no_cache(self, monkeypatch):
        monkeypatch.setattr(hub, "_cached", lambda source: None)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)

    def test_a_hub_that_refuses_connections_is_known_at_once(self, no_cache, monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        start = time.monotonic()
        with pytest.raises(WeightsError, match=r"127\.0\.0\.1:9 cannot be reached"):
            hub.fetch_hub(self.SOURCE, tmp_path, download=True, progress=_silent)
        assert time.monotonic() - start < 5

    def test_a_hub_that_never_answers_is_given_up(self, no_cache, monkeypatch, tmp_path):
        monkeypatch.setattr(hub, "_ANSWER_SECONDS", 0.3)
        with serve(b"", silent=True) as running:
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
            with pytest.raises(WeightsError, match=r"gave no answer in 0.3 s"):
                hub.fetch_hub(self.SOURCE, tmp_path, download=True, progress=_silent)

    def test_a_snapshot_in_the_hubs_cache_is_used_without_network(self, monkeypatch, tmp_path):
        source = self._cache_snapshot(monkeypatch, tmp_path)
        target = tmp_path / "built"
        target.mkdir()
        hub.fetch_hub(source, target, download=False, progress=_silent)
        assert sorted(each.name for each in target.iterdir()) == sorted(model_files())
        assert '"PreTrainedTokenizerFast"' in (target / "tokenizer_config.json").read_text()

    def test_a_snapshot_with_other_weights_is_refused(self, monkeypatch, tmp_path):
        source = self._cache_snapshot(monkeypatch, tmp_path)
        other = dataclasses.replace(source, model_sha256="0" * 64)
        with pytest.raises(WeightsError, match="expected 0000"):
            hub.fetch_hub(other, tmp_path, download=False, progress=_silent)

    def _cache_snapshot(self, monkeypatch, tmp_path):
        source = dataclasses.replace(
            self.SOURCE,
            files=tuple(model_files()),
            model_sha256=hub.file_sha256(_write_model(tmp_path / "m") / "model.safetensors"),
            tokenizer_class="PreTrainedTokenizerFast",
        )
        name = f"models--{source.repo.replace('/', '--')}"
        _write_model(tmp_path / "hf" / name / "snapshots" / source.revision)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
        return source


def _silent(what: str, done: int, total: int) -> None:
    pass
