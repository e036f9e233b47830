"""Checks of standing instructions that a program can verify."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_SENTENCE_END = re.compile(r"[.!?]+[\"'”’)*]*(?:\s+|$)")


def is_one_sentence(text: str) -> bool:
    r"""Return whether a text is a single sentence on a single line.

    Examples:
        >>> [is_one_sentence(text) for text in ("Rest well.", "Rest. Run.", "- rest\n- run", "")]
        [True, False, False, False]
    """
    stripped = text.strip()
    inner = [end for end in _SENTENCE_END.finditer(stripped) if end.end() < len(stripped)]
    return bool(stripped) and "\n" not in stripped and not inner


CHECKS: Mapping[str, Callable[[str], bool]] = {"one_sentence": is_one_sentence}
