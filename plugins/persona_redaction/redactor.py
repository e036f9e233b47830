"""The redactor: what each kind of personal data becomes, and in which order it is looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from persona_engine.errors import ConfigError, MissingExtraError
from persona_redaction.finders import Kind, Span, cards, emails, keys, phones, require_libraries

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What can be taken out."""


class PersonalData:
    """Takes e-mail addresses, phone numbers, payment cards and keys out of texts.

    Each becomes a word in brackets, such as ``[phone]``, so that a text still reads. Phone numbers
    are recognised by Google's metadata of every country's numbering plan (`phonenumbers`), keys by
    the patterns of `detect-secrets` and of providers that it does not know, cards by their issuers'
    ranges and the check digit of Luhn (1960, US patent 2950048). Names, addresses and dates of
    birth stay: telling these from other words takes a language model.

    Args:
        kinds: What to take out.
        regions: Countries, by their ISO 3166 codes, whose national numbers are recognised beside
            international ones, which begin with ``+``.

    Raises:
        ConfigError: There is no such kind or country, or nothing is to be taken out.
        MissingExtraError: The libraries are not installed.

    Examples:
        >>> personal_data = PersonalData()
        >>> personal_data.redact("Write to ada@example.org or call +44 20 7946 0958.")
        'Write to [e-mail] or call [phone].'
    """

    name = "personal_data"

    def __init__(
        self, *, kinds: Sequence[str] = KINDS, regions: Sequence[str] = ("US", "GB")
    ) -> None:
        unknown = [each for each in kinds if each not in KINDS]
        if unknown or not kinds or isinstance(kinds, str):
            raise ConfigError(f"kinds is {kinds!r}, expected some of {', '.join(KINDS)}")
        try:
            countries = require_libraries()
        except ImportError as error:
            raise MissingExtraError(
                f"the redactor needs a package that is not installed ({error})",
                remedy="pip install 'persona-engine[redaction]'",
            ) from error
        wrong = [each for each in regions if each not in countries]
        if wrong or isinstance(regions, str):
            raise ConfigError(
                f"regions is {regions!r}, expected a list of ISO 3166 codes such as US or DE"
            )
        finders: dict[Kind, Callable[[str], list[Span]]] = {
            "key": keys,
            "e-mail": emails,
            "card": cards,
            "phone": lambda text: phones(text, regions),
        }
        # In this order: a key may hold an address, and a card's digits look like a phone's.
        self._finders = [(kind, finders[kind]) for kind in finders if kind in kinds]

    def redact(self, text: str) -> str:
        """Return the text with a word in brackets for each thing that was found."""
        for kind, find in self._finders:
            text = _replaced(text, find(text), f"[{kind}]")
        return text


def _replaced(text: str, spans: list[Span], word: str) -> str:
    """Put a word in the place of each span; of spans that overlap, in that of all together."""
    parts: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if start >= done:
            parts += [text[done:start], word]
        done = max(done, end)
    return "".join(parts) + text[done:]
