"""Finds the person's own words in their message: not what they quote, paste, or have others say.

Whatever looks pasted is left out, at the price of a wish that stands behind it: a wish is said
again, but an instruction taken from somebody else's text is an injection.
"""

from __future__ import annotations

import re

from persona_signals.lexicon import words_of

_BLOCKS = (
    re.compile(r"(```|~~~).*?(?:\1|\Z)", re.DOTALL),
    re.compile(r"\"\"\".*?(?:\"\"\"|\Z)", re.DOTALL),
    re.compile(r"'''.*?(?:'''|\Z)", re.DOTALL),
    re.compile(
        r"<!--.*?(?:-->|\Z)|<(?P<tag>[A-Za-z][\w-]*)(?:\s[^<>]*)?>.*?(?:</(?P=tag)\s*>|\Z)",
        re.DOTALL,
    ),
    re.compile(r"<\|.*\Z|<<\s*SYS.*\Z|\[/?(?:INST|SYSTEM)\b.*\Z", re.DOTALL | re.IGNORECASE),
    re.compile(r"\[(?:begin|start)\b[^\]]*\].*?(?:\[end\b[^\]]*\]|\Z)", re.DOTALL | re.IGNORECASE),
    re.compile(
        r"^[ \t]*[-=*_#~+]{3,}[^\n]*\n.*?(?:^[ \t]*[-=*_#~+]{3,}[^\n]*$|\Z)",
        re.DOTALL | re.MULTILINE,
    ),
    re.compile(r"^[ \t]*(?:>|\|).*$", re.MULTILINE),
    re.compile(r"^(?: {4,}|\t)\S.*$", re.MULTILINE),
    re.compile(
        r"(?:^|(?<=[.!?:]\s))[\s#*\[({]*(?:system|assistant|developer|admin(?:istrator)?|tool|"
        r"human|user|bot|ai"
        r"|chatgpt|instructions?|new instructions?|prompt)\b[^:\n.!?]{0,25}[\])}*]*\s*:.*\Z",
        re.DOTALL | re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(
        r"^[ \t]*(?:from|to|subject|sent|date|cc|re|fwd)[ \t]*:[ \t]*\S.*\n[ \t]*"
        r"(?:from|to|subject|sent|date|cc|re|fwd)[ \t]*:.*\Z",
        re.DOTALL | re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(
        r"^[ \t]*(?:from|subject)[ \t]*:[ \t]*\S.*\n.*\Z", re.DOTALL | re.MULTILINE | re.IGNORECASE
    ),
    re.compile(
        r"\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|every\s+|the\s+|your\s+)*"
        r"(?:previous|prior|above|earlier|preceding|other|existing|system)\b[^.!?\n]{0,30}"
        r"(?:instruction|prompt|rule|message|direction|guideline)s?\b.*\Z",
        re.DOTALL | re.IGNORECASE,
    ),
    re.compile(
        r"^[ \t]*(?:dear|hi|hello|hey)\b[^\n]{0,40},?[ \t]*\n.*?^[ \t]*(?:best|kind|warm|many|"
        r"yours|"
        r"sincerely|regards|cheers|thanks|thank you|love|xx?|all the "
        r"best)\b[^\n]{0,30}(?:\n[^\n]{1,40}$)?",
        re.DOTALL | re.MULTILINE | re.IGNORECASE,
    ),
    re.compile(r"\bdear\s+[a-z]+(?:\s+[a-z]+)?\s*,.*\Z", re.DOTALL | re.IGNORECASE),
)
_QUOTES = (
    re.compile(r"“[^”]*(?:”|\Z)|«[^»]*(?:»|\Z)|„[^“”]*(?:[“”]|\Z)|「[^」]*(?:」|\Z)"),
    re.compile(r"(?<![\d\w])\"[^\"]*(?:\"|\Z)"),
    re.compile(r"(?<!\w)[‘'](?=\w)(?:[^'’\n]|['’](?=\w))*?[.!?,]?['’](?!\w)"),
    re.compile(r"`[^`\n]*`"),
)
# Texts that somebody wrote, as people name them when they hand them over.
_TEXT = (
    r"(?:e-?mails?|mails?|messages?|texts?|letters?|articles?|reviews?|lyrics|stor(?:y|ies)|"
    r"passages?|"
    r"paragraphs?|sentences?|logs?|transcripts?|dialogues?|documents?|docs?|prompts?|tweets?|"
    r"posts?|notes?|"
    r"memos?|comments?|pages?|quotes?|quotations?|polic(?:y|ies)|terms|contracts?|speech|"
    r"scripts?|scenes?|"
    r"essays?|drafts?|abstracts?|poems?|songs?|snippets?|excerpts?|extracts?|instructions|"
    r"rules?|readme|"
    r"clauses?|sections?|announcements?|notices?|ads?|adverts?|advertisements?|statements?|"
    r"descriptions?|"
    r"website|bio|profile|reports?|tickets?|captions?|headlines?|phrases?|entr(?:y|ies)|"
    r"minutes|newsletters?|"
    r"manuals?|cv|resume|résumé|slogans?|listings?|tips?|signs?|labels?|spam|brief|output|results?|"
    r"conversations?|chat|lines?|words|blog|quotation|content|readme|file|code|proposal|"
    r"response from \w+)"
)
_PROCESS = (
    r"(?:translate|summari[sz]e|sum up|sum (?:this|it|that) up|proof-?read|paraphrase|classify|"
    r"spell-?check|"
    r"transcribe|analy[sz]e|categori[sz]e|parse|tl;?dr|critique|grade|evaluate|extract|correct|"
    r"label|annotate|"
    r"reformat|condense|rate|score|judge|assess|fill in|(?:reply|respond|answer) to|"
    r"what (?:do|does|did|is|are) (?:this|these|the following)|what(?:['’]s) (?:this|the "
    r"following)|"
    r"what do you (?:think|make) of (?:this|these|the following))"
)
_EDIT = (
    r"(?:rewrite|reword|rephrase|edit|fix|polish|improve|shorten|convert|format|review|explain|"
    r"check|make|"
    r"look at|look over|read|go over|have a look at|help (?:me )?(?:with|understand)|clean up|"
    r"tidy|complete|"
    r"continue|finish|interpret|compare|simplify|turn|adapt|debug|make sense of|answer|"
    r"(?:feedback|thoughts?|opinions?|views?|comments?) (?:on|about)|what do you think (?:of|"
    r"about)|how does)"
)
_DEICTIC = r"(?:this|these|the following|following|the next|below|attached|here(?:['’]s| is| are))"
_SAYS = (
    r"(?:says?|said|wrote|writes|suggest(?:s|ed)|told (?:me|us|him|her|them)|tells (?:me|us)|"
    r"reads?|goes|decides?|"
    r"decided|thinks?|states?|stated|repl(?:y|ies|ied)|shouts?|shouted|whispers?|announced?|"
    r"asks?|asked|advised?|"
    r"texted|posted|sent(?: (?:me|us))?|answered|put|begins?|starts?|ends?|returned|insists?|"
    r"keeps telling me)"
)
# After any of these the message is a text that was handed over.
_HANDS_OVER = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_PROCESS}\b[^.!?:\n]{{0,60}}\b{_DEICTIC}\b[^.!?:\n]{{0,60}}(?:[.!?:]+|\n|\s[-–—]\s)",
        r"\b(?:what (?:do|does|did|is|are|was) |what['’]s )(?:this|these|the "
        r"following)\b[^.!?:\n]{0,60}[.!?:\n]",
        rf"\b{_PROCESS}\b[^.!?:\n]{{0,80}}[.!?]?[ \t]*[:\n]",
        rf"\b{_EDIT}\b[^.!?:\n]{{0,60}}\b{_DEICTIC}\b[^.!?:\n]{{0,60}}[.!?]?[ \t]*(?:[:\n]|"
        rf"\s[-–—]\s)",
        rf"\b{_EDIT}\b[^.!?:\n]{{0,40}}\b{_TEXT}\b[^.!?:\n]{{0,40}}[.!?]?[ \t]*[:\n]",
        rf"\b(?:is|are|does|do|was)\b[^.!?:\n]{{0,15}}\b(?:this|these|the following)\b(?: "
        rf"[\w-]+){{0,2}} {_TEXT}\b[^.!?:\n]{{0,60}}[.!?:\n]",
        r"\b(?:is|are|does) (?:this|these|the following)\b[^.!?:\n]{0,60}(?:\?[ \t]*\n|:|"
        r"\?\s+(?=[\"“‘']))",
        r"\b(?:is|are) the following\b[^.!?:\n]{0,60}[.!?:\n]",
    )
)
# These too, unless the person speaks of themselves: "here are my rules: …".
_INTRODUCES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:here(?:['’]s| is| are)|below (?:is|are)|the following (?:is|"
        rf"are))\b[^.!?:\n]{{0,50}}\b{_TEXT}\b[^.!?:\n]{{0,60}}[.!?:\n]",
        rf"\b(?:(?:this|that|these) (?:is|was|are)|"
        rf"have)\b[^.!?:\n]{{0,50}}\b{_TEXT}\b[^.!?:\n]{{0,60}}[.!?]?[ \t]*[:\n]",
        rf"\b(?:got|received|found|saw|read|sent|wrote)\b(?! your)[^.!?:\n]{{0,50}}\b(?<!your "
        rf"){_TEXT}\b[^.!?:\n]{{0,60}}[.!?:\n]",
        rf"(?<!\bi )(?<!\byou )\b{_SAYS}\b[^.!?:\n]{{0,30}}:",
        r"\b(?:here(?:['’]s| is)|this is) what\b[^.!?:\n]{0,60}[:\n]",
        rf"\b{_TEXT}\b[^.!?:\n]{{0,30}}:(?=\s)",
        r"\b(?:fill in|finish|complete|continue|note to|forwarded|example|output|results?|"
        r"website|source|input)\b[^.!?:\n]{0,40}:",
    )
)
_ABOUT_ME = re.compile(
    r"\b(?:about (?:me|myself)|my (?:\w+ )?(?:rules?|preferences?|wishes|wish|requests?|"
    r"instructions?|name|style)|from now on|"
    r"going forward|in (?:the )?future|from here on|keep in mind|(?:notes?|rules?|requests?) "
    r"(?:for|to) you|"
    r"(?:one|two|three|four|a few|some|quick|standing|general|ground|house) (?:quick |small |"
    r"more )?(?:rules?|notes?|things?|requests?)|"
    r"(?:your|all) (?:answers|replies|responses)|i (?:want|prefer|hate|like)|(?:for|to) "
    r"remember)\b|^\W*(?:rules?|notes?|ps|p\.s\.)\W*$",
    re.IGNORECASE,
)
_HABIT = re.compile(
    r"\b(?:whenever|every ?time|each time|any ?time|always|from now on|going forward|in (?:the "
    r")?future)\b",
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
_SPEAKER = re.compile(
    r"^[ \t]*\**(?P<who>[A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,2}|me|him|her|them|us|he|she|q|"
    r"a)\**[ \t]*:[ \t]+\S.*$",
    re.MULTILINE,
)
_OWN_LABELS = words_of("own_labels")
_LONGEST_QUOTE = 7


def own_mask(text: str) -> tuple[bytearray, bytearray]:
    """Return two masks over the characters: of own words, and of short quotes within them.

    Args:
        text: One message of the person.
    """
    own, quoted = bytearray(b"\1" * len(text)), bytearray(len(text))
    for pattern in _BLOCKS:
        for found in pattern.finditer(text):
            _clear(own, *found.span())
    for pattern in _QUOTES:
        for found in pattern.finditer(text):
            is_short = len(found.group().split()) <= _LONGEST_QUOTE and "\n" not in found.group()
            if is_short:
                quoted[found.start() : found.end()] = b"\1" * (found.end() - found.start())
            else:
                _clear(own, *found.span())
    _clear_pasted(text, own)
    _clear_speakers(text, own)
    return own, quoted


def _clear_pasted(text: str, own: bytearray) -> None:
    for pattern in (*_HANDS_OVER, *_INTRODUCES):
        for found in pattern.finditer(text):
            introduction = _introduction(text, found)
            exempt = _HABIT if pattern in _HANDS_OVER else _ABOUT_ME
            if not exempt.search(introduction):
                _clear(own, found.end(), len(text))
    *before, last = re.split(r"\n[ \t]*\n|\n(?=[^\n]*\Z)", text.rstrip())
    if before and _PASTE_BEFORE.search(last):
        _clear(own, 0, text.rstrip().rfind(last))


def _introduction(text: str, found: re.Match[str]) -> str:
    """Return the sentence in which the text is handed over."""
    start = max(text.rfind(each, 0, found.start()) for each in (". ", "! ", "? ", "\n"))
    return text[start + 1 : found.end()].strip(" .:?!\n")


def _clear_speakers(text: str, own: bytearray) -> None:
    """Leave out the lines of a script: at least two that begin with a speaker."""
    lines = [
        found
        for found in _SPEAKER.finditer(text)
        if found["who"].casefold().rstrip(".") not in _OWN_LABELS
    ]
    if len(lines) >= 2:
        for found in lines:
            end = text.find("\n\n", found.start())
            _clear(own, found.start(), len(text) if end < 0 else end)


def _clear(mask: bytearray, start: int, end: int) -> None:
    mask[start:end] = bytes(end - start)
