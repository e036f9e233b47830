"""Personal clients: every chat completion of the SDK passes through one method, ``post``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache, partial
from typing import Any

from anyio.to_thread import run_sync
from openai import APIStatusError, AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion

from persona_engine.errors import InvalidInputError
from persona_engine.integrations.openai.completions import (
    AsyncPersonalChat,
    PersonalChat,
    unmarked,
)
from persona_engine.integrations.openai.persona import REPLY_ID, Call, ClientPersona
from persona_engine.integrations.openai.streams import (
    AsyncPersonalStream,
    Listener,
    PersonalStream,
)

_PATH = "/chat/completions"
_RAW = "x-stainless-raw-response"
_MODELS_SECONDS = 2.0
_REFUSALS = (400, 403, 404, 413, 422, 500, 501)
"""With these a server may have refused what was changed; the others say nothing of the content."""


class _Personal:
    """What both kinds of client share.

    Attributes:
        persona: Makes it personal.
    """

    persona: ClientPersona
    base_url: Any

    @property
    def _server(self) -> str:
        return str(self.base_url)

    def copy(self, **changes: Any) -> Any:
        """Return a copy with other options, as personal as this one."""
        made = super().copy(**changes)  # type: ignore[misc]
        made.persona = self.persona
        return made

    with_options = copy

    def _prepare(
        self, body: object, options: Mapping[str, Any], personal: bool | None
    ) -> Call | None:
        if not isinstance(body, Mapping):
            return None
        extra = options.get("extra_json") or {}
        raw = any(name.lower() == _RAW for name in options.get("headers") or {})
        return self.persona.prepare(body, extra, server=self._server, personal=personal, raw=raw)


class PersonalOpenAI(_Personal):
    """Comes before ``OpenAI`` or a subclass among the bases of a personal client."""

    @cached_property
    def chat(self) -> PersonalChat:
        """Chat completions."""
        return PersonalChat(self)  # type: ignore[arg-type]

    def post(self, path: str, **given: Any) -> Any:
        """Send a request, personal where it is to be."""
        if path != _PATH:
            return super().post(path, **given)  # type: ignore[misc]
        options, personal = unmarked(given.get("options") or {})
        original = {**given, "options": options}
        call = self._prepare(given.get("body"), options, personal)
        if call is None:
            return super().post(path, **original)  # type: ignore[misc]
        if call.adapter is not None and call.adapter in self._served():
            call = call.naming(call.adapter)
        return self._finished(*self._sent(original, call))

    def _sent(self, original: dict[str, Any], call: Call) -> tuple[Call, Any]:
        post = partial(super().post, _PATH)  # type: ignore[misc]
        try:
            return call, post(**_with(original, call, PersonalStream))
        except APIStatusError as error:
            if not call.changed or error.status_code not in _REFUSALS:
                raise
            plain = call.given_up()
            reply = post(**_with(original, plain, PersonalStream))
            self.persona.refused(call, error, server=self._server)
            return plain, reply

    def _finished(self, call: Call, reply: Any) -> Any:
        if isinstance(reply, PersonalStream):
            reply.listener = Listener(self.persona, call)
        else:
            settle(self.persona, call, reply)
        return reply

    def _served(self) -> frozenset[str]:
        names = self.persona.models.get(self._server)
        if names is None:
            names = frozenset()
            try:
                page = self.copy(max_retries=0, timeout=_MODELS_SECONDS).models.list()
                names = frozenset(model.id for model in page)
            except Exception as error:  # the model that the host named does it
                self.persona.failed("models", error)
            self.persona.models.put(self._server, names)
        return names


class AsyncPersonalOpenAI(_Personal):
    """Comes before ``AsyncOpenAI`` or a subclass; the engine works in threads beside the loop."""

    @cached_property
    def chat(self) -> AsyncPersonalChat:
        """Chat completions."""
        return AsyncPersonalChat(self)  # type: ignore[arg-type]

    async def post(self, path: str, **given: Any) -> Any:
        """Send a request, personal where it is to be."""
        if path != _PATH:
            return await super().post(path, **given)  # type: ignore[misc]
        options, personal = unmarked(given.get("options") or {})
        original = {**given, "options": options}
        call = await run_sync(partial(self._prepare, given.get("body"), options, personal))
        if call is None:
            return await super().post(path, **original)  # type: ignore[misc]
        if call.adapter is not None and call.adapter in await self._served():
            call = call.naming(call.adapter)
        return await self._finished(*await self._sent(original, call))

    async def _sent(self, original: dict[str, Any], call: Call) -> tuple[Call, Any]:
        post = partial(super().post, _PATH)  # type: ignore[misc]
        try:
            return call, await post(**_with(original, call, AsyncPersonalStream))
        except APIStatusError as error:
            if not call.changed or error.status_code not in _REFUSALS:
                raise
            plain = call.given_up()
            reply = await post(**_with(original, plain, AsyncPersonalStream))
            self.persona.refused(call, error, server=self._server)
            return plain, reply

    async def _finished(self, call: Call, reply: Any) -> Any:
        if isinstance(reply, AsyncPersonalStream):
            reply.listener = Listener(self.persona, call)
        else:
            await run_sync(partial(settle, self.persona, call, reply))
        return reply

    async def _served(self) -> frozenset[str]:
        names = self.persona.models.get(self._server)
        if names is None:
            names = frozenset()
            try:
                page = self.copy(max_retries=0, timeout=_MODELS_SECONDS).models.list()
                names = frozenset([model.id async for model in page])
            except Exception as error:  # the model that the host named does it
                self.persona.failed("models", error)
            self.persona.models.put(self._server, names)
        return names


def adopt(client: Any, persona: ClientPersona) -> Any:
    """Return a personal client that shares everything with a given one.

    Raises:
        InvalidInputError: It is none of OpenAI's clients, or personal already.
    """
    if isinstance(client, _Personal):
        raise InvalidInputError(
            "the client is personal already, expected a plain one",
            remedy="pass the client that personalize_client was given",
        )
    if not isinstance(client, OpenAI | AsyncOpenAI):
        raise InvalidInputError(
            f"client is a {type(client).__name__}, expected OpenAI, AsyncOpenAI or a subclass"
        )
    personal = _class_for(type(client))  # type: ignore[arg-type]
    adopted = object.__new__(personal)
    held_by_plain = _cached(type(client))  # resources that it has made
    adopted.__dict__ = {k: v for k, v in vars(client).items() if k not in held_by_plain}
    adopted.persona = persona
    return adopted


def settle(persona: ClientPersona, call: Call, reply: Any) -> None:
    """Leave of several choices the best, keep the reply, and say on it what it is called.

    Of a response that the host sees as it came, the parsed form is told; nothing else is known.
    """
    completion = reply
    if not isinstance(reply, ChatCompletion) and hasattr(reply, "http_response"):
        try:
            completion = None if _is_stream(reply) else reply.parse()
        except Exception:  # the host will see it where it parses
            return
    if not isinstance(completion, ChatCompletion) or not completion.choices:
        return
    texts = [each.message.content for each in completion.choices]
    shown, ranking = persona.choose(call, texts)
    if call.several:
        best = completion.choices[shown]
        best.index = 0
        completion.choices = [best]
    kept = persona.keep(call, texts, shown, ranking)
    if kept is not None:
        setattr(completion, REPLY_ID, kept)


def _is_stream(response: Any) -> bool:
    """Say whether a raw response is read by the host, as it arrives."""
    return bool(getattr(response, "_stream", True)) or not response.http_response.is_closed


def _with(original: dict[str, Any], call: Call, stream_cls: type) -> dict[str, Any]:
    """Return the arguments of a request, with a call's body and streams that can be heard."""
    given = {**original, "body": call.body}
    return {**given, "stream_cls": stream_cls} if given.get("stream") else given


@lru_cache(maxsize=64)
def _class_for(plain: type[Any]) -> type[Any]:
    """Return the personal class of a client's, of the same name: the SDK tells it to the server."""
    mixin = PersonalOpenAI if issubclass(plain, OpenAI) else AsyncPersonalOpenAI
    return type(plain.__name__, (mixin, plain), {"__module__": __name__})


def _cached(plain: type) -> set[str]:
    return {
        name
        for base in plain.__mro__
        for name, value in vars(base).items()
        if isinstance(value, cached_property)
    }
