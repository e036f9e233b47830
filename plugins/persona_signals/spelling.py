"""Short forms and common slips, in full."""

from __future__ import annotations

import re

_EXPANSIONS = tuple(
    (re.compile(rf"\b(?:{short})\b", re.IGNORECASE), full)
    for short, full in (
        ("dont", "don't"),
        ("doesnt", "doesn't"),
        ("cant", "can't"),
        ("wont", "won't"),
        ("isnt", "isn't"),
        ("didnt", "didn't"),
        ("arent", "aren't"),
        ("im", "i'm"),
        ("ive", "i've"),
        ("id (?=like|rather|prefer|appreciate)", "i'd "),
        ("thats", "that's"),
        ("youre", "you're"),
        ("ur", "your"),
        ("u", "you"),
        ("r", "are"),
        ("pls|plz|plss", "please"),
        ("alwyas|alwasy|allways|alway", "always"),
        ("nver|nevr", "never"),
        ("form now on|fron now on", "from now on"),
        ("wanna", "want to"),
        ("gonna", "going to"),
        ("gotta", "have to"),
        ("thx|ty", "thanks"),
        ("whats", "what's"),
        ("wouldnt", "wouldn't"),
        ("shouldnt", "shouldn't"),
        ("couldnt", "couldn't"),
        ("plase|pleas", "please"),
        ("everytime", "every time"),
        ("anytime", "any time"),
        ("prefere|perfer", "prefer"),
        ("stpo", "stop"),
        ("names(?= [a-z]+$)", "name's"),
        ("w/o", "without"),
        ("bcs|bc|cuz", "because"),
        ("rember|remeber|rememeber", "remember"),
    )
)


def normalise(text: str) -> str:
    """Return a sentence with straight apostrophes, single spaces and common short forms in full.

    Examples:
        >>> normalise("pls dont use emojis,  im serious")
        "please don't use emojis, i'm serious"
    """
    plain = re.sub(r"\s+", " ", text.replace("’", "'").replace("‘", "'")).strip()
    for pattern, full in _EXPANSIONS:
        plain = pattern.sub(full, plain)
    return plain
