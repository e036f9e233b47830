"""Requests for replies and their answers, as OpenAI's clients send and read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from persona_engine.server.schemas.messages import ChatMessage


class StreamOptions(BaseModel):
    """How a stream is sent."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool | None = None


class PersonaOptions(BaseModel):
    """What this server can do beside OpenAI's API; sent as ``extra_body={"persona": {…}}``.

    Attributes:
        personal: False for exactly the base reply.
        candidates: Replies to choose among; the configured number if omitted.
        decoder: Decoder by name, or ``auto``; the configured one if omitted.
        budget: What a reply may cost, such as ``800ms``, or ``2x`` for ``auto``.
    """

    model_config = ConfigDict(extra="forbid")

    personal: bool = True
    candidates: Annotated[int, Field(ge=1, le=256)] | None = None
    decoder: Annotated[str, Field(max_length=256)] | None = None
    budget: Annotated[str, Field(max_length=32)] | None = None


class ChatRequest(BaseModel):
    """A request for replies.

    Attributes:
        model: One of those that ``/v1/models`` lists.
        messages: The conversation.
        user: Stable id of the person whom the reply is for; without it, it is the base reply.
        stream: Whether it is sent as it grows.
        n: How many replies, each with an id for feedback.
        seed: Decides every draw; drawn anew where it is omitted.
        persona: What this server can do beside OpenAI's API.
    """

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=4_096)]
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    user: Annotated[str, Field(max_length=256)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Annotated[str, Field(max_length=256)] | list[str] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=32_768)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=32_768)] | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    persona: PersonaOptions | None = None

    # What OpenAI's API has besides: taken where it changes nothing, refused where it would.
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: Any = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    web_search_options: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None


class PersonaTold(BaseModel):
    """What is told of one reply beside OpenAI's API.

    Attributes:
        reply_id: For feedback and explanation; None where no user was named.
        personalized: False when it is exactly the base reply.
        reason: Why it was or was not personalised, in words.
        adapter: Version of the adapter that was active, or None.
    """

    reply_id: str | None
    personalized: bool
    reason: str
    adapter: str | None


class AnswerMessage(BaseModel):
    """A reply."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """One of the replies."""

    index: int
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]
    persona: PersonaTold


class Usage(BaseModel):
    """Tokens that a request took; the candidates that were not chosen are not counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(BaseModel):
    """Replies; ``id`` is the first one's id for feedback."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str
