"""The console's files: nothing inline, nothing from elsewhere, none missing, all in the wheel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from persona_engine.server.console.assets import FOLDER, assets, page

PAGES = sorted((FOLDER / "pages").glob("*.html"))
SCRIPTS = sorted((FOLDER / "js").glob("*.js"))
FILES = sorted(each for each in FOLDER.rglob("*") if each.is_file())
NAMES = ("users", "user", "chat", "models", "evaluation")
SYMBOLS = set(re.findall(r'id="(\w+)"', (FOLDER / "icons.svg").read_text()))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_pages_hold_no_script_and_no_style(path):
    text = path.read_text()
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", text)
    assert all("src=" in each for each in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_name_no_other_place(path):
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]|@import|url\(", text)


def test_what_pages_ask_for_is_there():
    for name in NAMES:
        shell = page("shell").replace("{sheet}", name).replace("{script}", name)
        for found in re.findall(r'/console/assets/([\w./-]+\.(?:css|js|svg))"', shell + page(name)):
            assert found in assets()
    for name in ("login", "onboarding"):
        for found in re.findall(r'/console/assets/([\w./-]+\.(?:css|js|svg))"', page(name)):
            assert found in assets()
    markup = "".join(each.read_text() for each in PAGES)
    assert set(re.findall(r"icons\.svg#(\w+)", markup)) <= SYMBOLS


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_modules_import_what_modules_export(path):
    text = path.read_text()
    for names, module in re.findall(r'import \{([^}]*)\} from "\./([\w.]+)"', text):
        theirs = (FOLDER / "js" / module).read_text()
        exported = set(re.findall(r"export (?:async )?(?:function\*? |class |const )(\w+)", theirs))
        asked = {each.strip().split(" as ")[0] for each in names.split(",") if each.strip()}
        assert asked <= exported
    drawn = r'(?:icon|empty)\(\s*"(\w+)"'
    assert set(re.findall(drawn, text)) <= SYMBOLS


def test_a_file_that_is_none_of_them_is_not_served():
    served = set(assets())
    assert "js/api.js" in served
    assert not any(".." in each or each.startswith("pages") for each in served)


def test_the_wheel_carries_every_file():
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    root = Path(__file__).parents[3]
    carried = {
        each.distribution_path for each in wheel.WheelBuilder(str(root)).recurse_included_files()
    }
    prefix = "persona_engine/server/console/assets"
    assert {f"{prefix}/{each.relative_to(FOLDER).as_posix()}" for each in FILES} <= carried
