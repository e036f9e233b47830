"""What is asked and told of people."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from persona_engine.server.schemas.texts import Asked, Name


class Users(BaseModel):
    """A page of a tenant's users, sorted by name.

    Attributes:
        users: Their names.
        next: Pass it as `after` for the next page; None on the last.
    """

    users: list[str]
    next: str | None


class Steering(Asked):
    """What a person wants of replies, by attribute; 0 or None takes it back.

    Attributes:
        strengths: -10 to 10, by the name of an attribute or of one of its poles.
    """

    strengths: dict[Name, Annotated[float, Field(ge=-10.0, le=10.0)] | None]


class Description(Asked):
    """What the host knows of a person; empty text takes it back, None leaves it.

    Attributes:
        locale: Such as ``de-AT``.
        traits: In words, such as ``nurse, night shifts, hates small talk``.
    """

    locale: Annotated[str, Field(max_length=256)] | None = None
    traits: Annotated[str, Field(max_length=10_000)] | None = None


class Described(BaseModel):
    """What came of a description.

    Attributes:
        neighbours: People described alike whose answers are presumed to be like this person's.
    """

    neighbours: int


class Document(Asked):
    """What an export wrote.

    Attributes:
        document: It.
    """

    document: dict[str, Any]


class Imported(BaseModel):
    """What was written.

    Attributes:
        rows: How many rows; those that were there already are not counted.
    """

    rows: int


class ComparisonRow(Asked):
    """One comparison of one user."""

    user: Name
    prompt: Annotated[str, Field(min_length=1)]
    chosen: Annotated[str, Field(min_length=1)]
    rejected: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(ge=0.0)] = 1.0
    tie: bool = False


class ComparisonRows(Asked):
    """Comparisons of many users: all of them are written, or none."""

    rows: Annotated[list[ComparisonRow], Field(min_length=1, max_length=100_000)]
