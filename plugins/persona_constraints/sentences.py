"""Sentences and words as IFEval's checker sees them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

_CONTRACTIONS = re.compile(
    r"\b(can)(not)\b|\b(d)('ye)\b|\b(gim)(me)\b|\b(gon)(na)\b|\b(got)(ta)\b|\b(lem)(me)\b"
    r"|\b(more)('n)\b|\b(wan)(na)(?=\s)",
    re.IGNORECASE,
)
# In this order, what stands inside or after a word of the Penn Treebank is set apart from it.
_SET_APART = (
    (re.compile(r"[«“‘„`]"), r" \g<0> "),
    (re.compile(r"'(?!re|ve|ll|m|t|s|d|n)(\w)\b", re.IGNORECASE), r"' \1"),
    (re.compile(r"([^.])(\.)([\])}>\"'»”’ ]*)\s*$"), r"\1 \2 \3 "),
    (re.compile(r"[:,](?=\D)"), r" \g<0> "),
    (re.compile(r"[:,]$"), r" \g<0> "),
    (re.compile(r"\.{2,}|[;@#$%&?!*\][(){}<>»”’\"]|--|''"), r" \g<0> "),
)
_CLITIC = re.compile(r"([^' ])('s|'m|'d|'ll|'re|'ve|n't|') ", re.IGNORECASE)


class _Splitter(Protocol):
    def tokenize(self, text: str) -> list[str]: ...


@lru_cache(maxsize=1)
def _splitter() -> _Splitter:
    import punkt

    return punkt.PunktSentenceTokenizer(punkt.load_model("english"))


def split_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences, as Punkt splits them (Kiss & Strunk 2006), with its English model.

    Examples:
        >>> split_sentences("Dr. Smith went home. He was tired!")
        ('Dr. Smith went home.', 'He was tired!')
    """
    return tuple(_splitter().tokenize(text))


def split_words(text: str) -> list[str]:
    r"""Return the words: runs of ``\w``, so that "don't" is two, as in IFEval."""
    return re.findall(r"\w+", text)


def split_tokens(text: str) -> list[str]:
    """Return tokens after the conventions of the Penn Treebank: hyphens join, clitics are apart.

    Examples:
        >>> split_tokens("I CANNOT go (NASA-LED).")
        ['I', 'CAN', 'NOT', 'go', '(', 'NASA-LED', ')', '.']
    """
    tokens: list[str] = []
    for sentence in split_sentences(text):
        spaced = sentence
        for pattern, replacement in _SET_APART:
            spaced = pattern.sub(replacement, spaced)
        spaced = _CLITIC.sub(r"\1 \2 ", f" {spaced} ")
        spaced = _CONTRACTIONS.sub(lambda m: " ".join(filter(None, m.groups())), spaced)
        tokens.extend(spaced.split())
    return tokens
