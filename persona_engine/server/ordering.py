"""What a chat request asks of the engine."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from persona_engine.engine import PersonaEngine
from persona_engine.server import names
from persona_engine.server.conversations import message
from persona_engine.server.problems import Problem, RefusedError
from persona_engine.server.schemas.chat import ChatRequest, PersonaOptions
from persona_engine.server.settings import ServerSettings
from persona_engine.streaming import ReplyStream

_SEEDS = 2**31
_LEAST_TOP_P = 1e-6  # OpenAI's API takes 0 for the likeliest token
_STOPS = 4

_NOBODY = "nobody"
"""Whose name base replies are made under: nothing of them is read and nothing is kept."""

_NEUTRAL = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
}
"""Fields whose other values would change a reply in a way that this server cannot."""

_IMPOSSIBLE = ("audio", "prediction", "web_search_options")


def streams(
    engine: PersonaEngine, tenant: str, asked: ChatRequest, settings: ServerSettings
) -> list[ReplyStream]:
    """Return the replies that a request asks for, not begun.

    Raises:
        RefusedError: The model is unknown, or a field asks for what this server cannot do.
        InvalidInputError: A value cannot be used.
    """
    _check(asked, settings)
    adapter = _adapter(engine, tenant, asked.model)
    options = asked.persona or PersonaOptions()
    _check_decoder(engine, options.decoder)
    known = asked.user is not None
    user = engine.user(asked.user if asked.user is not None else _NOBODY, tenant=tenant)
    seed = secrets.randbelow(_SEEDS) if asked.seed is None else asked.seed % 2**63
    messages = [message(each) for each in asked.messages]
    longest = asked.max_completion_tokens or asked.max_tokens
    return [
        user.stream(
            messages,
            seed=seed + number,
            candidates=options.candidates,
            max_tokens=longest,
            temperature=asked.temperature,
            top_p=None if asked.top_p is None else max(asked.top_p, _LEAST_TOP_P),
            stop=_stops(asked.stop),
            personal=known and options.personal,
            adapter=adapter,
            decoding=options.decoder,
            budget=options.budget,
            keep=known,
        )
        for number in range(asked.n or 1)
    ]


def _check(asked: ChatRequest, settings: ServerSettings) -> None:
    if asked.n is not None and asked.n > settings.most_replies:
        raise _refused("n", f"n is {asked.n}, expected at most {settings.most_replies}")
    _check_size(asked, settings)
    for name, neutral in _NEUTRAL.items():
        value = getattr(asked, name)
        if value is not None and value not in neutral:
            raise _refused(name, f"{name} is not supported by this server", "unsupported_parameter")
    for name in _IMPOSSIBLE:
        if getattr(asked, name) is not None:
            raise _refused(name, f"{name} is not supported by this server", "unsupported_parameter")
    if asked.stream_options is not None and not asked.stream:
        raise _refused("stream_options", "stream_options is only allowed when stream is true")


def _check_size(asked: ChatRequest, settings: ServerSettings) -> None:
    count = len(asked.messages)
    if count > settings.most_messages:
        what = f"there are {count} messages, expected at most {settings.most_messages}"
        raise _refused("messages", what)
    for name in ("max_tokens", "max_completion_tokens"):
        tokens = getattr(asked, name)
        if tokens is not None and tokens > settings.most_tokens:
            what = f"{name} is {tokens}, expected at most {settings.most_tokens}"
            raise _refused(name, what)


def _adapter(engine: PersonaEngine, tenant: str, model: str) -> str | None:
    if model == names.generator_name(engine):
        return None
    if any(each.id == model for each in names.models(engine, tenant)):
        return model
    problem = Problem(
        404,
        "model_not_found",
        f"the model {model!r} does not exist",
        "name one of those that /v1/models lists",
        param="model",
    )
    raise RefusedError(problem)


def _check_decoder(engine: PersonaEngine, decoder: str | None) -> None:
    known = ("auto", *engine.plugins.names("decoder"))
    if decoder is not None and decoder not in known:
        what = f"persona.decoder is {decoder!r}, expected one of {', '.join(known)}"
        raise _refused("persona.decoder", what)


def _stops(given: str | Sequence[str] | None) -> tuple[str, ...]:
    stops = (given,) if isinstance(given, str) else tuple(given or ())
    if len(stops) > _STOPS:
        raise _refused("stop", f"stop has {len(stops)} texts, expected at most {_STOPS}")
    return stops


def _refused(param: str, message: str, kind: str = "invalid_input") -> RefusedError:
    return RefusedError(Problem(400, kind, message, param=param))
