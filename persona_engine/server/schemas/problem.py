"""What an error looks like."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ProblemBody(BaseModel):
    """One thing that went wrong, of REST routes.

    Attributes:
        type: Its kind, for programs.
        message: What is wrong, with the value at fault and what was expected.
        remedy: What to do, or None.
        request_id: The request's, to quote in a report.
    """

    model_config = ConfigDict(extra="forbid")

    type: str
    message: str
    remedy: str | None
    request_id: str | None


class OpenAIError(BaseModel):
    """One thing that went wrong, as OpenAI's API tells it.

    Attributes:
        message: What is wrong, and what to do.
        type: Its kind, as OpenAI names it.
        param: Field of the request, or None.
        code: Its kind, as this server names it.
    """

    model_config = ConfigDict(extra="forbid")

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorBody(BaseModel):
    """An error under ``/v1``."""

    model_config = ConfigDict(extra="forbid")

    error: OpenAIError
