"""Whether the server lives, and whether it can answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests are answered.

    Attributes:
        ready: It.
        reason: Why not, or None.
    """

    ready: bool
    reason: str | None = None
