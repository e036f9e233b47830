"""Which refusals routes document: what every route may answer, beside what it is for."""

from __future__ import annotations

from typing import Any

from persona_engine.server.schemas.problem import OpenAIErrorBody, ProblemBody

_WORDS = {
    400: "The request cannot be used.",
    401: "No key, or one that is unknown, expired or revoked.",
    403: "The key lacks the scope.",
    404: "No such thing of this tenant; somebody else's looks the same.",
    409: "It does not fit what is stored, or cannot be done yet.",
    413: "The request is too large.",
    422: "A value cannot be used.",
    429: "Too many requests; Retry-After says when to come again.",
    503: "Not now; Retry-After says when to come again.",
    504: "It took too long.",
}

_EVERY = (401, 403, 413, 429, 503)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what REST routes may refuse with, for ``responses=``."""
    return _told(ProblemBody, (422, *_EVERY, *statuses))


def openai_refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what routes under ``/v1`` may refuse with, for ``responses=``."""
    return _told(OpenAIErrorBody, (*_EVERY, *statuses))


def _told(model: type[Any], statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    return {each: {"model": model, "description": _WORDS[each]} for each in sorted(set(statuses))}
