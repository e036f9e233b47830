"""Finds texts that a person hands over, by how they introduce them."""

from __future__ import annotations

import re

from persona_signals.lexicon import alternatives

_TEXT, _PROCESS = alternatives("texts"), alternatives("process")
_EDIT, _REVIEW, _SAYS = alternatives("edit"), alternatives("review"), alternatives("says")
_THIS = r"(?:this|these|the following)"
_DEICTIC = r"(?:this|these|the following|following|the next|below|attached|here(?:['’]s| is| are))"
_ON = r"[^.!?:\n]"  # anything within the sentence
_DASH = r"\s[-–—]\s"


def _patterns(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(each, re.IGNORECASE) for each in patterns)


# After any of these the message is a text that was handed over.
_HANDS_OVER = _patterns(
    # "translate this into Dutch. …", "summarise the article: …"
    rf"\b{_PROCESS}\b{_ON}{{0,60}}\b{_DEICTIC}\b{_ON}{{0,60}}(?:[.!?:]+|\n|{_DASH})",
    rf"\b{_PROCESS}\b{_ON}{{0,80}}[.!?]?[ \t]*[:\n]",
    # "fix this: …", "make my letter kinder\n…"
    rf"\b{_EDIT}\b{_ON}{{0,60}}\b{_DEICTIC}\b{_ON}{{0,60}}[.!?]?[ \t]*(?:[:\n]|{_DASH})",
    rf"\b{_EDIT}\b{_ON}{{0,40}}\b{_TEXT}\b{_ON}{{0,40}}[.!?]?[ \t]*[:\n]",
    # "what does this mean? …", "is this advert fair? …", "is this spam?\n…"
    rf"\b(?:what (?:do|does|did|is|are|was) |what['’]s ){_THIS}\b{_ON}{{0,60}}[.!?:\n]",
    rf"\b(?:is|are|does|do|was)\b{_ON}{{0,15}}\b{_THIS}\b(?: [\w-]+){{0,2}} "
    rf"{_TEXT}\b{_ON}{{0,60}}[.!?:\n]",
    rf"\b(?:is|are|does) {_THIS}\b{_ON}{{0,60}}(?:\?[ \t]*\n|:|\?\s+(?=[\"“‘']))",
    rf"\b(?:is|are) the following\b{_ON}{{0,60}}[.!?:\n]",
    # "send this to Bob: …", "text my wife: …"
    rf"\b(?:send|text|post|tweet|forward|e-?mail|message|tell)\b(?! me\b){_ON}{{0,40}}(?::|"
    rf"{_DASH})",
)
# These too, where no reply came before that they could be about.
_OPENS = _patterns(
    rf"\b{_REVIEW}\b{_ON}{{0,30}}\b(?:this|these|my|our|"
    rf"the)\b{_ON}{{0,40}}\b{_TEXT}\b{_ON}{{0,40}}[.!?]",
    rf"\b{_REVIEW}\b {_THIS}\b{_ON}{{0,40}}[.!?]",
    rf"\b(?:does|is|are|do) {_THIS}\b{_ON}{{0,60}}\?",
    rf"\bmake {_THIS}\b{_ON}{{0,40}}[.!?]",
)
# These too, unless the person speaks of themselves: "here are my rules: …".
_INTRODUCES = _patterns(
    # "here's an email I got. …", "this is my draft:\n…", "I received a letter. …"
    rf"\b(?:here(?:['’]s| is| are)|below (?:is|"
    rf"are))\b{_ON}{{0,50}}\b{_TEXT}\b{_ON}{{0,60}}[.!?:\n]",
    rf"\b(?:here(?:['’]s| is| are)|this is|these are)\b{_ON}{{0,60}}:",
    rf"\bthe following (?:is|are)\b{_ON}{{0,60}}[.:\n]",
    rf"\b(?:(?:this|that|these) (?:is|was|are)|"
    rf"have)\b{_ON}{{0,50}}\b{_TEXT}\b{_ON}{{0,60}}[.!?]?[ \t]*[:\n]",
    rf"\b(?:got|received|found|saw|read|sent|wrote|copied)\b(?! your){_ON}{{0,50}}\b(?<!your "
    rf"){_TEXT}\b{_ON}{{0,60}}[.!?:\n]",
    # "my boss wrote: …", "our club rule: …", "here is what she said\n…"
    rf"(?<!\bi )(?<!\byou )\b{_SAYS}\b{_ON}{{0,30}}:",
    rf"\b(?:here(?:['’]s| is)|this is) what\b{_ON}{{0,60}}[:\n]",
    rf"\b{_TEXT}\b{_ON}{{0,30}}:(?=\s)",
    rf"\b(?:fill in|finish|complete|continue|note to|forwarded|website|source)\b{_ON}{{0,40}}:",
    r"(?:^|\n|[.!?]\s)\W*(?:original|english|french|spanish|german|italian|before|after|"
    r"version|input|"
    r"output|old|new|target|sample|example|question|title|body)(?: \w+)?:",
    r"(?:^|\n|[.!?]\s)(?-i:[A-Z]{4,}):\s",
)
_ABOUT_ME = re.compile(
    r"\b(?:about (?:me|myself)|my (?:\w+ )?(?:rules?|preferences?|wishes|wish|requests?|"
    r"instructions?|name|style)|from now on|"
    r"going forward|(?:for|in) (?:the )?future|rule number \w+|from here on|keep in mind|"
    r"(?:notes?|rules?|requests?) "
    r"(?:for|to) you|"
    r"(?:one|two|three|four|a few|some|quick|standing|general|ground|house) (?:quick |small |"
    r"more )?(?:rules?|notes?|things?|requests?)|"
    r"(?:your|all) (?:answers|replies|responses)|i (?:want|prefer|hate|like)|(?:for|to) "
    r"remember)\b|^\W*(?:rules?|notes?|ps|p\.s\.)\W*$",
    re.IGNORECASE,
)
_HABIT = re.compile(
    r"\b(?:whenever|every ?time|each time|any ?time|always|from now on|going forward|"
    r"in (?:the )?future)\b",
    re.IGNORECASE,
)
# The whole message is a game: "I'm always hungry and I never sleep. What am I?"
_GAME = re.compile(
    r"\b(?:what am i|who am i|two truths|never have i ever|would you rather|solve (?:this|the) "
    r"riddle)\b",
    re.IGNORECASE,
)
# "…\n\nCan you translate the above?": what stands before is the text.
_PASTE_BEFORE = re.compile(
    rf"\bthe above\b|\babove {_TEXT}\b|\btl;?dr\b|{_PROCESS}[^.!?\n]{{0,30}}\b(?:this|that|it|"
    rf"the)\b|\bsum (?:this|that|it) up\b"
    rf"|\b(?:this|that|the|it)\b[^.!?\n]{{0,20}}\b(?:e-?mail|mail|message|text|letter|article|"
    rf"review|passage|document|transcript|"
    rf"prompt|tweet|post|abstract|excerpt|quote|lyrics|memo|announcement|speech|note|bot|poem|ad)\b"
    rf"|^\W*(?:this|that) (?:is|was) (?:the|a|an|from)\b|\bwhat (?:does|did|do) (?:this|that|"
    rf"it|he|she|they) (?:mean|want|say)\b",
    re.IGNORECASE,
)


def handed_over(text: str, *, replied: bool) -> list[tuple[int, int]]:
    """Return the spans of a message that are texts which the person handed over.

    Args:
        text: The message.
        replied: Whether a reply came before that "this" may mean.
    """
    if _GAME.search(text):
        return [(0, len(text))]
    spans = []
    patterns = (*_HANDS_OVER, *_INTRODUCES) if replied else (*_HANDS_OVER, *_OPENS, *_INTRODUCES)
    for pattern in patterns:
        exempt = _ABOUT_ME if pattern in _INTRODUCES else _HABIT
        for found in pattern.finditer(text):
            if not exempt.search(_introduction(text, found)):
                spans.append((found.end(), len(text)))
    *before, last = re.split(r"\n[ \t]*\n|\n(?=[^\n]*\Z)", text.rstrip())
    if before and _PASTE_BEFORE.search(last):
        spans.append((0, text.rstrip().rfind(last)))
    return spans


def _introduction(text: str, found: re.Match[str]) -> str:
    """Return the sentence in which the text is handed over."""
    start = max(text.rfind(each, 0, found.start() + 1) for each in (". ", "! ", "? ", "\n"))
    return text[start + 1 : found.end()].strip(" .:?!\n")
