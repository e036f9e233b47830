"""Checks of standing instructions that a program can verify."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_NUMBERED = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)


def is_numbered_list(text: str) -> bool:
    r"""Return whether a text has at least two numbered lines.

    Examples:
        >>> is_numbered_list("1. Rest.\n2. Run."), is_numbered_list("Rest, then run.")
        (True, False)
    """
    return len(_NUMBERED.findall(text)) >= 2


CHECKS: Mapping[str, Callable[[str], bool]] = {"numbered_list": is_numbered_list}
