"""examples/openai_wrap.py runs as it stands, against a server on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.model

EXAMPLE = Path(__file__).parents[3] / "examples" / "openai_wrap.py"


def test_the_example_runs(recorder, smollm2, minilm, tmp_path):
    recorder.texts = ["Put on your shoes.", "Run.", "Ask a doctor first, and then start slowly."]
    options = ["--base-url", recorder.url, "--model", "base", "--max-tokens", "20"]
    settings = {
        **os.environ,
        "PERSONA_GENERATOR": str(smollm2),
        "PERSONA_SENTENCE_ENCODER": str(minilm),
        "PERSONA_DATA_FOLDER": str(tmp_path / "data"),
        "OPENAI_API_KEY": "nobody's",
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *options],
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, streamed, off = recorder.bodies()
    assert first["n"] == 4
    assert all("British English" in each["messages"][-1]["content"] for each in (first, streamed))
    assert off["messages"] == [{"role": "user", "content": "How do I start running?"}]
    assert "candidates were compared, best first" in done.stdout
    assert "'personal': 2" in done.stdout
