"""Kind, strength and scope of a wish, from its words."""

from __future__ import annotations

import re

from persona_engine.types import InstructionKind, Strength
from persona_signals.cues import DURABLE

_FORMAT = re.compile(
    r"\b(?:bullets?(?: points?)?|tables?|markdown|headings?|headers?|lists?|emojis?|bold|"
    r"italics?|code ?blocks?|plain text|"
    r"json|html|latex|numbered|paragraphs?|sentences?|words or less|\d+ words|under \w+(?: "
    r"\w+)? (?:words|lines|sentences)|lines|lowercase|uppercase|"
    r"capitals?|caps|semicolons?|commas|exclamation marks?|dashes|short|shorter|brief|concise|"
    r"long|longer|length|tl;?dr|"
    r"summary (?:at|first)|one-liners?|hashtags?|24[- ]hour|dates? as|font|columns?|step by "
    r"step|steps)\b",
    re.IGNORECASE,
)
_MUST = re.compile(
    r"\b(?:never|always|must|don't|do not|ever|stop|quit|no more|allerg\w*|coeliac|celiac|"
    r"under no circumstances|without exception|"
    r"need you to|make sure|every (?:time|single|answer|reply)|only|hate|can't stand|strictly|"
    r"have to|refrain|enough with|from now on|no)\b",
    re.IGNORECASE,
)
_MILD = re.compile(
    r"\b(?:prefer\w*|would like|i'd like|i like|rather|ideally|if possible|try to|when you can|"
    r"appreciate|would be (?:great|nice|good)|"
    r"it'd be|not a fan|don't like|do not like|a bit|i enjoy|i love|usually|tend to|go-to|"
    r"would help|helps|favou?rite|mind if)\b",
    re.IGNORECASE,
)
_CONSTRAINT = re.compile(
    r"\b(?:never|don't|do not|ever|stop|quit|no|avoid|without|only|refrain|leave out|skip|not|"
    r"enough with|"
    r"at most|no more|under|keep off|stay away|drop)\b",
    re.IGNORECASE,
)
_ASKED = r"(?:when(?:ever)?|if|any ?time|every time|each time|in case|unless|once)"
_ASKING = re.compile(r"\bask(?:ing)?(?: me)? $", re.IGNORECASE)
_TASTE = re.compile(
    r"\b(?:prefer\w*|i (?:\w+ ){0,2}(?:like|love|hate|dislike|enjoy|despise|detest)|can't "
    r"stand|favou?rite|"
    r"not (?:a (?:big )?fan of|into|keen on)|go-to|rather)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(
    rf"^(?P<scope>{_ASKED}\s[^,;:]{{3,80}}?|(?:for|in|with|on|when it comes to)\s(?!me\b|now\b|"
    rf"future\b)[^,;:]{{2,50}}?)\s*[,:]\s",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    rf"\s(?P<scope>{_ASKED}\s(?:i|we|you|it|the|talking|writing|giving|suggesting|recommending|"
    rf"booking|planning|coding|using)\b[^,;.!?]{{2,80}})[.!?]*$",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"^(?P<scope>{_ASKED}\s(?:i|we|you|it)\s.{{3,60}}?)\s(?=(?:please|always|never|don't|do "
    rf"not|use|give|keep|be|look|check|"
    r"pick|show|include|add|just|only|say|tell|start|answer|explain|make|put|write|stick|avoid|"
    r"stay|skip|list|ask)\b)",
    re.IGNORECASE,
)


def scope_of(plain: str) -> str:
    """Return when a wish applies, in its own words; empty for always.

    Examples:
        >>> scope_of("If I ask for flights, also look at buses.")
        'if I ask for flights'
        >>> scope_of("Show every step when you explain maths")
        'when you explain maths'
        >>> scope_of("For all my questions, use metric units.")
        ''
    """
    for pattern in (_LEADING, _BARE, _TRAILING):
        found = pattern.search(plain)
        if found is None:
            continue
        scope = re.sub(r" (?:i|we)$", "", found["scope"].strip(" .,!?"), flags=re.IGNORECASE)
        if _ASKING.search(plain[: found.start("scope")]):
            continue
        general = DURABLE.match(scope) and not re.match(rf"{_ASKED}|when it", scope, re.IGNORECASE)
        if not general and not re.match(
            r"(?:when|if) (?:possible|necessary|you can|you don't mind|that's ok\w*)\b|if it's",
            scope,
            re.IGNORECASE,
        ):
            return scope[0].lower() + scope[1:]
    return ""


def kind_of(plain: str, *, is_fact: bool) -> InstructionKind:
    """Return the sort of wish: ``format`` where it is about a reply's form or length.

    Examples:
        >>> kind_of("never use bullet points", is_fact=False)
        'format'
        >>> kind_of("don't recommend seafood", is_fact=False)
        'constraint'
        >>> kind_of("i'd prefer trains", is_fact=False)
        'preference'
    """
    if is_fact:
        return "preference" if _TASTE.search(plain) else "fact"
    if _FORMAT.search(plain):
        return "format"
    if _CONSTRAINT.search(plain) and not _MILD.search(plain):
        return "constraint"
    return "preference"


def strength_of(plain: str) -> Strength:
    """Return ``must`` for what is said firmly.

    Examples:
        >>> strength_of("never call me sir"), strength_of("i'd rather you called me Al")
        ('must', 'prefer')
    """
    return "must" if _MUST.search(plain) and not _MILD.search(plain) else "prefer"
