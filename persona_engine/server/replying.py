"""Replies that grow in threads, are read from the event loop, and stop when nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fastapi import Request

from persona_engine.server.work import Lane
from persona_engine.streaming import ReplyStream
from persona_engine.types import Reply


class ClientLeftError(Exception):
    """Nobody is there to answer."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What one of several replies has grown by, or the whole of it, once.

    Args:
        index: Which reply.
        piece: Text, or empty with the whole.
        reply: The whole, or None before it is complete.
    """

    index: int
    piece: str
    reply: Reply | None = None


class Replies:
    """Several replies that grow beside one another, as a context that ends them when it is left.

    They end too when the client leaves, and when they have taken too long.

    Args:
        streams: The replies, not begun.
        lane: Where they are generated.
        request: Whose; its body has been read.
        seconds: Longest time, waiting included; None for no limit.
    """

    def __init__(
        self,
        streams: Sequence[ReplyStream],
        lane: Lane,
        request: Request,
        *,
        seconds: float | None,
    ) -> None:
        self._streams = streams
        self._lane = lane
        self._request = request
        self._seconds = seconds
        self._events: asyncio.Queue[Grown | BaseException] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._jobs: list[Future[None]] = []
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def grown(self) -> AsyncIterator[Grown]:
        """Yield what grows until all are complete.

        Raises:
            ClientLeftError: The client left.
            TimeoutError: It took too long.
            PersonaError: What generating raised.
        """
        missing = len(self._streams)
        while missing:
            event = await self._events.get()
            if isinstance(event, BaseException):
                raise event
            missing -= event.reply is not None
            yield event

    async def whole(self) -> list[Reply]:
        """Return the complete replies; raises as `grown` does."""
        found = {each.index: each.reply async for each in self.grown() if each.reply is not None}
        return [found[index] for index in sorted(found)]

    async def __aenter__(self) -> Self:
        """Put them in the queue.

        Raises:
            BusyError: There is no room for all of them.
        """
        self._jobs = self._lane.submit([self._job(i) for i in range(len(self._streams))])
        self._watcher = asyncio.create_task(self._watch())
        if self._seconds is not None:
            self._timer = self._loop.call_later(self._seconds, self._give_up, TimeoutError())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _stop(self) -> None:
        """Take back what waits, and have what grows end at its next token."""
        for job, stream in zip(self._jobs, self._streams, strict=False):
            job.cancel()
            stream.cancel()

    def _give_up(self, error: Exception) -> None:
        self._stop()
        self._events.put_nowait(error)

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._give_up(ClientLeftError())

    def _job(self, index: int) -> Callable[[], None]:
        return lambda: self._read(index)

    def _read(self, index: int) -> None:
        stream = self._streams[index]
        try:
            for piece in stream:
                self._tell(Grown(index, piece))
            self._tell(Grown(index, "", stream.reply))
        except Exception as error:
            self._tell(error)

    def _tell(self, event: Grown | Exception) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)
