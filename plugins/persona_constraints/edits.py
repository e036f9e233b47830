"""What an editor does to a text without writing anything new: cut, join, mark, re-case.

Each edit returns the changed text, or the same where it can do nothing.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

from persona_constraints.counting import (
    EMOJI,
    EMOTICON,
    FENCE,
    RULE,
    lines,
    paragraphs,
)
from persona_constraints.sentences import split_sentences

_WORD = re.compile(r"\w+")
_LEAD = re.compile(r"^[ \t]*(?:[*\-+•‣◦▪●–]|\d+[.)])[ \t]+")
_HEADING_MARK = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t#]*$", re.MULTILINE)
_STRONG = re.compile(r"(\*\*|__)(?=\S)((?:(?!\1).){1,500}?)(?<=\S)\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![*\w])\*(?![*\s])([^*\n]+)(?<![*\s])\*(?![*\w])")
_EMPHASIS_LOW = re.compile(r"(?<!\w)_(?![_\s])([^_\n]+)_(?!\w)")
_MARKDOWN_LINK = re.compile(r"\[([^\]\n]+)\]\([^)\s]+\)")
_TABLE_RULE = re.compile(
    r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*\n?", re.M
)


def first_sentences(text: str, count: int) -> str:
    """Return the text up to the end of a sentence, layout and all."""
    sentences = split_sentences(text)[:count]
    end = 0
    for sentence in sentences:
        end = text.index(sentence, end) + len(sentence)
    return text[:end]


def within(text: str, most: int, *, unit: str) -> str:
    """Return as many whole sentences as fit into some words or characters.

    A first sentence that is longer is cut after a word.
    """
    in_words = unit == "words"
    whole, end = "", 0
    for sentence in split_sentences(text):
        end = text.index(sentence, end) + len(sentence)
        shortened = text[:end].strip()
        if (len(_WORD.findall(shortened)) if in_words else len(shortened)) > most:
            break
        whole = shortened
    return whole or _cut(text.strip(), most, in_words=in_words)


def _cut(text: str, most: int, *, in_words: bool) -> str:
    """Return the beginning of a sentence, ended with a full stop."""
    if in_words:
        ends = [match.end() for match in _WORD.finditer(text)][:most]
        return text[: ends[-1]] + "." if ends else text
    room = text[: max(1, most - 1)]
    return (room.rsplit(None, 1)[0] if " " in room else room).rstrip(",;:–- ") + "."


def first_lines(text: str, count: int) -> str:
    """Return the first lines that are not blank."""
    return "\n".join(lines(text)[:count])


def one_line(text: str) -> str:
    """Return the text on one line."""
    return " ".join(_LEAD.sub("", line).strip() for line in lines(text))


def first_paragraphs(text: str, count: int) -> str:
    """Return the first paragraphs."""
    return "\n\n".join(paragraphs(text)[:count])


def regroup(text: str, count: int) -> list[str]:
    """Return the text as so many groups of its paragraphs, or of its sentences if these are few.

    Neighbours of the fewest characters are joined first; fewer come back when there is less text.
    """
    parts = paragraphs(text)
    joint = "\n"
    if len(parts) < count:
        parts, joint = list(split_sentences(text)), " "
    parts = [re.sub(r"\n[ \t]*\n\s*", "\n", part) for part in parts]
    while len(parts) > count:
        sizes = [len(a) + len(b) for a, b in pairwise(parts)]
        n = sizes.index(min(sizes))
        parts[n : n + 2] = [parts[n] + joint + parts[n + 1]]
    return parts


def items_of(text: str) -> list[str]:
    """Return the items of the text's list, or its sentences where it has none."""
    listed = [_LEAD.sub("", line).strip() for line in lines(text) if _LEAD.match(line)]
    return listed or [each.strip() for each in split_sentences(" ".join(lines(text)))]


def as_bullets(text: str, count: int) -> str:
    """Return the text with so many bullets: spare ones cut off, numbers or sentences marked."""
    kept: list[str] = []
    bullets = 0
    has_list = any(_LEAD.match(line) for line in lines(text))
    source = RULE.sub("", text) if has_list else "\n".join(f"* {each}" for each in items_of(text))
    for line in source.splitlines():
        if _LEAD.match(line):
            bullets += 1
            if bullets <= count:
                kept.append(_LEAD.sub("* ", line))
        elif bullets <= count:
            kept.append(line)
    return "\n".join(kept)


def without_bullets(text: str) -> str:
    """Return the text with its bullets as plain lines."""
    return re.sub(r"^[ \t]*[*\-+•‣◦▪●–][ \t]+(?=\S)", "", text, flags=re.MULTILINE)


def without_numbers(text: str) -> str:
    """Return the text with numbered items as plain lines."""
    return re.sub(r"^[ \t]*(?:\d+[.)]|\(\d+\)|[a-z][.)])[ \t]+(?=\S)", "", text, flags=re.MULTILINE)


def numbered(text: str) -> str:
    """Return the text with bullets as numbers, in order."""
    counter = iter(range(1, 10_000))
    return re.sub(
        r"^([ \t]*)[*\-+•‣◦▪●–][ \t]+(?=\S)",
        lambda match: f"{match[1]}{next(counter)}. ",
        text,
        flags=re.MULTILINE,
    )


