"""Logs without secrets and without what people write.

Log lines of this package are constant texts with arguments, so what a person wrote can get into a
line by an argument, by an exception that quotes it, or by a library that writes as it likes. Hence
three rules: arguments that are no plain names or numbers are left out; exceptions are told by their
class and their stack, without their message; and whatever of the request's own texts, or of what
looks like a secret, is left in a line is taken out of it.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import date, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from persona_engine.server.security import request_ids

REDACTED = "[redacted]"

body_of_request: ContextVar[bytes | None] = ContextVar("body_of_request", default=None)
"""The body of the request that is being answered here; read only when something is logged."""

_PLAIN = (bool, int, float, type(None), date, timedelta, UUID, Enum, PurePath)
_NAMES = frozenset(("model", "role", "type", "name", "user", "id", "source", "kind", "decoder"))
_SHORTEST = 8
_LONGEST_QUOTE = 40
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), told)
    for pattern, told in (
        (r"persona_([0-9a-f]{16})_[A-Za-z0-9_-]{20,}", rf"persona_\1_{REDACTED}"),
        (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", rf"\1 {REDACTED}"),
        (
            r"(?i)\b((?:set-)?cookie|authorization|x-api-key|x-csrf-token|api[_-]?key|password"
            r"|secret|token|persona_session)([\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]{4,}",
            rf"\1\2{REDACTED}",
        ),
        (r"\b(sk|pk|rk)-[A-Za-z0-9_-]{16,}", rf"\1-{REDACTED}"),
        (r"\b(gh[pousr]|hf|xox[abprs])[_-][A-Za-z0-9_-]{16,}", rf"\1_{REDACTED}"),
        (r"\bAKIA[0-9A-Z]{16}\b", REDACTED),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", REDACTED),
        (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*-----|$)", REDACTED),
        (r"([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+@", rf"\1:{REDACTED}@"),
    )
)


class LogRedaction(logging.Filter):
    """Takes secrets and people's texts out of records; to be added to every handler.

    A filter of a logger does not see what its children log; a handler's does.

    Examples:
        >>> record = logging.makeLogRecord({"msg": "key %s for %s", "args": ("k1", "a b c")})
        >>> _ = LogRedaction().filter(record)
        >>> record.getMessage()
        'key k1 for [text of 5 characters]'
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record in place; every record passes."""
        if not getattr(record, "redacted", False):
            record.redacted = True
            record.msg, record.args = _scrubbed(_message(record)), ()
            if record.exc_info:
                error = record.exc_info[1]
                record.exc_text = None if error is None else _stack_of(error)
                record.exc_info = None
            elif record.exc_text:
                record.exc_text = _scrubbed(record.exc_text)
            if record.stack_info:
                record.stack_info = _scrubbed(record.stack_info)
        return True


def configure_logs(level: int = logging.INFO) -> None:
    """Have this process log to stderr, each line with its request's id, and redacted.

    Where somebody has set up logging already it stays theirs.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.addFilter(request_ids.RequestIdFilter())
    handler.addFilter(LogRedaction())
    form = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
    handler.setFormatter(logging.Formatter(form))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in ("persona_engine", "uvicorn"):
        logging.getLogger(name).setLevel(level)


def _message(record: logging.LogRecord) -> str:
    """Return the line of a record, with no argument that may be what somebody wrote."""
    if isinstance(record.msg, BaseException):
        return str(_argument(record.msg))
    text = str(record.msg)
    if record.name == "asyncio":
        text = text.partition("\n")[0]  # the lines below quote the error of a task
    args: Any = record.args
    if not args:
        return text
    try:
        if isinstance(args, Mapping):
            return text % {name: _argument(each) for name, each in args.items()}
        return text % tuple(_argument(each) for each in args)
    except (TypeError, ValueError):  # %d of what was left out
        return f"{text} {REDACTED}"


def _argument(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, OSError):
        return f"{type(value).__name__}: {value.strerror or value.errno}"
    if isinstance(value, BaseException):
        outside = request_ids.current() is None
        return f"{type(value).__name__}: {value}" if outside else type(value).__name__
    if isinstance(value, str):
        return f"[text of {len(value)} characters]" if re.search(r"\s", value) else value
    return f"[{type(value).__name__}]"


def _stack_of(error: BaseException) -> str:
    """Return the traceback of an error and of what caused it, without any message."""
    parts = list(_parts(traceback.TracebackException.from_exception(error), set()))
    return _scrubbed("\n".join(parts))


def _parts(told: traceback.TracebackException, seen: set[int]) -> Iterator[str]:
    if id(told) in seen:
        return
    seen.add(id(told))
    cause = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    if cause is not None:
        yield from _parts(cause, seen)
        yield "which led to:"
    yield "Traceback (most recent call last):"
    yield "".join(told.stack.format()).rstrip("\n")
    yield _class_of(told)
    for each in told.exceptions or ():
        yield "with:"
        yield from _parts(each, seen)


def _class_of(told: traceback.TracebackException) -> str:
    kind: Any = getattr(told, "exc_type", None)
    return "error" if kind is None else f"{kind.__module__}.{kind.__qualname__}"


def _scrubbed(line: str) -> str:
    for text in _texts_of_request():
        line = _without(line, text)
    for pattern, told in _SECRETS:
        line = pattern.sub(told, line)
    return line


def _without(line: str, text: str) -> str:
    """Take a text out of a line, also where it was cut or escaped."""
    for form in {text, repr(text)[1:-1], ascii(text)[1:-1], json.dumps(text)[1:-1]}:
        line = line.replace(form, REDACTED)
        start = form[:_LONGEST_QUOTE]
        if len(form) > _LONGEST_QUOTE and start in line:
            line = f"{line[: line.index(start)]}{REDACTED}"
    return line


def _texts_of_request() -> list[str]:
    body = body_of_request.get()
    if not body:
        return []
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    found = {each for each in _leaves(document, "") if len(each) >= _SHORTEST or " " in each}
    return sorted(found, key=len, reverse=True)


def _leaves(value: object, name: str) -> Iterator[str]:
    if isinstance(value, str):
        if name not in _NAMES or re.search(r"\s", value):
            yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, name)
