"""The example plugin, installed by pip as anyone's would be, is discovered and conforms."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "new_plugin"

CONFORMS = """
import json
from functools import partial
from persona_engine.plugins import discover
from persona_engine.testing import reward_model_checks

plugins = discover(blocked=["persona-engine"])
(record,) = [each for each in plugins.records if each.name == "nearest_direction"]
passed = []
for check in reward_model_checks(partial(plugins.create, "reward_model", "nearest_direction")):
    check()
    passed.append(check.name)
print(json.dumps([record.kind, record.status, record.distribution, record.version, passed]))
"""


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of an interpreter to which pip has added the example."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "install", "--no-deps", "--target", str(target), str(EXAMPLE)])
    return os.pathsep.join([str(target), *(each for each in sys.path if each)])


def test_it_is_discovered_and_passes_the_kit(installed: str) -> None:
    printed = run([sys.executable, "-W", "error", "-c", CONFORMS], PYTHONPATH=installed)
    kind, status, distribution, version, passed = json.loads(printed)
    assert (kind, status) == ("reward_model", "active")
    assert (distribution, version) == ("persona-nearest-direction", "1.0.0")
    assert len(passed) >= 26


def test_it_is_installed_from_the_folder_alone(installed: str) -> None:
    target = Path(installed.partition(os.pathsep)[0])
    assert (target / "persona_nearest_direction.py").read_bytes() == (
        EXAMPLE / "persona_nearest_direction.py"
    ).read_bytes()
    assert len((EXAMPLE / "persona_nearest_direction.py").read_text().splitlines()) < 90


def test_its_readme_shows_code_that_runs(installed: str) -> None:
    shown = re.search(r'python -c "\n(.*?)"', (EXAMPLE / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    code = textwrap.dedent(shown[1])
    assert "check_reward_model(NearestDirection)" in code
    assert run([sys.executable, "-c", code], PYTHONPATH=installed) == ""
