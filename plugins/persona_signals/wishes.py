"""Reads standing wishes and lasting facts from the person's own sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

from persona_engine.interfaces import Embed
from persona_engine.types import Conversation, Wish
from persona_signals.candidates import Candidate, candidate_of, cue_matrix, gram_sets
from persona_signals.classifier import Classifier
from persona_signals.cues import CREATIVE, DURABLE, LEAVES_PLAY, ROLE_PLAY
from persona_signals.describe import kind_of, scope_of, strength_of
from persona_signals.rewrite import instruction_text
from persona_signals.sentences import sentences_of

_STARTS_DURABLE = re.compile(
    r"^\W*(?:(?:and|also|but|oh|ok|please|btw)\W+)*(?:from (?:now|here) on|going forward|in "
    r"(?:the )?future|as a rule|by default|whenever|every time)\b.*\b(?:you|your|me|my)\b",
    re.IGNORECASE,
)
_ASKS_FOR = re.compile(
    r"^\W*(?:how about|what about|is it (?:ok|okay|possible|too much)|may i|can we (?:make|"
    r"agree|keep|stick)|any chance|could i "
    r"(?:get|have|ask)|can i (?:get|have|ask))\b",
    re.IGNORECASE,
)
_THING = (
    r"(?:chat ?)?(?:bot|app|assistant|agent|model|program|script|website|function|"
    r"system|server|api|code|parser|query|hero|heroine|character|narrator|"
    r"protagonist|villain)"
)
_INSTRUCTS_OTHERS = re.compile(
    r"\b(?:tell|ask|remind|warn|instruct|teach|convince|get|persuade) (?!me\b|you\b|us\b|for\b|"
    r"about\b|if\b)(?:my|the|our|his|her|him|them|people|everyone|\w+s)\b.*\b(?:to|that|not)\b|"
    r"\bas the \w+ (?:goes|says?)\b|"
    rf"\b(?:my|the|our|a|an|this) (?:\w+ )?{_THING}s?\b.{{0,40}}\b(?:to|should|must|always|"
    rf"never|that|which|will|has|needs|can)\b",
    re.IGNORECASE,
)
_LEAST_WORDS = 2  # beside what says how long
_STARTS_HABIT = re.compile(
    r"^\W*(?:(?:and|also|but|oh|ok|please|btw)\W+)*(?:from (?:now|here) on|going forward|"
    r"in (?:the )?future|as a rule|by default|(?:when(?:ever)?|if|any ?time|every ?time|each "
    r"time) (?:you|i)\b)",
    re.IGNORECASE,
)
_ACTION = re.compile(r"(?:^|\s)\*[a-z][^*\n]{2,80}\*", re.IGNORECASE)
_RULE_FOLLOWS = re.compile(
    r"\bso,? (?:please|you|never|always|don't|do not|keep|make sure|no|avoid|leave|only)\b",
    re.IGNORECASE,
)


def wishes_of(
    conversation: Conversation,
    turns: Sequence[int],
    *,
    classifier: Classifier,
    embed: Embed,
    threshold: float,
) -> tuple[Wish, ...]:
    """Return the wishes in the person's turns, in order.

    Args:
        conversation: All messages.
        turns: Positions of the person's own turns.
        classifier: Of ``none``, ``wish`` and ``fact``.
        embed: The sentence encoder; asked for sentences that may be wishes, and no others.
        threshold: Least probability of a wish.
    """
    placed = [
        (turn, candidate)
        for turn in _out_of_play(conversation, turns)
        for candidate in _candidates(conversation, turn)
    ]
    if not placed:
        return ()
    candidates = [candidate for _, candidate in placed]
    judged = classifier.probabilities(
        cue_matrix(candidates),
        gram_sets(candidates),
        embed([each.plain for each in candidates]),
    )
    order = {name: n for n, name in enumerate(classifier.classes)}
    return tuple(
        _wish(
            turn, candidate, float(1 - row[order["none"]]), row[order["fact"]] > row[order["wish"]]
        )
        for (turn, candidate), row in zip(placed, judged, strict=True)
        if 1 - row[order["none"]] >= threshold
    )


def _out_of_play(conversation: Conversation, turns: Sequence[int]) -> list[int]:
    """Return the turns in which the person speaks for themselves."""
    kept, playing = [], False
    for turn in turns:
        message = conversation[turn]["content"]
        if LEAVES_PLAY.search(message):
            playing = False
        elif any(ROLE_PLAY.search(each.frame) for each in sentences_of(message)):
            playing = True
        if not playing and not _ACTION.search(message):
            kept.append(turn)
    return kept


def _candidates(conversation: Conversation, turn: int) -> list[Candidate]:
    found = []
    replied = any(message["role"] == "assistant" for message in conversation[:turn])
    for sentence in sentences_of(conversation[turn]["content"], replied=replied):
        candidate = candidate_of(sentence)
        if candidate is not None and not _is_ruled_out(candidate):
            found.append(candidate)
    return found


def _is_ruled_out(candidate: Candidate) -> bool:
    """Whether the sentence can't be the person's own standing wish, whatever its words."""
    cues, plain = candidate.cues, candidate.plain
    says_nothing = len(DURABLE.sub(" ", plain).split()) < _LEAST_WORDS
    if says_nothing or cues["heads_list"] or cues["hypothetical"]:
        return True
    standing = _STARTS_HABIT if CREATIVE.search(plain) else _STARTS_DURABLE
    if cues["creative"] and not standing.match(plain):
        return True
    if cues["asks"] and not (_ASKS_FOR.match(plain) and (cues["durable"] or cues["always"])):
        return True
    if _INSTRUCTS_OTHERS.search(plain):
        return True
    if cues["others"]:
        return not (_RULE_FOLLOWS.search(plain) or (cues["durable"] and cues["reply_habit"]))
    return cues["one_off"] and not (cues["durable"] or cues["always"] or cues["never"])


def _wish(turn: int, candidate: Candidate, probability: float, is_fact: bool) -> Wish:
    quote = candidate.sentence.text
    kind = kind_of(candidate.plain, is_fact=is_fact)
    text = instruction_text(quote, is_fact=is_fact)
    return Wish(
        text=text,
        quote=quote,
        turn=turn,
        probability=min(1.0, max(0.0, probability)),
        kind=kind,
        strength=strength_of(candidate.plain),
        scope="" if is_fact else scope_of(text.rstrip(".")),
    )
