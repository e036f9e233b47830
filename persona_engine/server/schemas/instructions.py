"""What people want from now on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from persona_engine.server.schemas.texts import Asked, Name, Text
from persona_engine.types import InstructionKind, Strength


class NewInstruction(Asked):
    """What a person wants from now on.

    Attributes:
        text: Their words.
        kind: What sort of wish it is.
        strength: Whether it must hold or is preferred.
        scope: When it applies, in words; empty for always, or where the text says it.
        language: BCP 47 code of the language it is said in, if known.
        valid_from: Applied from then on.
        valid_until: Applied before then.
        rests_on: Ids of the messages or comparisons that it was drawn from.
    """

    text: Text
    kind: InstructionKind = "preference"
    strength: Strength = "prefer"
    scope: Annotated[str, Field(max_length=10_000)] = ""
    language: Annotated[str, Field(max_length=64)] = ""
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    rests_on: Annotated[tuple[Name, ...], Field(max_length=1_000)] = ()


class OtherWords(Asked):
    """Other words for an instruction."""

    text: Text
