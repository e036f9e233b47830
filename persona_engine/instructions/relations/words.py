"""Words by which an instruction changes, allows or limits; fillers; opposites and synonyms."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


CHANGES = _set(
    "now instead again anymore longer switched switch changed change moved move became become "
    "relocated started start stopped stop quit back actually used correction cancelled upgraded "
    "sold bought joined converted recently just got gone postponed begun began turned these "
    "since already raised went left returned renamed transferred swapped replaced new today lately "
    "yet after all"
)
RETRACTIONS = _set("forget ignore scrap disregard cancel undo nevermind")
ALLOWANCES = _set(
    "fine ok okay may allowed welcome acceptable mind free alright can tolerate again happy need "
    "necessary"
)
LIMITS = _set(
    "most maximum max under below fewer less limit more exceed least minimum over up within longer "
    "shorter than only"
)
FILLERS = _set(
    "a an the to of please always kindly just do does be is are am was were and would want "
    "wants like could can should will that this it its it's i "
    "i'm i'd i'll i've me my mine we our us "
    "you your "
    "yours answer answers reply replies respond response responses write writing from now on any "
    "some so when whenever if for in at with by as every each all have has had get got make made "
    "give gives use using used keep put let there here too also really very much many more prefer "
    "rather than instead again anymore longer any thing things way kind sort one ones need needs "
    "must shall may might today currently these days by default generally usually remember note "
    "actually anyway well thanks thank hey hi okay"
)
# Facts of these kinds stand side by side: a second dog does not drive out the first.
SIDE_BY_SIDE = _set(
    "have own like love enjoy hate dislike allergic allergy interested fan into suffer play "
    "collect learning know speak good bad subscribe take grow visited been include add avoid "
    "mention suggest wear"
)
# Facts of these kinds have one value at a time.
ONE_AT_A_TIME = _set(
    "favourite favorite call name named called live living based reside born age old birthday "
    "married size budget height weigh weight boss manager address email number phone home default "
    "deadline due bedtime goal job commute earn salary pronouns timezone zone"
)


def _read_lexicon() -> tuple[dict[str, frozenset[str]], dict[str, str], dict[str, str]]:
    """Return each word's opposites, its first synonym, and the class of values that it is of."""
    opposites: dict[str, set[str]] = {}
    synonyms: dict[str, str] = {}
    classes: dict[str, str] = {}
    for line in (DATA / "lexicon.txt").read_text(encoding="utf-8").splitlines():
        head, _, rest = line.partition(": ")
        words = rest.split()
        if head == "opposites":
            opposites.setdefault(words[0], set()).add(words[1])
            opposites.setdefault(words[1], set()).add(words[0])
        elif head == "synonyms":
            for word in words:
                synonyms.setdefault(word, words[0])
        elif head.startswith("class "):
            classes.update(dict.fromkeys(words, head.removeprefix("class ")))
    return {word: frozenset(others) for word, others in opposites.items()}, synonyms, classes


OPPOSITES, SYNONYM_OF, CLASS_OF = _read_lexicon()
NUMBERS = {
    word: value
    for value, words in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
    for word in (words,)
} | {
    "single": 1,
    "once": 1,
    "twice": 2,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "ninety": 90,
    "hundred": 100,
    "thousand": 1000,
    "half": 0.5,
    "dozen": 12,
    "couple": 2,
    "noon": 12,
    "midnight": 24,
}
del NUMBERS["one"]
NUMBERS["one"] = 1
# Nouns that say where a wish holds: "in emails", "for code".
CONTEXTS = _set(
    "email emails mail mails message messages chat chats text texts sms code coding programming "
    "script scripts report reports essay essays document documents slide slides presentation "
    "presentations summary summaries recipe recipes meeting meetings flight flights trip trips "
    "travel hotel hotels morning mornings evening evenings night weekday weekdays weekend weekends "
    "summer winter spring autumn lunch dinner breakfast homework school letter letters post posts "
    "tweet tweets blog blogs review reviews test tests question questions "
    "maths math science history news story stories poem poems work holiday holidays vacation "
    "translation translations contract contracts invoice invoices list lists table tables heading "
    "headings chart charts conversation conversations discussion lecture lectures class classes "
    "clients client customers colleagues boss friends kids children family parents party parties "
    "readme readmes docs documentation comment comments bug bugs debugging research papers paper "
    "thesis advice shopping finance health fitness workout workouts cooking interview interviews"
)
