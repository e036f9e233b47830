"""Finds the person's own words in their message: not what they quote, paste, or have others say.

Whatever looks pasted is left out, at the price of a wish that stands behind it: a wish is said
again, but an instruction taken from somebody else's text is an injection.
"""

from __future__ import annotations

import re

_BLOCKS = (
    re.compile(r"(```|~~~).*?(?:\1|\Z)", re.DOTALL),
    re.compile(r"\"\"\".*?(?:\"\"\"|\Z)", re.DOTALL),
    re.compile(r"'''.*?(?:'''|\Z)", re.DOTALL),
    re.compile(r"<(?P<tag>[A-Za-z][\w-]*)(?:\s[^<>]*)?>.*?(?:</(?P=tag)\s*>|\Z)", re.DOTALL),
    re.compile(r"<\|.*\Z|<<\s*SYS.*\Z|\[/?(?:INST|SYSTEM)\b.*\Z", re.DOTALL | re.IGNORECASE),
    re.compile(r"\[(?:begin|start)\b[^\]]*\].*?(?:\[end\b[^\]]*\]|\Z)", re.DOTALL | re.IGNORECASE),
    re.compile(r"^[ \t]*[-=*_#~+]{3,}[^\n]*\n.*?(?:^[ \t]*[-=*_#~+]{3,}[^\n]*$|\Z)",
               re.DOTALL | re.MULTILINE),
    re.compile(r"^[ \t]*(?:>|\|).*$", re.MULTILINE),
    re.compile(r"^(?: {4,}|\t)\S.*$", re.MULTILINE),
    re.compile(r"(?:^|(?<=[.!?:]\s))[\s#*\[({]*(?:system|assistant|developer|admin(?:istrator)?|tool|human|user|bot|ai"
               r"|chatgpt|instructions?|new instructions?|prompt)\b[^:\n.!?]{0,25}[\])}*]*\s*:.*\Z",
               re.DOTALL | re.MULTILINE | re.IGNORECASE),
    re.compile(r"^[ \t]*(?:from|to|subject|sent|date|cc|re|fwd)[ \t]*:[ \t]*\S.*\n[ \t]*"
               r"(?:from|to|subject|sent|date|cc|re|fwd)[ \t]*:.*\Z", re.DOTALL | re.MULTILINE | re.IGNORECASE),
    re.compile(r"^[ \t]*(?:from|subject)[ \t]*:[ \t]*\S.*\n.*\Z", re.DOTALL | re.MULTILINE | re.IGNORECASE),
    re.compile(r"\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|every\s+|the\s+|your\s+)*"
               r"(?:previous|prior|above|earlier|preceding|other|existing|system)\b[^.!?\n]{0,30}"
               r"(?:instruction|prompt|rule|message|direction|guideline)s?\b.*\Z", re.DOTALL | re.IGNORECASE),
    re.compile(r"^[ \t]*(?:dear|hi|hello|hey)\b[^\n]{0,40},?[ \t]*\n.*?^[ \t]*(?:best|kind|warm|many|yours|"
               r"sincerely|regards|cheers|thanks|thank you|love|xx?|all the best)\b[^\n]{0,30}(?:\n[^\n]{1,40}$)?",
               re.DOTALL | re.MULTILINE | re.IGNORECASE),
    re.compile(r"\bdear\s+[a-z]+(?:\s+[a-z]+)?\s*,.*\Z", re.DOTALL | re.IGNORECASE),
)  # fmt: skip
_QUOTES = (
    re.compile(r"“[^”]*(?:”|\Z)|«[^»]*(?:»|\Z)|„[^“”]*(?:[“”]|\Z)|「[^」]*(?:」|\Z)"),
    re.compile(r"(?<![\d\w])\"[^\"]*(?:\"|\Z)"),
    re.compile(r"(?<!\w)[‘'](?=\w)(?:[^'’\n]|['’](?=\w))*?[.!?,]?['’](?!\w)"),
    re.compile(r"`[^`\n]*`"),
)
_NOUN = (
    r"(?:e-?mails?|mails?|messages?|texts?|letters?|articles?|reviews?|lyrics|stor(?:y|ies)|passages?|"
    r"paragraphs?|sentences?|log|transcripts?|chat|conversation|dialogue?|document|docs?|prompts?|tweets?|"
    r"posts?|notes?|memos?|comments?|pages?|quotes?|quotations?|polic(?:y|ies)|terms|contract|speech|script|"
    r"scene|essay|draft|abstract|poem|song|output|snippet|excerpt|extract|instructions|rules|readme|file|"
    r"code|clause|section|repl(?:y|ies)|announcement|notice|ad|advert|statement|description|website|bio|"
    r"profile|feedback|report|tests?|ticket|caption|headline|phrase|entry|minutes|screenshot|newsletter|"
    r"manual|recipe|summary|response|content|data|words|line|lines|thread|blog|job post)"
)
_TEXT = (
    r"(?:e-?mail|mail|message|text|letter|article|review|passage|document|transcript|prompt|tweet|post|"
    r"abstract|excerpt|quote|lyrics|memo|announcement|speech)"
)
_PROCESS = (
    r"(?:translate|summari[sz]e|sum up|proof-?read|paraphrase|classify|spell-?check|transcribe|"
    r"analy[sz]e|categori[sz]e|parse|tl;?dr|critique|grade|evaluate|extract|correct|label|annotate|"
    r"(?:reply|respond|answer) to|what(?:'s| is| does) (?:this|the following)|reformat|condense)"
)
_EDIT = (
    r"(?:rewrite|reword|rephrase|edit|fix|polish|improve|shorten|convert|format|review|explain|check|"
    r"look at|look over|read|go over|have a look at|help (?:me )?(?:with|understand)|clean up|tidy|complete|"
    r"continue|finish|interpret|compare|simplify|turn|adapt|debug|make sense of|give feedback on|answer|"
    r"thoughts on|what do you think (?:of|about)|how does)"
)
_DEICTIC = r"(?:this|these|the following|following|below|here(?:['’]s| is| are))"
# "Translate this. …": what follows is the text, on whatever line.
_PASTE_AFTER = re.compile(
    rf"\b{_PROCESS}\b[^.!?:\n]{{0,60}}\b{_DEICTIC}\b[^.!?:\n]{{0,60}}(?:[.!?:]+|\n)(?P<rest>.*)\Z"
    rf"|\b{_PROCESS}\b[^.!?:\n]{{0,80}}[:\n](?P<rest_2>.*)\Z"
    rf"|\b{_EDIT}\b[^.!?:\n]{{0,60}}\b{_DEICTIC}\b[^.!?:\n]{{0,60}}[.!?]?[ \t]*[:\n](?P<rest_3>.*)\Z"
    rf"|\b{_EDIT}\b[^.!?:\n]{{0,40}}\b{_NOUN}\b[^.!?:\n]{{0,40}}[.!?]?[ \t]*[:\n](?P<rest_4>.*)\Z",
    re.DOTALL | re.IGNORECASE,
)
# "Here is the email I got: …", "she wrote: …"
_INTRODUCED = re.compile(
    rf"\b(?:here(?:['’]s| is| are)|(?:this|that) (?:is|was)|(?:got|received|found|saw|read|sent|wrote|have))\b"
    rf"[^.!?:\n]{{0,50}}\b{_NOUN}\b[^.!?:\n]{{0,60}}[.!?]?[ \t]*[:\n](?P<rest>.*)\Z"
    rf"|\b{_NOUN}\b[^.!?:\n]{{0,30}}\b(?:says?|said|reads?|goes|states?|stated|ends?|begins?|starts?)\b"
    rf"[^.!?:\n]{{0,30}}[:\n](?P<rest_2>.*)\Z"
    rf"|\b(?:he|she|they|who|boss|manager|teacher|client|customer|friend|colleague|mum|mom|dad|wife|husband|"
    rf"someone|somebody|landlord|it)\b[^.!?:\n]{{0,20}}\b(?:says?|said|wrote|writes|texted|replied|told me|"
    rf"asked|answered|sent(?: me)?|posted|put)\b[^.!?:\n]{{0,40}}:(?P<rest_3>.*)\Z"
    rf"|\b(?:the following|below|{_TEXT})[ \t]*:[ \t]*(?:\n|(?=\S))(?P<rest_4>.*)\Z",
    re.DOTALL | re.IGNORECASE,
)
_ABOUT_ME = re.compile(
    r"\b(?:about (?:me|myself)|my (?:rules|preferences|wishes|requests?|instructions?)|from now on|"
    r"going forward|in (?:the )?future|from here on|remember|keep in mind|note for you|rules? for you|"
    r"(?:your|all) (?:answers|replies|responses)|always|never|stop|don['’]?t|i (?:want|prefer|hate|like))\b",
    re.IGNORECASE,
)
_HABIT = re.compile(r"\b(?:whenever|every time|each time|always)\b", re.IGNORECASE)
# "…\n\nCan you translate the above?": what stands before is the text.
_PASTE_BEFORE = re.compile(
    rf"\bthe above\b|\babove {_NOUN}\b|\btl;?dr\b|{_PROCESS}[^.!?\n]{{0,30}}\b(?:this|that|it|the)\b"
    rf"|\b(?:this|that|the|it)\b[^.!?\n]{{0,20}}\b{_TEXT}\b|^\W*(?:this|that) (?:is|was) (?:the|a|an|from)\b"
    rf"|\bwhat (?:does|did) (?:this|that|it|he|she|they) (?:mean|want|say)\b",
    re.IGNORECASE,
)
_SPEAKER = re.compile(r"^[ \t]*\**(?P<who>[A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){0,2})\**[ \t]*:[ \t]+\S.*$", re.MULTILINE)  # fmt: skip
_OWN_LABELS = frozenset(
    "note ps p.s edit also btw fyi reminder rule rules update request preference preferences important "
    "question name diet format style tone length language units please remember ok thanks context "
    "background oh listen".split()
)
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
    for found in (_PASTE_AFTER.search(text), _INTRODUCED.search(text)):
        if found is None:
            continue
        at = next(start for name in found.re.groupindex if (start := found.start(name)) >= 0)
        introduction = text[max(0, text.rfind("\n", 0, found.start()) + 1) : at]
        if (_ABOUT_ME if found.re is _INTRODUCED else _HABIT).search(introduction):
            continue
        _clear(own, at, len(text))
    *before, last = re.split(r"\n[ \t]*\n|\n(?=[^\n]*\Z)", text.rstrip())
    if before and _PASTE_BEFORE.search(last):
        _clear(own, 0, text.rstrip().rfind(last))


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
