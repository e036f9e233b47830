"""Rules about what a program can see in a reply: length, lists, emoji, hedging, spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_principles import patterns
from persona_principles.candidates import Candidate, both_ways
from persona_principles.choices import Choices


@dataclass(frozen=True, slots=True)
class Measure:
    """How much of something a reply has, and the rules for less and for more of it.

    Args:
        low: The rule for less.
        high: The rule for more.
        of: Measures a reply.
        least: Smaller differences between two replies say nothing.
    """

    low: str
    high: str
    of: Callable[[str], float]
    least: float


def surface_candidates(choices: Choices) -> list[Candidate]:
    """Return two rules for each measure."""
    texts = [text for each in choices.pairs for text in (each.chosen, each.rejected)]
    measured = _measured(texts)  # (2d, measures)
    apart = measured[0::2] - measured[1::2]
    found: list[Candidate] = []
    for place, each in enumerate(MEASURES):
        found += both_ways(each.low, each.high, apart[:, place], each.least)
    return found


def _measured(texts: Sequence[str]) -> NDArray[np.float64]:
    once = {text: [each.of(text) for each in MEASURES] for text in dict.fromkeys(texts)}
    return np.array([once[text] for text in texts], np.float64).reshape(-1, len(MEASURES))


def _words(text: str) -> int:
    return max(len(patterns.WORD.findall(text)), 1)


def _log_words(text: str) -> float:
    return float(np.log(_words(text)))


def _log_sentence(text: str) -> float:
    return float(np.log(_words(text) / max(len(patterns.SENTENCE_END.findall(text.strip())), 1)))


def _word_length(text: str) -> float:
    words = patterns.WORD.findall(text)
    return float(np.mean([len(each) for each in words])) if words else 0.0


def _paragraphs(text: str) -> float:
    return float(np.log(max(len([p for p in re.split(r"\n\s*\n", text.strip()) if p.strip()]), 1)))


def _spelling(text: str) -> float:
    american = len(patterns.AMERICAN.findall(text)) - len(patterns.BRITISH.findall(text))
    return float(np.sign(american))


def _has(pattern: re.Pattern[str], *, times: int = 1) -> Callable[[str], float]:
    return lambda text: float(len(pattern.findall(text)) >= times)


def _rate(pattern: re.Pattern[str]) -> Callable[[str], float]:
    """Return occurrences in a hundred words, as if every reply had ten words of silence more."""
    return lambda text: 100.0 * len(pattern.findall(text)) / (_words(text) + 10)


MEASURES: tuple[Measure, ...] = (
    Measure("Keep replies short.", "Give long, thorough replies.", _log_words, np.log(1.25)),
    Measure("Use short sentences.", "Use long sentences.", _log_sentence, np.log(1.3)),
    Measure(
        "Use short, common words.",
        "Use precise, learned words.",
        _word_length,
        0.35,
    ),
    Measure(
        "Keep a reply in one paragraph.",
        "Break replies into several paragraphs.",
        _paragraphs,
        np.log(1.9),
    ),
    Measure(
        "Write in prose, without bullet points or numbered lists.",
        "Use bullet points or numbered lists.",
        _has(patterns.LIST_ITEM, times=2),
        1.0,
    ),
    Measure(
        "Do not use headings or bold text.",
        "Use headings or bold text.",
        _has(patterns.MARKDOWN),
        1.0,
    ),
    Measure("Do not use tables.", "Use tables.", _has(patterns.TABLE_ROW, times=2), 1.0),
    Measure("Leave out code.", "Show code.", _has(patterns.CODE), 1.0),
    Measure("Do not use emoji.", "Use emoji.", _has(patterns.EMOJI), 1.0),
    Measure(
        "Do not use exclamation marks.",
        "Write with enthusiasm and exclamation marks.",
        _rate(patterns.EXCLAMATION),
        0.8,
    ),
    Measure(
        "Do not end with a question.",
        "End with a question to me.",
        _has(patterns.FINAL_QUESTION),
        1.0,
    ),
    Measure(
        "Leave out numbers where words will do.",
        "Give concrete numbers.",
        _rate(patterns.NUMBER),
        1.5,
    ),
    Measure("Leave out prices.", "Mention prices.", _has(patterns.PRICE), 1.0),
    Measure(
        'Speak in general terms rather than to "you".',
        'Address me directly as "you".',
        _rate(patterns.SECOND_PERSON),
        2.0,
    ),
    Measure(
        "Do not write in the first person.",
        "Write in the first person.",
        _rate(patterns.FIRST_PERSON),
        1.0,
    ),
    Measure(
        "State things plainly, without hedging.",
        "Say how sure you are, and hedge what is uncertain.",
        _rate(patterns.HEDGE),
        1.2,
    ),
    Measure(
        "Skip courtesies such as please and thank you.",
        "Be polite: say please and thank you.",
        _has(patterns.COURTESY),
        1.0,
    ),
    Measure(
        "Start with the answer, without a pleasantry.",
        "Open with a friendly word before the answer.",
        _has(patterns.PLEASANTRY),
        1.0,
    ),
    Measure(
        "Write words out in full, without contractions.",
        "Write casually, with contractions.",
        _rate(patterns.CONTRACTION),
        1.2,
    ),
    Measure("Use British spelling.", "Use American spelling.", _spelling, 1.0),
    Measure("Leave out examples.", "Give examples.", _has(patterns.EXAMPLE), 1.0),
    Measure("Leave out comparisons.", "Explain with comparisons.", _has(patterns.ANALOGY), 1.0),
    Measure("Leave out links and sources.", "Give sources or links.", _has(patterns.SOURCE), 1.0),
    Measure(
        "Leave out warnings.",
        "Point out risks and what to avoid.",
        _rate(patterns.WARNING),
        1.2,
    ),
    Measure("Leave out reasons.", "Give the reasons.", _rate(patterns.REASON), 1.2),
    Measure(
        "Recommend one thing rather than several.",
        "Offer alternatives.",
        _has(patterns.ALTERNATIVE),
        1.0,
    ),
)
