"""A person's words as an instruction: "could u stop using emojis?" becomes "Do not use emojis."."""

from __future__ import annotations

import re

from persona_signals.lexicon import words_of
from persona_signals.spelling import normalise

_LEAD = re.compile(
    r"^(?:(?:thanks|thank you|great|ok(?:ay)?|oh|and|also|but|so|btw|by the way|(?:one|another|"
    r"last|quick) (?:more )?(?:thing|note|request|rule)|just so you know|fyi|"
    r"for your information|note(?: (?:for the future|to you))?|p\.?s\.?|hey|hi|hello|well|"
    r"actually|honestly|look|listen|right|yeah|yes|sorry|"
    r"good|nice|cool|perfect|hm+|um+|general rule|please note|for future reference|for next "
    r"time|for the record|plus|anyway|reminder|again|"
    r"i should (?:say|mention)|remember(?: (?:for (?:next time|the future|"
    r"later)))?)\b[\s,!.:;–—-]+|[\s,!.:;–—-]+)",
    re.IGNORECASE,
)
_DURABLE = (
    r"(?:from (?:now|here|this point)(?: on(?:wards?)?| forward)?(?: out| in)?|going forwards?|"
    r"moving forwards?|in (?:the )?future|henceforth|"
    r"as a (?:general )?rule|by default|in general|for good|any ?more|ever again)"
)
_DROPPED = (
    re.compile(rf"^{_DURABLE}\b[\s,:]*|[\s,]*\b{_DURABLE}(?=[\s,.!?]*$)", re.IGNORECASE),
    re.compile(
        r"\b(?:please|kindly|thanks|thank you|cheers|ok(?:ay)?|alright|if you (?:don't mind|"
        r"would|could|can)|that'd be great|btw|by the way)(?=[\s,.!?]*$)",
        re.IGNORECASE,
    ),
    re.compile(r"^(?:please|kindly|just)\b[\s,]*", re.IGNORECASE),
    re.compile(
        r"^(?:remember|keep in mind|bear in mind|note|don't forget|make a note|take note|"
        r"know)\b(?: (?:for me|that)\b| to\b)*[\s,:]*(?=\w)",
        re.IGNORECASE,
    ),
)
_NOT = "Do not {}"
# How a wish is said, and what it comes to; {} is the rest in its base form.
_FORMS: tuple[tuple[re.Pattern[str], str, bool], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), result, is_gerund)
    for pattern, result, is_gerund in (
        (r"^(?:would|do) you mind not (?P<rest>\w+ing\b.*)", _NOT, True),
        (
            r"^(?:can|could|would|will) you (?:please )?(?:stop|quit) (?P<rest>\w+ing\b.*)",
            _NOT,
            True,
        ),
        (r"^(?:stop|quit|refrain from|cease) (?P<rest>\w+ing\b.*)", _NOT, True),
        (
            r"^i (?:want|need|would like|'d like) you to (?:stop|quit) (?P<rest>\w+ing\b.*)",
            _NOT,
            True,
        ),
        (
            r"^(?:(?:i (?:\w+ )?(?:hate|dislike|don't like|do not like|can't stand)|it (?:\w+ "
            r")?(?:annoys|bothers|bugs|irritates) me|it (?:\w+ )?drives me \w+)"
            r"(?: it)? when you|i (?:really )?wish you (?:wouldn't|didn't)) (?:always |keep "
            r")?(?P<rest>(?!\w+ing\b).*)",
            _NOT,
            False,
        ),
        (
            r"^(?:i (?:\w+ )?(?:hate|dislike|don't like|can't stand)) you (?P<rest>\w+ing\b.*)",
            _NOT,
            True,
        ),
        (
            r"^i(?:'d| would) (?:\w+ )?(?:prefer|rather|appreciate)(?: it)?(?: if)? you "
            r"(?:didn't|don't|not|wouldn't) (?P<rest>.*)",
            _NOT,
            False,
        ),
        (r"^i never want you to (?P<rest>.*)", "Never {}", False),
        (r"^i (?:don't|do not) want you to (?P<rest>.*)", _NOT, False),
        (r"^(?:you )?(?:don't|do not) ever (?P<rest>.*)", "Never {}", False),
        (r"^(?:enough with|no more) (?:of )?(?:all )?(?:the )?(?P<rest>.*)", "No {}", False),
        (
            r"^i(?:'d| would)? (?:\w+ )?(?:want|need|like|prefer|love) (?:it if )?you to "
            r"(?P<rest>.*)",
            "{}",
            False,
        ),
        (
            r"^i (?:\w+ )?(?:like|love|prefer|appreciate) it (?:when|if) you (?P<rest>.*)",
            "{}",
            False,
        ),
        (r"^(?:can|could|would|will) you (?:please )?(?:maybe )?(?P<rest>.*)", "{}", False),
        (r"^you (?:should|must|have to|need to) (?P<rest>.*)", "{}", False),
        (r"^let's agree (?:that )?you(?:'ll| will) (?P<rest>.*)", "{}", False),
    )
)
_E_VERBS = words_of("verbs_in_e")
_FIRST_PERSON = (
    (r"\bi'm\b", "I am"),
    (r"\bi've\b", "I have"),
    (r"\bwe're\b", "we are"),
    (r"\bi'd\b", "I would"),
    (r"\bi\b", "I"),
    (r"\bi'll\b", "I will"),
    (r"\bname's\b", "name is"),
)


