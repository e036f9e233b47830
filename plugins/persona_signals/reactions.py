"""Reads satisfaction and dissatisfaction from follow-ups."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import get_args

import numpy as np

from persona_engine.interfaces import Embed
from persona_engine.types import Conversation, FloatArray, Reaction
from persona_engine.types.listening import ReactionKind
from persona_signals.classifier import Classifier
from persona_signals.features import grams, words
from persona_signals.sentences import Sentence, sentences_of
from persona_signals.spelling import normalise

SATISFIED = frozenset({"gratitude", "praise", "learning", "compliance", "getting_there"})
REACTION_CLASSES: tuple[str, ...] = ("none", *get_args(ReactionKind))
_LONGEST = 25
_READ = 2
_REPEATED = 0.75
_CUES = {
    "thanks": r"\b(?:thanks?|thx|ty|cheers|appreciate\w*|grateful)\b",
    "good": r"\b(?:great|perfect|awesome|amazing|excellent|brilliant|love|nice|lovely|"
    r"wonderful|fantastic|beautiful|exactly|spot on|nailed)\b",
    "bad": r"\b(?:terrible|awful|useless|bad|horrible|rubbish|garbage|stupid|ridiculous|"
    r"nonsense|hate|lazy|disappoint\w*|frustrat\w*|worse|worst)\b",
    "wrong": r"\b(?:wrong|incorrect|false|mistake|error|not (?:true|right|correct)|isn'?t "
    r"(?:true|right|correct)|inaccurate|made (?:that|it) up|doesn'?t exist)\b",
    "not_asked": r"\b(?:not what|isn'?t what|i (?:asked|said|meant|told you)|already (?:said|"
    r"told|asked)|you (?:ignored|forgot|missed|skipped|left out))\b",
    "works": r"\b(?:works?|worked|fixed|solved|did the trick|runs)\b",
    "works_not": r"\b(?:doesn'?t|does not|didn'?t|did not|still|not|won'?t) (?:\w+ "
    r")?(?:work\w*|help\w*|run\w*|broken|fail\w*)\b",
    "better": r"\b(?:better|closer|almost|nearly|improvement|getting there|warmer)\b",
    "see": r"\b(?:i see|makes sense|understand now|got it|good to know|didn'?t know|never knew|"
    r"clears? (?:it|that|things) up|learned|interesting|aha|ah+)\b",
    "too": r"\b(?:too|way too|so many|too much|too many)\b",
    "vague": r"\b(?:vague|generic|specific|detail\w*|deeper|shallow|concrete|elaborate)\b",
    "again": r"\b(?:again|redo|rewrite|rephrase|retry|try|instead|change|make it|take out|"
    r"remove)\b",
    "no": r"^(?:no|nope|nah|not)\b",
    "question": r"\?\s*$",
}
_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _CUES.items()}
# Something judged, but not the reply: "my boss said it was great", "the film was terrible".
_ELSEWHERE = re.compile(
    r"^(?:(?:and|but|so|oh)\W+)*(?:my|our|his|her|their) (?!question)\w+\b|^(?:(?:and|but|"
    r"so)\W+)*(?:he|she|they|we)\b|"
    r"^i (?:just |really |also |always )*(?:love|hate|like|want|need|have|am|was|lost|bought|"
    r"went)\b(?! (?:it|this|that|how|the way|your)\b)|"
    r"^i'm\b(?! (?:confused|not (?:sure|happy|satisfied)|disappointed|happy|impressed))|"
    r"^the (?:film|movie|book|food|weather|hotel|song|show|game|match)\b",
    re.IGNORECASE,
)
_CONTENT = re.compile(r"[a-z]{4,}|\d+")


def reaction_cues(texts: Sequence[str]) -> tuple[tuple[str, ...], FloatArray]:
    """Return the names of the cues and their values, ``(n, cues)``."""
    rows = [
        [*(bool(each.search(plain)) for each in _PATTERNS.values()), len(plain.split()) <= 4]
        for plain in map(normalise, texts)
    ]
    names = (*_PATTERNS, "short")
    return names, np.asarray(rows, np.float32).reshape(-1, len(names))


def reaction_grams(text: str) -> set[str]:
    """Return the runs of one and two words."""
    return grams(words(normalise(text)), longest=2)


def reactions_of(
    conversation: Conversation,
    turns: Sequence[int],
    *,
    classifier: Classifier,
    embed: Embed,
    threshold: float,
) -> tuple[Reaction, ...]:
    """Return what the follow-ups among the person's turns say, in order.

    Args:
        conversation: All messages.
        turns: Positions of the person's own turns.
        classifier: Of `REACTION_CLASSES`.
        embed: The sentence encoder.
        threshold: Least probability of a reaction.
    """
    follow_ups = [turn for turn in turns if _follows_a_reply(conversation, turn)]
    read = [(turn, each) for turn in follow_ups for each in _opening(conversation[turn]["content"])]
    judged = _judge([each for _, each in read], classifier, embed)
    found: dict[int, Reaction] = {}
    for (turn, _), row in zip(read, judged, strict=True):
        reaction = _reaction(turn, row, threshold)
        if reaction is not None and (
            turn not in found or reaction.probability > found[turn].probability
        ):
            found[turn] = reaction
    for before, turn in itertools.pairwise(turns):
        if turn in follow_ups and turn not in found:
            repeated = _overlap(conversation[before]["content"], conversation[turn]["content"])
            if repeated >= _REPEATED:
                found[turn] = Reaction(turn, False, "ignored", round(0.5 + 0.4 * repeated, 4))
    return tuple(found[turn] for turn in sorted(found))


def _follows_a_reply(conversation: Conversation, turn: int) -> bool:
    return any(message["role"] == "assistant" for message in conversation[:turn])


def _opening(message: str) -> list[str]:
    """Return the sentences in which a follow-up would judge the reply."""
    own: tuple[Sentence, ...] = sentences_of(message, replied=True)[:_READ]
    return [
        each.frame
        for each in own
        if len(each.frame.split()) <= _LONGEST and not _ELSEWHERE.search(normalise(each.frame))
    ]


def _judge(texts: Sequence[str], classifier: Classifier, embed: Embed) -> FloatArray:
    if not texts:
        return np.zeros((0, len(classifier.classes)), np.float32)
    _, cues = reaction_cues(texts)
    return classifier.probabilities(cues, [reaction_grams(each) for each in texts], embed(texts))


def _reaction(turn: int, row: FloatArray, threshold: float) -> Reaction | None:
    """Return the likelier side, with its likeliest category."""
    shares = dict(zip(REACTION_CLASSES, row.tolist(), strict=True))
    sides = {
        side: sum(p for name, p in shares.items() if name != "none" and (name in SATISFIED) == side)
        for side in (True, False)
    }
    side = sides[True] >= sides[False]
    if sides[side] < threshold:
        return None
    kinds = [name for name in get_args(ReactionKind) if (name in SATISFIED) == side]
    kind = max(kinds, key=lambda name: shares[name])
    return Reaction(turn, side, kind, min(1.0, sides[side]))


def _overlap(before: str, after: str) -> float:
    """Return how much two messages share of their content words; 0 for short ones."""
    one, two = (set(_CONTENT.findall(each.casefold())) for each in (before, after))
    if min(len(one), len(two)) < 3:
        return 0.0
    return len(one & two) / len(one | two)
