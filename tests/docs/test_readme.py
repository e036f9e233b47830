"""What the README says is so."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def test_what_it_imports_comes_with_the_extras() -> None:
    imported = {
        name.split(".")[0]
        for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
        for node in ast.walk(ast.parse(block))
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    there = brought_by("persona-engine", ("local", "openai", "server"))
    distributions = metadata.packages_distributions()
    foreign = imported - set(sys.stdlib_module_names) - {"persona_engine"}
    assert {"openai"} <= foreign
    assert [
        name
        for name in foreign
        if not there & {canonicalize_name(each) for each in distributions.get(name, ())}
    ] == []


def brought_by(distribution: str, extras: Sequence[str]) -> set[str]:
    """Return the names of all that is installed with a distribution and some of its extras."""
    found, left = set(), [(distribution, extra) for extra in ("", *extras)]
    seen = set(left)
    while left:
        name, extra = left.pop()
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system
        found.add(canonicalize_name(name))
        for each in map(Requirement, required):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                more = {(each.name, wanted) for wanted in ("", *each.extras)} - seen
                seen |= more
                left += more
    return found


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
