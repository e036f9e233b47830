"""Streams that pass every chunk on as it comes, and keep the reply when they end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial

from anyio.to_thread import run_sync
from openai import AsyncStream, Stream
from openai.types.chat import ChatCompletionChunk

from persona_engine.integrations.openai.persona import REPLY_ID, Call, ClientPersona


class Listener:
    """Hears what a stream says, and keeps it.

    Args:
        persona: Keeps replies.
        call: What the stream answers.
    """

    def __init__(self, persona: ClientPersona, call: Call) -> None:
        self._persona = persona
        self._call = call
        self._said: dict[int, list[str]] = {}

    def hear(self, chunk: ChatCompletionChunk) -> None:
        """Take in one chunk, and say on it what the reply is called."""
        setattr(chunk, REPLY_ID, self._call.reply_id)
        for choice in chunk.choices or ():
            if choice.delta is not None and choice.delta.content:
                self._said.setdefault(choice.index, []).append(choice.delta.content)

    def keep(self) -> None:
        """Keep what was said, now that the stream has ended."""
        texts = ["".join(self._said[index]) for index in sorted(self._said)]
        if texts:
            self._persona.keep(self._call, texts, 0, None)


class PersonalStream(Stream[ChatCompletionChunk]):
    """A stream of chunks; with a listener it is heard."""

    listener: Listener | None = None

    def __stream__(self) -> Iterator[ChatCompletionChunk]:
        for chunk in super().__stream__():
            if self.listener is not None:
                self.listener.hear(chunk)
            yield chunk
        if self.listener is not None:
            self.listener.keep()


class AsyncPersonalStream(AsyncStream[ChatCompletionChunk]):
    """The same, for a loop that is never blocked."""

    listener: Listener | None = None

    async def __stream__(self) -> AsyncIterator[ChatCompletionChunk]:
        async with aclosing(super().__stream__()) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if self.listener is not None:
                    self.listener.hear(chunk)
                yield chunk
        if self.listener is not None:
            await run_sync(partial(self.listener.keep))
