"""Checks the settings of decoders."""

from __future__ import annotations

from persona_engine.errors import ConfigError


def check_setting(name: str, value: object, holds: bool, expected: str) -> None:
    """Raise unless a setting is as it should be.

    Args:
        name: Of the setting.
        value: What was given.
        holds: Whether it can be used.
        expected: What can be, in words.

    Raises:
        ConfigError: It cannot be used.

    Examples:
        >>> check_setting("keep", 0, 1 <= 0, "1 or more")
        Traceback (most recent call last):
        persona_engine.errors.ConfigError: keep is 0, expected 1 or more
    """
    if not holds:
        raise ConfigError(f"{name} is {value!r}, expected {expected}")
