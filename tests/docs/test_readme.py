"""What the README says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_has_exactly_the_two_commands_for_set_up() -> None:
    commands = re.findall(r"^ {4}(pip install .*)$", README, flags=re.MULTILINE)
    assert commands == [
        "pip install -e '.[local]' && persona demo",
        "pip install -e '.[dev]' && pytest -n 2",
    ]


def test_every_path_that_it_names_exists() -> None:
    named = re.findall(r"`((?:persona_engine|plugins|examples)/[\w/.]*)`", README)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_user_has_every_method_that_it_names() -> None:
    from persona_engine.engine import PersonaEngine, User

    named = set(re.findall(r"alice\.(\w+)\(", README)) | set(re.findall(r"`\.(\w+)\(", README))
    assert named
    assert [name for name in named if not hasattr(User, name)] == []
    assert hasattr(PersonaEngine, "user")


@pytest.mark.model
def test_the_sdk_in_ten_lines_runs(
    smollm2: Path,
    minilm: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSONA_GENERATOR", str(smollm2))
    monkeypatch.setenv("PERSONA_SENTENCE_ENCODER", str(minilm))
    monkeypatch.setenv("PERSONA_MAX_TOKENS", "12")
    monkeypatch.setenv("PERSONA_CANDIDATES", "2")
    monkeypatch.setenv("PERSONA_DATA_FOLDER", str(tmp_path / "data"))
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
        if "PersonaEngine(" in block
    ]
    code = code.replace('generator="smollm2-135m-instruct"', f"generator={str(smollm2)!r}")
    exec(compile(code, "README.md", "exec"), {})  # it is our own README
    assert "Instruction" in capsys.readouterr().out
