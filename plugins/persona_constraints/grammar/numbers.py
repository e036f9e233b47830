"""Whole numbers in digits and in words."""

from __future__ import annotations

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {
    **{word: n for n, word in enumerate(_SMALL)},
    **{word: 10 * n for n, word in enumerate(_TENS, start=2)},
    **{"a": 1, "an": 1, "single": 1, "dozen": 12, "once": 1, "twice": 2, "thrice": 3},
}
_ONES = "|".join(_SMALL[1:10])
_UNDER_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{_ONES}))?|{'|'.join(_SMALL[1:])})"
_SPELLED = (
    rf"(?:(?:a|{_ONES}) (?:hundred|thousand)(?:(?: and)? {_UNDER_100})?|(?:a|one|half a) dozen|"
    rf"(?:a|one) single|{_UNDER_100}|a|an|single)"
)
NUMBER = rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d+|{_SPELLED})"


def parse_number(text: str) -> int:
    """Return the value of what `NUMBER` matches.

    Examples:
        >>> [parse_number(each) for each in ("1,200", "twenty-five", "a hundred", "a dozen")]
        [1200, 25, 100, 12]
    """
    plain = text.lower().replace(",", "").strip()
    if plain.isdigit():
        return int(plain)
    if plain == "half a dozen":
        return 6
    total = 0
    for word in plain.replace("-", " ").split():
        if word in ("hundred", "thousand"):
            total = max(total, 1) * (100 if word == "hundred" else 1000)
        elif word == "dozen":
            total = 12
        elif word == "single":
            total = 1
        else:
            total += _VALUES.get(word, 0)
    return total
