"""``/v1/chat/completions``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from persona_engine.server import ordering
from persona_engine.server.answering import Answer
from persona_engine.server.asked import AskedEngine, AskedSettings, AskedWork, ChatCaller
from persona_engine.server.replying import ClientLeftError, Replies
from persona_engine.server.routes.documented import openai_refusals
from persona_engine.server.schemas.chat import ChatCompletion, ChatRequest
from persona_engine.server.security.audit import about

router = APIRouter(prefix="/v1", tags=["openai"])

_LEFT = 499  # as nginx says; nobody is there to read it
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The replies; with `stream` they come as server-sent events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses={**openai_refusals(400, 404, 409, 504), **_STREAM},
)
async def complete(
    *,
    request: Request,
    asked: ChatRequest,
    engine: AskedEngine,
    settings: AskedSettings,
    work: AskedWork,
    caller: ChatCaller,
) -> Response:
    """Reply as OpenAI's API does; with `user` as fits that person."""
    about(request, asked.user)
    tenant = caller.tenant
    ordered = await work.calls.run(lambda: ordering.streams(engine, tenant, asked, settings))
    replies = Replies(ordered, work.chats, request, seconds=settings.chat_seconds)
    answer = Answer(asked, ordered[0].reply_id)
    try:
        if asked.stream:
            return await _streamed(replies, answer)
        async with replies:
            found = await replies.whole()
    except ClientLeftError:
        return Response(status_code=_LEFT)
    return Response(answer.whole(found).model_dump_json(), media_type="application/json")


async def _streamed(replies: Replies, answer: Answer) -> Response:
    """Answer once there is something to say, so that what fails at once has its own status."""
    events = _events(replies, answer)
    first = await anext(events)

    async def all_of_them() -> AsyncIterator[str]:
        yield first
        async for event in events:
            yield event

    return StreamingResponse(
        all_of_them(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def _events(replies: Replies, answer: Answer) -> AsyncIterator[str]:
    async with replies:
        async for event in answer.events(replies.grown()):
            yield event
