"""Models, as OpenAI's API lists them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Model(BaseModel):
    """What may be named as ``model`` in a request.

    Attributes:
        id: Its name: the generator's, or the version of a published adapter.
        object: As OpenAI's API says.
        created: Seconds since 1970 at which it came into use; 0 for the generator.
        owned_by: ``persona_engine``, or ``cluster:NAME`` for an adapter.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class Models(BaseModel):
    """All of them, the generator first."""

    object: Literal["list"] = "list"
    data: list[Model]
