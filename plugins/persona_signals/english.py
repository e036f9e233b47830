"""Tells English from other languages by its function words."""

from __future__ import annotations

import re

from persona_signals.lexicon import words_of

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ENGLISH = words_of("english")
_OTHERS = words_of("other_languages")


def is_english(text: str) -> bool:
    """Whether a text reads as English; a text of one or two unknown words does.

    Examples:
        >>> is_english("from now on use metric"), is_english("a partir de ahora, usa el sistema")
        (True, False)
    """
    letters = [each for each in text if each.isalpha()]
    if sum(each < "ɐ" for each in letters) < 0.8 * len(letters):  # not the Latin script
        return False
    words = [word.casefold().replace("’", "'") for word in _WORD.findall(text)]
    english = sum(word in _ENGLISH for word in words)
    others = sum(word in _OTHERS for word in words)
    if others > english:
        return False
    return english > 0 or len(words) < 3
