"""Lengths of time as people write them: ``30m``, ``12h``, ``90d``."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def long_of(text: str) -> timedelta | None:
    """Return a length of time, or None for what is none.

    Examples:
        >>> long_of("12h"), long_of("soon")
        (datetime.timedelta(seconds=43200), None)
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})