def instruction_text(words: str, *, is_fact: bool) -> str:
    """Return a wish or fact as one clear sentence.

    Args:
        words: The person's, as they stand.
        is_fact: Whether they say something of themselves.

    Examples:
        >>> instruction_text("oh and pls stop using bullet points!!", is_fact=False)
        'Do not use bullet points.'
        >>> instruction_text("From now on, could you always give me sources?", is_fact=False)
        'Always give me sources.'
        >>> instruction_text("im vegan btw", is_fact=True)
        'I am vegan.'
    """
    text = _bare(normalise(words))
    if not is_fact:
        text = _bare(_imperative(text))
    return _finished(text)


def _bare(text: str) -> str:
    """Return a wish without what leads up to it, says how long, or is polite."""
    for _ in range(4):
        shorter = _LEAD.sub("", text)
        for pattern in _DROPPED:
            shorter = pattern.sub("", shorter).strip(" ,;:")
        if shorter == text or not re.search(r"\w", shorter):
            break
        text = shorter
    return text


def _imperative(text: str) -> str:
    for pattern, result, is_gerund in _FORMS:
        found = pattern.match(text)
        if found is None or not found["rest"].strip(" ?.!"):
            continue
        rest = found["rest"].strip()
        if not is_gerund:
            return result.format(re.sub(r"^(?:please|kindly|just) ", "", rest, flags=re.IGNORECASE))
        verb, _, others = rest.partition(" ")
        base = base_form(verb)
        return f"Avoid {rest}" if base is None else result.format(f"{base} {others}".strip())
    return text


def base_form(gerund: str) -> str | None:
    """Return the verb of an -ing form, or None where the spelling leaves it open.

    Examples:
        >>> [base_form(each) for each in ("using", "putting", "calling", "repeating", "saying")]
        ['use', 'put', 'call', 'repeat', 'say']
    """
    stem = gerund.casefold().removesuffix("ing")
    if stem == gerund.casefold() or len(stem) < 2:
        return None
    if stem in _E_VERBS or re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", stem):
        return stem + "e"
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] in "bdgmnprt":
        return stem[:-1]
    if re.search(r"(?:[^aeiou][aiou]t|[aeiou][cgvz]|[^su]s|u|[lr]v|dg|nc|rc|[bdgpt]l)$", stem):
        return None
    return stem


def _finished(text: str) -> str:
    for pattern, full in _FIRST_PERSON:
        text = re.sub(pattern, full, text, flags=re.IGNORECASE)
    text = text.strip(" ,;:-–—?!.…") or text
    text = text[0].upper() + text[1:]
    return text if text.endswith((")", '"', "”")) and text[-2:-1] in ".!?" else f"{text}."
