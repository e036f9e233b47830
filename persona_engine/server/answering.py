"""Replies as OpenAI's clients read them: whole, or event by event."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from persona_engine import __version__
from persona_engine.server.problems import openai_error, problem_of
from persona_engine.server.replying import Grown
from persona_engine.server.schemas.chat import (
    AnswerMessage,
    ChatCompletion,
    ChatRequest,
    Choice,
    PersonaTold,
    Usage,
)
from persona_engine.types import Reply

DONE = "data: [DONE]\n\n"


class Answer:
    """The answer to one chat request.

    Args:
        asked: The request.
        reply_id: Of the first reply.
    """

    def __init__(self, asked: ChatRequest, reply_id: str) -> None:
        self._asked = asked
        self._id = reply_id
        self._created = int(time.time())
        self._model = asked.model
        options = asked.stream_options
        self._tells_usage = options is not None and bool(options.include_usage)
        name = f"{asked.model}\0{__version__}"
        self._fingerprint = f"fp_{hashlib.sha256(name.encode()).hexdigest()[:10]}"

    def whole(self, replies: Sequence[Reply]) -> ChatCompletion:
        """Return complete replies."""
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[
                Choice(
                    index=index,
                    message=AnswerMessage(content=reply.text),
                    finish_reason=reply.ended,
                    persona=self._told(reply),
                )
                for index, reply in enumerate(replies)
            ],
            usage=_usage(replies),
            system_fingerprint=self._fingerprint,
        )

    async def events(self, grown: AsyncIterator[Grown]) -> AsyncIterator[str]:
        """Yield server-sent events; what fails after the first is told as the last of them."""
        replies: dict[int, Reply] = {}
        seen: set[int] = set()
        try:
            async for each in grown:
                if each.index not in seen:
                    seen.add(each.index)
                    yield self._event(each.index, {"role": "assistant", "content": ""})
                if each.reply is None:
                    yield self._event(each.index, {"content": each.piece})
                else:
                    replies[each.index] = each.reply
                    yield self._event(each.index, {}, each.reply)
        except Exception as error:
            if not seen:
                raise
            yield _sent(openai_error(problem_of(error)))
            return
        if self._tells_usage:
            yield self._chunk([], _usage(list(replies.values())))
        yield DONE

    def _event(self, index: int, delta: Mapping[str, str], reply: Reply | None = None) -> str:
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": None}
        if reply is not None:
            choice["finish_reason"] = reply.ended
            choice["persona"] = self._told(reply).model_dump()
        return self._chunk([choice], None)

    def _chunk(self, choices: Sequence[Mapping[str, Any]], usage: Usage | None) -> str:
        body: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
            "system_fingerprint": self._fingerprint,
        }
        if self._tells_usage:
            body["usage"] = None if usage is None else usage.model_dump()
        return _sent(body)

    def _told(self, reply: Reply) -> PersonaTold:
        return PersonaTold(
            reply_id=None if self._asked.user is None else reply.id,
            personalized=reply.trace.personalized,
            reason=reply.trace.reason,
            adapter=reply.trace.adapter,
        )


def _usage(replies: Sequence[Reply]) -> Usage:
    prompt = replies[0].prompt_tokens
    completion = sum(reply.trace.candidates[0].tokens for reply in replies)
    return Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
    )


def _sent(body: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(body)}\n\n"
