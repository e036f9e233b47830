"""Constraints on where something stands, and on the form of the whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from persona_constraints.languages import is_in_language, language_name
from persona_constraints.outcome import Outcome
from persona_constraints.spelling import Variety, foreign_spellings

_MARKUP = " \t\n*_#>\"'“‘`"
_FENCES = ("```json", "```Json", "```JSON", "```")


@dataclass(frozen=True, slots=True)
class Opens:
    """The reply begins with a phrase, or does not. Case and leading markup make no difference."""

    phrase: str
    wanted: bool = True

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        opening = plain_quotes(reply.lstrip(_MARKUP)).lower()
        phrase = plain_quotes(self.phrase.lstrip(_MARKUP)).lower()
        follows = opening[len(phrase) : len(phrase) + 1]
        found = opening.startswith(phrase) and not (phrase[-1:].isalnum() and follows.isalnum())
        return Outcome(found == self.wanted, f"it begins with {reply.strip()[:40]!r}")


@dataclass(frozen=True, slots=True)
class Closes:
    """The reply ends with a phrase, or does not. Case and quotes around it make no difference."""

    phrase: str
    wanted: bool = True

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        found = reply.strip().strip('"').lower().endswith(self.phrase.strip().lower())
        return Outcome(found == self.wanted, f"it ends with {reply.strip()[-40:]!r}")


@dataclass(frozen=True, slots=True)
class Quoted:
    """Double quotation marks stand around the whole reply."""

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        text = reply.strip()
        found = len(text) > 1 and text[0] == text[-1] == '"'
        return Outcome(found, "it is in quotes" if found else "no double quotes stand around it")


@dataclass(frozen=True, slots=True)
class Json:
    """The reply is valid JSON, in a fence or not."""

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        text = reply.strip()
        for fence in _FENCES:
            text = text.removeprefix(fence)
        try:
            json.loads(text.removesuffix("```").strip())
        except ValueError as error:
            return Outcome(False, f"no valid JSON: {error}")
        except RecursionError:
            return Outcome(False, "no valid JSON: nested too deep")
        return Outcome(True, "it is valid JSON")


@dataclass(frozen=True, slots=True)
class Case:
    """All letters are small or capital ones, or are not.

    Args:
        case: ``lower`` or ``upper``.
        wanted: Whether they are to be.
    """

    case: Literal["lower", "upper"]
    wanted: bool = True

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        found = reply.islower() if self.case == "lower" else reply.isupper()
        seen = "all" if found else "not all"
        return Outcome(found == self.wanted, f"it is {seen} {self.case} case")


@dataclass(frozen=True, slots=True)
class InLanguage:
    """The reply is in a language.

    Args:
        code: ISO 639-1.
        entire: Code, links and all; else these are left out, and so short a text that detection
            is a guess may be in any of its likely languages.
    """

    code: str
    entire: bool = False

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        found, seen = is_in_language(reply, self.code, entire=self.entire)
        return Outcome(found, f"{seen}, {language_name(self.code)} wanted")


@dataclass(frozen=True, slots=True)
class Spelling:
    """No word is spelled as only the other variety of English does."""

    variety: Variety

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        foreign = foreign_spellings(reply, self.variety)
        if foreign:
            return Outcome(False, f"not {self.variety} spelling: {', '.join(foreign[:5])}")
        return Outcome(True, f"no word is against {self.variety} spelling")


@dataclass(frozen=True, slots=True)
class Postscript:
    """A postscript with this marker, such as ``P.S.``, in any case."""

    marker: str

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
        pattern = known.get(self.marker, re.escape(self.marker.lower()))
        found = re.search(pattern, reply.lower()) is not None
        return Outcome(found, f"{self.marker} {'stands' if found else 'does not stand'} in it")


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Two different replies with ``******`` between them."""

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        parts = [part.strip() for part in reply.split("******")]
        filled = [part for part in parts if part]
        inner = all(parts[1:-1])
        found = inner and len(filled) == 2 and filled[0] != filled[1]
        return Outcome(found, f"{len(set(filled))} different replies, 2 wanted")


@dataclass(frozen=True, slots=True)
class OneOf:
    """The reply is, or has in it, one of some sentences.

    Args:
        options: What may be said.
        only: Nothing else may stand beside it; case and final punctuation make no difference.
    """

    options: tuple[str, ...]
    only: bool = False

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        if self.only:
            bare = reply.strip(" \t\n.!\"'*").casefold()
            found = bare in {option.strip(" .!\"'").casefold() for option in self.options}
        else:
            found = any(option in reply for option in self.options)
        listed = ", ".join(map(repr, self.options))
        return Outcome(found, f"{'one' if found else 'none'} of {listed}")


@dataclass(frozen=True, slots=True)
class RepeatsRequest:
    """The reply begins with the request, word for word.

    Args:
        request: What to repeat; None for the whole of the user's message.
    """

    request: str | None = None

    def holds(self, reply: str, prompt: str) -> Outcome:
        """Judge a reply."""
        wanted = prompt if self.request is None else self.request
        found = reply.strip().lower().startswith(wanted.strip().lower())
        return Outcome(found, f"it {'begins' if found else 'does not begin'} with the request")


def plain_quotes(text: str) -> str:
    """Return the text with straight apostrophes and quotes."""
    return text.translate(str.maketrans("’‘“”", "''\"\""))
