"""Long work whose progress the browser sees: an answer that comes line by line."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi.encoders import jsonable_encoder
from fastapi.responses import StreamingResponse

from persona_engine.interfaces import Progress
from persona_engine.server.problems import problem_of
from persona_engine.server.work import Lane

Line = dict[str, Any]


class LeftError(Exception):
    """Raised in the work when nobody waits for it any more."""


def followed(lane: Lane, job: Callable[[Progress], object]) -> StreamingResponse:
    """Have a job done, and answer with a JSON line for each progress and one for its result.

    The lines are ``{"progress": {"what", "done", "total"}}``, and last ``{"result": …}`` or, where
    it failed after the status was sent, ``{"error", "status"}``. When the browser leaves, the job
    ends where it next tells of progress.

    Raises:
        BusyError: There is no room for the job.
    """
    told: asyncio.Queue[Line | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    left = threading.Event()

    def tell(line: Line | None) -> None:
        loop.call_soon_threadsafe(told.put_nowait, line)

    def progress(what: str, done: int, total: int) -> None:
        if left.is_set():
            raise LeftError
        tell({"progress": {"what": what, "done": done, "total": total}})

    def work() -> None:
        try:
            tell({"result": jsonable_encoder(job(progress))})
        except LeftError:
            return
        except Exception as error:
            problem = problem_of(error)
            remedy = "" if problem.remedy is None else f". To mend it: {problem.remedy}"
            tell({"error": problem.message.rstrip(".") + remedy, "status": problem.status})
        finally:
            tell(None)

    lane.submit([work])
    return StreamingResponse(_lines(told, left), media_type="application/x-ndjson")


async def _lines(told: asyncio.Queue[Line | None], left: threading.Event) -> AsyncIterator[str]:
    try:
        while (line := await told.get()) is not None:
            yield json.dumps(line, allow_nan=False) + "\n"
    finally:
        left.set()
