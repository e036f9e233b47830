"""What can be read off one instruction without a model: topic, polarity, condition, quantities."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from persona_engine.instructions.relations.patterns import (
    ASKING,
    CONTEXT,
    DENIAL,
    ENDING,
    HARMLESS,
    LEADING,
    LEAVE_OUT,
    PREFER_TO,
    PREFERS,
    REJECTED,
    TRAILING,
    VACUOUS,
    WORD,
)
from persona_engine.instructions.relations.words import (
    ALLOWANCES,
    CHANGES,
    CLASS_OF,
    CONTEXTS,
    FILLERS,
    LIMITS,
    NUMBERS,
    ONE_AT_A_TIME,
    RETRACTIONS,
    SIDE_BY_SIDE,
    SYNONYM_OF,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What an instruction says, as far as its words tell.

    Args:
        words: All words, folded.
        body: The text without its condition.
        condition: When it holds, or empty.
        topic: The body without denial, asking and change: what is embedded beside the full text.
        stems: Content words of the topic, stemmed, in order.
        condition_stems: Those of the condition.
        context_stems: Those of where it holds, within the body: "in emails", "for code".
        denies: Whether an odd number of words deny.
        rejected: Stems of what something else is preferred to.
        quantities: Numbers.
        flags: Words of change, retraction, allowance, limit; facts about the person; facts that
            stand side by side; facts with one value at a time.
        names: Words in capitals within the sentence.
        classes: Class and word of every word that names a value of some common thing.
    """

    words: tuple[str, ...]
    body: str
    condition: str
    topic: str
    stems: tuple[str, ...]
    condition_stems: frozenset[str]
    context_stems: frozenset[str]
    denies: bool
    rejected: frozenset[str]
    quantities: frozenset[float]
    flags: tuple[bool, ...]
    names: frozenset[str]
    classes: frozenset[tuple[str, str]]


FLAGS = ("change", "retraction", "allowance", "limit", "fact", "side_by_side", "one_at_a_time")


def fold(text: str) -> str:
    """Return the text in lower case, compatible characters made equal, on one line."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("‘", "'")
    return " ".join(folded.split())


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a folded text."""
    return tuple(WORD.findall(text))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return a word without its common endings; British and American spellings become one."""
    if len(word) > 4 and not word.isalpha():
        return word.removesuffix("'s")
    if len(word) <= 3:
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("ly", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: len(word) - len(ending)] + instead
            break
    else:
        if word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lse":
        word = word[:-1]
    if len(word) > 4:
        word = (
            word.replace("our", "or").replace("is", "iz") if word.endswith(("our", "ise")) else word
        )
        word = word.removesuffix("e")
    return word


@lru_cache(maxsize=4096)
def read(text: str, scope: str = "") -> Reading:
    """Return what an instruction and its scope say."""
    folded = fold(text).strip(" .!")
    body, condition = _split(folded)
    if scope:
        condition = f"{fold(scope)} {condition}".strip()
    kept, rejected = _prefer(body)
    topic, denials = _strip_denials(kept)
    topic = _strip_asking(topic) or kept or folded or fold(text)
    words = words_of(folded)
    stems = _stems(topic)
    return Reading(
        words=words,
        body=body,
        condition=condition,
        topic=topic,
        stems=stems or _stems(folded, keep_fillers=True),
        condition_stems=frozenset(_stems(condition)),
        context_stems=_context(body),
        denies=denials % 2 == 1,
        rejected=frozenset(_stems(rejected)),
        quantities=_quantities(words_of(kept)),
        flags=_flags(words_of(body)),
        names=_names(text),
        classes=frozenset((CLASS_OF[w], w) for w in words_of(kept) if w in CLASS_OF),
    )


def _split(folded: str) -> tuple[str, str]:
    """Return what is wished and when, without conditions that always hold."""
    for pattern in (LEADING, TRAILING):
        found = pattern.match(folded)
        if found is None:
            continue
        condition, body = found["condition"], found["body"]
        if set(words_of(body)) <= FILLERS or _is_carrier(condition):
            continue
        if all(word in VACUOUS for word in words_of(condition)):
            return _split(body)[0], _split(body)[1]
        return body, condition
    return folded, ""


def _context(body: str) -> frozenset[str]:
    """Return the stems of where a wish holds that ends in "in emails" or "for code"."""
    found = CONTEXT.match(body)
    if found is None or found["noun"] not in CONTEXTS or len(words_of(found["body"])) < 2:
        return frozenset()
    return frozenset(stem(word) for word in words_of(found["condition"]) if word not in VACUOUS)


def _is_carrier(condition: str) -> bool:
    return condition.startswith(("in future", "in the future", "for the record", "in general"))


def _prefer(body: str) -> tuple[str, str]:
    """Return what is wished, and what it is preferred to."""
    found = PREFER_TO.search(body)
    if found is not None:
        return found["kept"].strip(), found["rest"].strip()
    found = REJECTED.search(body)
    if found is None or found.start() == 0:
        return body, ""
    is_limit = len(words_of(body)) > 4 or LIMITS & set(words_of(body)) - {"over"}
    prefers = PREFERS.search(body[: found.start()])
    if is_limit and not prefers and body[found.start() :].startswith("over"):
        return body, ""
    return (body[: found.start()] + body[found.end() :]).strip(" ,"), found["rest"].strip()


def _strip_denials(text: str) -> tuple[str, int]:
    text = HARMLESS.sub(lambda found: _harmless_rest(found[0]), text)
    text, left_out = LEAVE_OUT.subn(lambda found: found[1] or found[2], text)
    text, denials = DENIAL.subn(" ", text)
    return " ".join(text.split()).strip(" ,"), denials + left_out


def _harmless_rest(said: str) -> str:
    return "at most" if re.search(r"than|exceed|go |over", said) else " "


def _strip_asking(text: str) -> str:
    before = None
    while before != text:
        before = text
        text = ENDING.sub("", ASKING.sub("", text)).strip(" ,.!")
    return text


def _stems(text: str, *, keep_fillers: bool = False) -> tuple[str, ...]:
    words = words_of(text)
    return tuple(
        stem(SYNONYM_OF.get(word, word)) for word in words if keep_fillers or word not in FILLERS
    )


def _quantities(words: tuple[str, ...]) -> frozenset[float]:
    found = set()
    for word in words:
        if word in NUMBERS:
            found.add(float(NUMBERS[word]))
        elif word[0].isdigit() or (len(word) > 1 and word[1].isdigit()):
            digits = re.sub(r"[^\d.]", "", word.replace(":", "."))
            if re.fullmatch(r"\d+(\.\d+)?", digits):
                found.add(float(digits))
    return frozenset(found)


def _flags(words: tuple[str, ...]) -> tuple[bool, ...]:
    said = set(words)
    fact = bool(words) and words[0] in {
        "i",
        "i'm",
        "i've",
        "i'd",
        "my",
        "we",
        "we're",
        "our",
        "we've",
    }
    return (
        bool(said & CHANGES),
        bool(said & RETRACTIONS) or "never mind" in " ".join(words),
        bool(said & ALLOWANCES),
        bool(said & LIMITS),
        fact,
        bool(said & SIDE_BY_SIDE),
        bool(said & ONE_AT_A_TIME),
    )


def _names(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W_][\w'+#.&-]*", text)
    inner = (word.strip(".'") for word in words[1:])
    return frozenset(
        w.casefold() for w in inner if w[:1].isupper() and w not in {"I", "I'm", "I've", "I'd"}
    )
