"""What every aspect of a user stands on, and checks that they share."""

from __future__ import annotations

from collections.abc import Mapping

from persona_engine.conversation import check_conversation
from persona_engine.errors import InvalidInputError, NoPopulationError
from persona_engine.features import Text
from persona_engine.runtime import Runtime
from persona_engine.types import Conversation, FloatArray, Scope


class ScopedToUser:
    """One aspect of one user; keeps nothing but whose it is.

    Args:
        runtime: The engine's parts.
        scope: Tenant and user.

    Raises:
        ScopeError: Tenant or user is not a name of 1 to 256 characters.
    """

    def __init__(self, runtime: Runtime, scope: Scope) -> None:
        self.scope = scope
        self._runtime = runtime
        self._rows = runtime.store.user(scope)


def by_key(texts: list[Text], features: FloatArray) -> Mapping[str, FloatArray]:
    """Return features ``(n, D)`` by the content key of their texts."""
    return {text.key: row for text, row in zip(texts, features, strict=True)}


def check_seed(seed: object) -> None:
    """Raise unless a seed can start a generator of random numbers.

    Raises:
        InvalidInputError: It is no whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInputError(f"seed is {seed!r}, expected a whole number of at least 0")


def prompt_text(prompt: str | Conversation) -> str:
    """Return a prompt as one text: the last user turn of a conversation.

    Raises:
        InvalidInputError: It is no conversation, or nobody asks anything in it.
    """
    if isinstance(prompt, str):
        return prompt
    check_conversation(prompt)
    asked = [message["content"] for message in prompt if message["role"] == "user"]
    if not asked:
        raise InvalidInputError("the conversation has no user turn, expected one that was answered")
    return asked[-1]


def check_count(name: str, value: object) -> None:
    """Raise unless a number of things is a whole number of at least 1.

    Raises:
        InvalidInputError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInputError(f"{name} is {value!r}, expected a whole number of at least 1")


def no_population() -> NoPopulationError:
    """Return the error for what needs a population, where there is none."""
    return NoPopulationError(
        "no population is published for this reward model and feature space",
        remedy="run `persona fit --default`, or engine.fit_default()",
    )