def without_emoji(text: str) -> str:
    """Return the text without emoji and emoticons, and without the gaps that they leave."""
    bare = EMOTICON.sub("", EMOJI.sub("", text))
    bare = re.sub(r"[\ufe0f\u200d\U0001f3fb-\U0001f3ff]", "", bare)
    return re.sub(r"[ \t]+(?=[\n.,!?]|$)|(?<=[ \t])[ \t]+", "", bare)


def without_headings(text: str) -> str:
    """Return the text with headings as plain lines."""
    bare = _HEADING_MARK.sub(r"\1", text)
    return re.sub(r"\n {0,3}(?:={3,}|-{3,})[ \t]*$", "", bare, flags=re.MULTILINE)


def without_bold(text: str) -> str:
    """Return the text without bold."""
    return _STRONG.sub(r"\2", text)


def without_italics(text: str) -> str:
    """Return the text without italics."""
    return _EMPHASIS_LOW.sub(r"\1", _EMPHASIS.sub(r"\1", text))


def without_tables(text: str) -> str:
    """Return the text with rows of tables as lines of commas."""
    bare = _TABLE_RULE.sub("", text) if "|" in text else text
    return re.sub(
        r"^[ \t]*\|(.*)\|[ \t]*$",
        lambda match: ", ".join(cell.strip() for cell in match[1].split("|")),
        bare,
        flags=re.MULTILINE,
    )


def without_markdown(text: str) -> str:
    """Return the words alone: no headings, bullets, bold, tables, code marks or links."""
    bare = re.sub(r"^[ \t]*(?:```|~~~)[^\n]*\n?", "", text, flags=re.MULTILINE)
    bare = re.sub(r"`([^`\n]+)`", r"\1", bare)
    bare = _MARKDOWN_LINK.sub(r"\1", RULE.sub("", without_tables(bare)))
    bare = re.sub(r"^ {0,3}>[ \t]?", "", bare, flags=re.MULTILINE)
    bare = without_bullets(without_headings(without_italics(without_bold(bare))))
    return re.sub(r"\n{3,}", "\n\n", bare)


def without_code_blocks(text: str) -> str:
    """Return the text without fenced blocks."""
    return re.sub(r"\n{3,}", "\n\n", FENCE.sub("", text))


def without_sign(text: str, signs: str, instead: str = "") -> str:
    """Return the text with other signs instead; commas within numbers leave no gap."""
    return re.sub(f"[{re.escape(signs)}]", instead, text)


def calm(text: str) -> str:
    """Return the text with full stops for exclamation marks."""
    return re.sub(r"[!！]+(?=[?？])|¡", "", re.sub(r"[!！]+(?![?？])", ".", text))


def highlighted(text: str, count: int) -> str:
    """Return the text with stars around the leading words of its first sentences."""
    marked, needed = text, count
    for sentence in split_sentences(text):
        phrase = re.match(
            r"[\s*\-+•\d.)#]*([^\W_][^*\n.:,;!?()\[\]]{2,60}?)(?=[.:,;!?()\n]|$)", sentence
        )
        if needed > 0 and phrase and "*" not in sentence:
            marked = marked.replace(phrase[1], f"*{phrase[1].strip()}*", 1)
            needed -= 1
    return marked


def emphasised(text: str, count: int) -> str:
    """Return the text with so many more words in capitals: its longest, where they first stand."""
    words = dict.fromkeys(re.findall(r"\b[A-Za-z]{4,}\b", text))
    marked = text
    for word in sorted((each for each in words if not each.isupper()), key=len, reverse=True)[
        :count
    ]:
        marked = re.sub(rf"\b{word}\b", word.upper(), marked, count=1)
    return marked


def unemphasised(text: str, most: int) -> str:
    """Return the text with only the first words in capitals left so."""
    seen = iter(range(1, len(text) + 2))

    def lower(match: re.Match[str]) -> str:
        return match[0] if next(seen) <= most else match[0].capitalize()

    return re.sub(r"\b[A-Z]{2,}\b", lower, text)


def titled(text: str) -> str:
    """Return the text with its own title in double angular brackets, where it has one."""
    first, _, rest = text.strip().partition("\n")
    bare = re.sub(r"^(?:#+\s*|title\s*:\s*|<+)|>+$", "", first.strip().strip("*_"), flags=re.I)
    bare = re.sub(r"^title\s*:\s*", "", bare.strip().strip('*_"“”'), flags=re.IGNORECASE)
    is_title = bool(rest.strip()) and 0 < len(bare.split()) <= 12 and bare[-1:] not in ".,;:?"
    return f"<<{bare.strip()}>>\n{rest}" if is_title else text


def sentence_case(text: str) -> str:
    """Return shouted text with capitals at the beginnings of sentences only."""
    return re.sub(r"(?:^|[.!?]\s+)[a-z]|\bi\b", lambda match: match[0].upper(), text.lower())


def as_json(text: str) -> str:
    """Return the text as a JSON object with the one key ``reply``."""
    return json.dumps({"reply": text.strip()}, ensure_ascii=False, indent=2)
