"""Kinds of values that many requests hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from persona_engine.server.paths import decoded

LONGEST_TEXT = 1_000_000

Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
PathName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(decoded)]


class Asked(BaseModel):
    """A request's body; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid")
