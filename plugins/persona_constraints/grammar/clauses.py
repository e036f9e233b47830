"""Splits an instruction into sentences, and says which words may stand around a constraint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

QUOTE = r"⟦\d+⟧"
_QUOTATION = re.compile(
    r"\"([^\"\n]+)\"|“([^”\n]+)”|«\s*([^»\n]+?)\s*»|`([^`\n]+)`"
    r"|(?<!\w)['‘]((?:[^'’\n]|(?<=\w)['’](?=\w))+)['’](?!\w)"
)
REPLY = (
    r"(?:repl(?:y|ies)|responses?|answers?|outputs?|messages?|texts?|writing|explanations?|"
    r"summar(?:y|ies)|descriptions?|definitions?|conversations?|chats?|sentences?|paragraphs?|"
    r"everything|anything|all|it|them|this|here|stuff|content|prose|communications?|turns?|"
    r"emails?|letters?|stor(?:y|ies)|essays?|posts?|articles?|poems?|tweets?|captions?|recipes?|"
    r"reports?|results?|words?|feedback|comments?|advice|recommendations?|suggestions?)"
)
_VOCABULARY = Path(__file__).parents[1] / "data" / "vocabulary.txt"
_BEFORE = frozenset(
    word
    for line in _VOCABULARY.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
    for word in line.split()
)
_AFTER = re.compile(
    r"\s*(?:$|[,;:)(—–/]|-\s|(?:and|or|but|nor|so|then|please|thanks?|thank you|cheers|only|always|"
    r"ever|again|anywhere|whatsoever|altogether|total|overall|long|length|at all|at (?:a|any) time|"
    r"at all times|at any point|in total|in length|each|each time|every time|in general|instead|"
    r"either|though|too|because|since|as I|as they|as it|it's|they're|which|no matter|even|"
    r"whatever|entirely|completely|in any form|from (?:now|here|today) on|from now|"
    r"going forward|in (?:the )?future|with me|"
    r"for me|to me|or (?:less|fewer|more)|throughout|by default|where possible|if possible|"
    r"when possible|wherever possible|unless|when|whenever|if|while|okay|ok|right|period|is|are|"
    r"would|will|must|should|per (?:reply|response|answer|message|turn)|"
    r"(?:in|for|to|on|of|per|across|inside|within|during|with)"
    r"(?: (?:all|any|every|each|your|the|my|our|a|of|single|entire|whole|this|these))*"
    rf" {REPLY})\b)",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:don['’]?t mind|no need|needn['’]t|(?:do not|don['’]?t) (?:have|need) to|feel free|"
    r"sparingly|occasional(?:ly)?|sometimes|rarely|seldom|too many|too much|so many|overuse|"
    r"overdo|excessive(?:ly)?|a few|a couple|several|some (?:of|sentences|words|paragraphs)|"
    r"about|around|roughly|approximately|approx|circa|or so|ish|optional(?:ly)?|as needed|"
    r"if (?:needed|necessary|you (?:want|like|must))|(?:where|when|as) (?:appropriate|necessary|"
    r"relevant)|unless (?:necessary|needed|it['’]?s|they|it|that|there)|"
    r"(?:is|are|it['’]?s) (?:fine|ok|okay|alright)|not necessarily|except|apart from|"
    r"other than|aside from|excluding)\b",
    re.IGNORECASE,
)
_STATEMENT = re.compile(r"\s*(?:i|we|my|our|he|she|they|there|his|her|their)\b", re.IGNORECASE)
_WISH = re.compile(
    r"\b(?:want|need|like|prefer|should|must|have to|has to|expect|please|i['’]d|would|hate|"
    r"dislike|can['’]?t stand|cannot stand|love|insist|ask|rather|find [\w ]+ annoying|"
    r"preferred|require|"
    r"limit|maximum|minimum|tired of|sick of|rule|preference|demand|appreciate|allergic to)\b",
    re.IGNORECASE,
)
_CONDITION_FIRST = re.compile(
    r"^\s*(?:and |but |also |so )?(?:if|when|whenever|once|while|as long as|in case|any ?time|"
    r"every time|each time|during|after|before)\b[^,:]*[,:]\s+(?:then\s+)?",
    re.IGNORECASE,
)
_REASON = re.compile(r"^(?:i|i['’]m|my|we|i['’]ve|as|since|because)\b[^,]*,\s*so\s+", re.IGNORECASE)
_CONDITION_LAST = re.compile(
    r",?\s+(?:if|when|whenever|once (?=i |you |we |the |it )|while|as long as|in case|until|"
    r"unless (?:i|we|asked|told|"
    r"requested|otherwise|explicitly|specifically)|except (?:if|when) i)\b(?! possible).*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an instruction, conditions taken off.

    Args:
        text: Its words, each quotation as a mark ⟦n⟧.
        quotes: What the marks stand for.
    """

    text: str
    quotes: tuple[str, ...]

    def quoted(self, text: str) -> tuple[str, ...]:
        """Return the quotations whose marks stand in a text."""
        return tuple(self.quotes[int(n)] for n in re.findall(r"⟦(\d+)⟧", text))

    def accepts(self, start: int, end: int) -> bool:
        """Say whether what stands between these places speaks of the reply as a whole.

        Only known words may stand before it in its clause, and only a few may follow.
        """
        return self.accepts_before(start) and self.accepts_after(end)

    def accepts_before(self, start: int) -> bool:
        """Say whether only words that speak of the reply stand before a place in its clause."""
        return any(_are_known(each) for each in self.lead(start))

    def accepts_after(self, end: int) -> bool:
        """Say whether what follows a place limits what was said to no part of the reply."""
        return bool(_AFTER.match(self.text[end:]))

    def lead(self, start: int) -> tuple[str, str]:
        """Return what stands before a place: in its sentence, and in its clause."""
        before = self.text[:start]
        clause = re.split(r"[,;:()—–]\s*|\s-\s|\b(?:and|but|so|then|with|plus)\s", before)[-1]
        return before, clause


def read_sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences that may state constraints on a reply."""
    quotes: list[str] = []

    def mark(match: re.Match[str]) -> str:
        quotes.append(next(filter(None, match.groups())))
        ends = quotes[-1][-1:] in ".!?" and re.match(r"\s+[A-Z]|\s*$", match.string[match.end() :])
        return f"⟦{len(quotes) - 1}⟧" + ("." if ends else "")

    plain = _QUOTATION.sub(mark, text.replace("’", "'") if "‘" not in text else text)
    plain = re.sub(r"[\[\]]|\*+(?=\w)|(?<=\w)\*+", "", plain)
    for raw in re.split(r"(?<=\S[.!?])\s+|[;\n]+", plain):
        reasoned = _REASON.sub("", raw.strip(" \t.!?-•*"))
        sentence = _CONDITION_LAST.sub("", _CONDITION_FIRST.sub("", reasoned))
        states = _STATEMENT.match(sentence) and not _WISH.search(sentence)
        if sentence and not states and not _HEDGED.search(sentence):
            yield Sentence(sentence.strip(), tuple(quotes))


def _are_known(text: str) -> bool:
    return all(
        word.lower() in _BEFORE or word[0].isdigit() or word[0] == "⟦"
        for word in re.findall(r"⟦\d+⟧|[^\W_]+(?:['’-][^\W_]+)*", text)
    )
