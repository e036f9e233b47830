"""What goes wrong, as HTTP: a status, and a body in the words of whoever asked.

REST routes answer with a `Problem`; the routes under ``/v1`` as OpenAI's API does, so that its
clients raise the errors that their users know.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from persona_engine.errors import (
    ArtefactError,
    ConflictError,
    FingerprintMismatchError,
    GenerationError,
    InvalidInputError,
    MissingExtraError,
    NoPopulationError,
    NotFoundError,
    PersonaError,
    StoreUnavailableError,
    WeightsError,
)
from persona_engine.server.work import BusyError

logger = logging.getLogger("persona_engine.server")

_OPENAI = "/v1/"

_STATUS: tuple[tuple[type[PersonaError], int, str], ...] = (
    (InvalidInputError, 422, "invalid_input"),
    (NotFoundError, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (FingerprintMismatchError, 409, "conflict"),
    (NoPopulationError, 409, "no_population"),
    (ArtefactError, 409, "damaged_artefact"),
    (MissingExtraError, 501, "missing_extra"),
)

_NOT_NOW: tuple[tuple[type[PersonaError], str], ...] = (
    (StoreUnavailableError, "the database cannot be used now"),
    (WeightsError, "the language model cannot be used now"),
    (GenerationError, "the language model could not answer"),
)
_LATER = "try again later; the server's log says more"

_TYPES = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "invalid_input",
    422: "invalid_input",
    429: "too_many_requests",
    501: "missing_extra",
    503: "unavailable",
    504: "timeout",
}

_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong.

    Args:
        status: HTTP status.
        type: Its kind, for programs.
        message: What is wrong, with the value at fault and what was expected.
        remedy: What to do, or None.
        param: Which field of the request, or None.
        headers: Of the answer.
    """

    status: int
    type: str
    message: str
    remedy: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


_UNFORESEEN = Problem(
    500, "internal", "the server failed unexpectedly", "report it with the request's id"
)


class _Answered(JSONResponse):
    """JSON that holds whatever was sent, even what UTF-8 cannot."""

    def render(self, content: object) -> bytes:
        return json.dumps(content).encode()


class RefusedError(Exception):
    """Raised by a route to answer with a problem of its own."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


def install(app: FastAPI) -> None:
    """Have every error of an app answered as a problem."""
    for kind in (
        PersonaError,
        BusyError,
        TimeoutError,
        RefusedError,
        RequestValidationError,
        HTTPException,
        Exception,
    ):
        app.add_exception_handler(kind, _handled)


def problem_of(error: BaseException) -> Problem:
    """Return what an error is to whoever asked; what nobody foresaw tells nothing of itself."""
    found = next((tell(error) for kind, tell in _TOLD if isinstance(error, kind)), None)
    if found is None:
        found = Problem(
            500, "internal", "the server failed unexpectedly", "report the request's id"
        )
    return found


def answered(request: Request, problem: Problem) -> JSONResponse:
    """Return a problem as the answer to a request."""
    openai = request.url.path.startswith(_OPENAI)
    status = 400 if openai and problem.status == 422 else problem.status
    body = openai_error(problem) if openai else _plain(request, problem)
    return _Answered(body, status, headers=dict(problem.headers))


def openai_error(problem: Problem) -> dict[str, Any]:
    """Return a problem in the words of OpenAI's API."""
    status = 400 if problem.status == 422 else problem.status
    fallback = "invalid_request_error" if status < 500 else "server_error"
    message = problem.message
    if problem.remedy is not None:
        message = f"{message.rstrip('.')}. To mend it: {problem.remedy}"
    return {
        "error": {
            "message": message,
            "type": _OPENAI_TYPES.get(status, fallback),
            "param": problem.param,
            "code": problem.type,
        }
    }


def request_id(request: Request) -> str | None:
    """Return the id of a request, where it has one."""
    found = getattr(request.state, "request_id", None)
    return None if found is None else str(found)


async def _handled(request: Request, error: Exception) -> JSONResponse:
    problem = problem_of(error)
    if problem.status >= 500:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answered(request, problem)


def _plain(request: Request, problem: Problem) -> dict[str, Any]:
    return {
        "type": problem.type,
        "message": problem.message,
        "remedy": problem.remedy,
        "request_id": request_id(request),
    }


def _of_engine(error: PersonaError) -> Problem:
    for kind, status, name in _STATUS:
        if isinstance(error, kind):
            return Problem(status, name, error.message, error.remedy)
    for kind, message in _NOT_NOW:
        if isinstance(error, kind):  # the log tells operators which file or server it is
            return Problem(503, "unavailable", message, _LATER, headers=(("Retry-After", "1"),))
    return _UNFORESEEN


def _of_fields(error: RequestValidationError) -> Problem:
    """Tell the first field at fault, and how many more there are."""
    faults = error.errors()
    first = faults[0]
    place = [str(part) for part in first["loc"]]
    name = ".".join(place[1:]) or place[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    message = f"{name}: {first['msg']}{more}"
    return Problem(422, "invalid_input", message, "correct the request", param=name)


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == 400:  # what is no JSON at all, such as bytes that are no UTF-8
        return Problem(422, "invalid_input", "the body cannot be read", "send JSON in UTF-8")
    kind = _TYPES.get(error.status_code, "error")
    headers = tuple((error.headers or {}).items())
    return Problem(error.status_code, kind, str(error.detail), headers=headers)


def _of_busy(error: BusyError) -> Problem:
    wait = (("Retry-After", str(error.retry_after)),)
    return Problem(429, "too_many_requests", str(error), "try again later", headers=wait)


def _of_timeout(_: TimeoutError) -> Problem:
    message = "the request took longer than the server allows"
    return Problem(504, "timeout", message, "ask for a shorter reply, or try again later")


_TOLD: tuple[tuple[type[BaseException], Callable[[Any], Problem]], ...] = (
    (RefusedError, lambda error: error.problem),
    (PersonaError, _of_engine),
    (BusyError, _of_busy),
    (TimeoutError, _of_timeout),
    (RequestValidationError, _of_fields),
    (HTTPException, _of_http),
)
