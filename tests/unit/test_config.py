"""Settings: where they come from, who wins, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from persona_engine.config import EngineConfig, default_data_folder
from persona_engine.errors import ConfigError


def test_arguments_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("PERSONA_CANDIDATES", "4")
    monkeypatch.setenv("PERSONA_BLOCKED_PLUGINS", '["best_of_n"]')
    monkeypatch.setenv("PERSONA_MAX_TOKENS", "")
    config = EngineConfig()
    assert (config.candidates, config.blocked_plugins, config.max_tokens) == (
        4,
        ("best_of_n",),
        192,
    )
    assert EngineConfig(candidates=2).candidates == 2


def test_keyword_arguments_win_over_a_file(tmp_path):
    path = tmp_path / "persona.toml"
    path.write_text('candidates = 3\nmax_tokens = 20\n[plugin_settings.best_of_n]\nx = "y"\n')
    config = EngineConfig.from_toml(path, candidates=5)
    assert (config.candidates, config.max_tokens) == (5, 20)
    assert config.plugin_settings == {"best_of_n": {"x": "y"}}


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        EngineConfig().candidates = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("candidates", 0),
        ("candidates", 257),
        ("candidates", True),
        ("candidates", 2.5),
        ("candidates", "many"),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", False),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", float("inf")),
        ("max_tokens", 0),
        ("instruction_budget", -1),
        ("population_refresh_seconds", -1.0),
        ("database", "persona.db"),
        ("blocked_plugins", 3),
        ("plugin_settings", {"best_of_n": 3}),
        ("reward_model", None),
        ("colour", "blue"),
    ],
)
def test_a_bad_value_is_named_with_its_setting(setting, value):
    with pytest.raises(ConfigError) as caught:
        EngineConfig(**{setting: value})
    assert setting in caught.value.message
    shown = repr(value["best_of_n"]) if isinstance(value, dict) else repr(value)
    assert shown in caught.value.message
    assert "PERSONA_" in str(caught.value.remedy)


def test_a_variable_that_is_no_json_is_named(monkeypatch):
    monkeypatch.setenv("PERSONA_BLOCKED_PLUGINS", "best_of_n")
    with pytest.raises(ConfigError, match="blocked_plugins"):
        EngineConfig()


@pytest.mark.parametrize("content", [b"candidates = ", b"\xff", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "persona.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"persona\.toml") as caught:
        EngineConfig.from_toml(path)
    assert caught.value.remedy


def test_indexes_go_to_the_data_home(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_folder() == Path("/somewhere/persona_engine")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_data_folder() == Path.home() / ".local" / "share" / "persona_engine"
