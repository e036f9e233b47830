"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""``progress(what, done, total)``: called now and then by long work."""


def no_progress(what: str, done: int, total: int) -> None:
    """Report to nobody."""
