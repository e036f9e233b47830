"""A store whose time the test sets."""

from __future__ import annotations

import shutil

import pytest

from persona_engine.store import Store


@pytest.fixture
def store(tmp_path, sqlite_template, now):
    with Store(
        f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}", clock=lambda: now[0]
    ) as opened:
        yield opened
