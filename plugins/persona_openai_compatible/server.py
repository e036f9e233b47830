"""One server: requests with time limits and retries, its faults in our words."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from persona_engine.errors import ConfigError, GenerationError, MissingExtraError, PersonaError
from persona_openai_compatible.address import Address
from persona_openai_compatible.breaker import Breaker

if TYPE_CHECKING:
    from openai import OpenAI, Stream
    from openai.types.chat import ChatCompletionChunk

_LISTED_SECONDS = 60.0
_REFUSALS = (400, 422, 501)


class RefusedError(GenerationError):
    """The server understood the request and does not take what it asks for."""


@dataclass(slots=True)
class Abilities:
    """What a server was found to take.

    Args:
        several: Whether one request may ask for several replies.
        log_probs: Whether it gives log-probabilities.
    """

    several: bool = True
    log_probs: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited, and how often tried.

    Args:
        timeout: Seconds until the next piece of a reply.
        connect_timeout: Seconds until there is a connection.
        retries: How often a request is tried again that was not answered, or with 408, 409, 429 or
            a fault of the server's; after 0.5 s, doubled each time up to 8 s with some jitter, or
            what ``Retry-After`` says.
    """

    timeout: float = 60.0
    connect_timeout: float = 5.0
    retries: int = 2


class Server:
    """Calls one server; any number of threads may.

    Args:
        address: Where it is.
        breaker: Refuses where it does not answer.
        limits: How long is waited.
        api_key_env: Environment variable that holds its key; None for a server without.
        clock: Seconds, only ever growing.
    """

    def __init__(
        self,
        address: Address,
        *,
        breaker: Breaker,
        limits: Limits,
        api_key_env: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.abilities = Abilities()
        self._breaker = breaker
        self._limits = limits
        self._api_key_env = api_key_env
        self._clock = clock
        self._listed: tuple[float, tuple[str, ...]] | None = None
        self._guard = threading.Lock()

    @cached_property
    def model(self) -> str:
        """What the server calls the model.

        Raises:
            ConfigError: None is named, and the server has not exactly one.
            GenerationError: The server does not say which it has.
        """
        if self.address.model is not None:
            return self.address.model
        listed = self.models()
        if len(listed) != 1:
            raise ConfigError(
                f"{self.address} has {len(listed)} models: {', '.join(listed[:12]) or 'none'}; "
                "expected to be told which",
                remedy=f"write generator as {self.address}#MODEL",
            )
        return listed[0]

    def models(self) -> tuple[str, ...]:
        """Return the models that the server lists, adapters among them; remembered for a minute.

        Raises:
            GenerationError: It lists none.
        """
        with self._guard:
            if self._listed is None or self._clock() - self._listed[0] >= _LISTED_SECONDS:
                with self._called():
                    found = tuple(
                        each.id for each in self._client.models.list(extra_headers=self._headers)
                    )
                self._listed = (self._clock(), found)
            return self._listed[1]

    @contextmanager
    def stream(self, request: Mapping[str, Any]) -> Iterator[Stream[ChatCompletionChunk]]:
        """Send one request and give the pieces of its replies; leaving early ends it.

        Raises:
            RefusedError: The server does not take what the request asks for.
            GenerationError: It cannot be reached, did not answer in time, or failed.
        """
        with self._called():
            stream = self._client.chat.completions.create(
                **request, stream=True, extra_headers=self._headers
            )
            self._breaker.answered()
            try:
                yield stream
            finally:
                stream.close()

    @cached_property
    def _client(self) -> OpenAI:
        try:
            from openai import OpenAI, Timeout
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "the package 'openai' is not installed, which calls remote generators",
                remedy="pip install 'persona-engine[openai]'",
            ) from error
        limits, key = self._limits, self._key()
        return OpenAI(
            base_url=self.address.url,
            api_key=key or "none",  # and then it is not sent
            timeout=Timeout(limits.timeout, connect=limits.connect_timeout),
            max_retries=limits.retries,
        )

    @cached_property
    def _headers(self) -> dict[str, Any]:
        """Return what keeps a key from being sent where the server has none."""
        from openai import omit

        return {} if self._api_key_env else {"Authorization": omit}

    def _key(self) -> str | None:
        if self._api_key_env is None:
            return None
        key = os.environ.get(self._api_key_env, "")
        if not key:
            raise ConfigError(
                f"the environment variable {self._api_key_env!r} is not set, expected the key of "
                f"{self.address.url}",
                remedy="set it, or api_key_env=None for a server without a key",
            )
        return key

    @contextmanager
    def _called(self) -> Iterator[None]:
        """Tell the breaker how a call went, and its error in our words."""
        client = self._client  # what is wrong with the settings is no fault of the server's
        from openai import APIConnectionError, APIError, APIStatusError

        assert client is not None
        self._breaker.enter()
        try:
            yield
        except APIStatusError as error:
            if error.status_code >= 500 or error.status_code == 429:
                self._breaker.failed(error)
            else:
                self._breaker.succeeded()
            raise self._refusal(error.status_code, error.message) from error
        except (APIConnectionError, APIError) as error:
            self._breaker.failed(error)
            raise self._broken(error) from error
        except PersonaError:
            self._breaker.given_up()
            raise
        except Exception as error:
            self._breaker.failed(error)
            raise self._broken(error) from error
        except BaseException:
            self._breaker.given_up()
            raise
        else:
            self._breaker.succeeded()

    def _broken(self, error: Exception) -> GenerationError:
        from openai import APIConnectionError, APITimeoutError

        if isinstance(error, APITimeoutError):
            return GenerationError(
                f"{self.address} did not go on within {self._limits.timeout:g} s",
                remedy="give it more time (timeout), or ask for fewer candidates",
            )
        if isinstance(error, APIConnectionError):
            cause = error.__cause__ or error
            return GenerationError(
                f"{self.address} cannot be reached: {cause}",
                remedy="start the server, or correct the setting generator",
            )
        return GenerationError(
            f"{self.address} broke off: {type(error).__name__}: {str(error)[:300]}",
            remedy="look into the server's log",
        )

    def _refusal(self, status: int, message: str) -> GenerationError:
        told = f"{self.address} answered {status}: {message[:300]}"
        if status in (401, 403):
            return GenerationError(told, remedy="name the variable with its key as api_key_env")
        if status == 404:
            return GenerationError(told, remedy=f"name one of its models: {self._known()}")
        if status in _REFUSALS:
            return RefusedError(told, remedy="change the setting that it names")
        return GenerationError(told, remedy="look into the server's log")

    def _known(self) -> str:
        try:
            return (
                ", ".join(each.id for each in self._client.models.list(extra_headers=self._headers))
                or "it lists none"
            )
        except Exception:  # the error that led here is the one to tell
            return "it lists none"
