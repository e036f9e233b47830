"""plugins/README.md shows every hook with its true signature, every plugin and every check."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pluggy
import pytest

from persona_engine import hookspecs
from persona_engine.plugins import KINDS
from persona_engine.testing import CHECKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "plugins" / "README.md").read_text()


def hooks() -> list[str]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return sorted(name for name in vars(manager.hook) if not name.startswith("_"))


def entry_points() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return set(project["entry-points"]["persona_engine"].values())


@pytest.mark.parametrize("hook", hooks())
def test_the_hook_is_shown_with_its_signature(hook: str) -> None:
    signature = inspect.signature(getattr(hookspecs, hook))
    shown = str(signature).replace("'", "")
    section = re.search(rf"^### `{re.escape(hook + shown)}`\n(.+?)\n\n", README, re.M | re.S)
    assert section, f"plugins/README.md lacks the heading ### `{hook}{shown}` with a text below"


def test_no_other_hook_is_shown() -> None:
    shown = re.findall(r"^### `(\w+)\(", README, re.MULTILINE)
    assert sorted(shown) == hooks()


def test_every_kind_has_its_hook() -> None:
    assert sorted(f"persona_{kind}s" for kind in KINDS) == hooks()


@pytest.mark.parametrize("module", sorted(entry_points()))
def test_first_party_plugins_are_in_the_table(module: str) -> None:
    assert f"| `{module}` |" in README


def test_every_plugin_folder_is_an_entry_point() -> None:
    folders = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    assert folders <= entry_points()


@pytest.mark.parametrize("kind", CHECKS)
def test_the_checks_are_listed_in_their_own_words(kind: str) -> None:
    for name, check in CHECKS[kind].items():
        assert f"- `{name}`: {(check.__doc__ or '').splitlines()[0]}\n" in README


@pytest.mark.parametrize("line", re.findall(r"from (persona_engine\.\S+) import (\w+)", README))
def test_names_in_the_examples_exist(line: tuple[str, str]) -> None:
    module, name = line
    assert hasattr(__import__(module, fromlist=[name]), name)
