"""The generator ``openai_compatible``: a language model behind a server's API."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from persona_engine.errors import ConfigError, GenerationError, InvalidInputError, WeightsError
from persona_engine.interfaces import Branches, Encoder
from persona_engine.types import Conversation, FloatArray, Prompt, Reading
from persona_openai_compatible.address import Address
from persona_openai_compatible.branches import RemoteBranches, asked_of
from persona_openai_compatible.breaker import Breaker
from persona_openai_compatible.server import Limits, Server


class OpenAICompatible:
    """A language model behind ``/v1/chat/completions``: vLLM, llama.cpp, Ollama, transformers.

    Replies are drawn whole and ranked by an encoder of ours, which is best of n: the reply
    argmax_i E[r(x, y_i)] of y_1 … y_n ~ p(y | x) (Stiennon et al. 2020, arXiv 2009.01325). Use it
    where the model is served already, or too large for this process; the generator ``local`` reads
    rewards from its own hidden states while it decodes, can be searched at every token, and needs
    no second model to judge by.

    Nothing is sent when it is made. A server that does not answer is spared after some failures.

    Args:
        address: ``URL#MODEL``; the model may be left out where the server has one.
        encoder: Gives the features that rewards are learned on.
        api_key_env: Environment variable that holds the server's key; None for a server without.
        timeout: Seconds until the next piece of a reply.
        connect_timeout: Seconds until there is a connection.
        retries: How often a request is tried again, with back-off, that was not answered.
        break_after: Failures in a row after which the server is left alone.
        break_seconds: For how long.
        together: Whether replies to one prompt may be asked for in one request (``n``), where the
            server takes that.
        log_probs: Whether to ask for log-probabilities, where the server offers them.
        parallel: Most requests at once.
        extra_body: Further fields of every request, such as ``{"top_k": 40}``.
        breaker: Spares the server; one of the given settings if omitted.

    Raises:
        ConfigError: The address or a setting cannot be used.
    """

    draws_whole_replies: Literal[True] = True

    def __init__(
        self,
        *,
        address: str,
        encoder: Encoder,
        api_key_env: str | None = None,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
        retries: int = 2,
        break_after: int = 5,
        break_seconds: float = 30.0,
        together: bool = True,
        log_probs: bool = True,
        parallel: int = 8,
        extra_body: Mapping[str, Any] | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        _check("timeout", timeout, 0.0 < timeout <= 86_400.0, "above 0, at most 86400")
        _check("connect_timeout", connect_timeout, 0.0 < connect_timeout <= 600.0, "above 0 to 600")
        _check("retries", retries, 0 <= retries <= 20, "0 to 20")
        _check("break_after", break_after, 1 <= break_after <= 1_000, "1 to 1000")
        _check("break_seconds", break_seconds, 0.0 <= break_seconds <= 3_600.0, "0 to 3600")
        _check("parallel", parallel, 1 <= parallel <= 256, "1 to 256")
        self.name = address
        self._encoder = encoder
        self._extra = dict(extra_body or {})
        self._gate = threading.Semaphore(parallel)
        self._named: dict[str, str] = {}
        parsed = Address.parse(address)
        self._server = Server(
            parsed,
            breaker=breaker or Breaker(str(parsed), failures=break_after, seconds=break_seconds),
            limits=Limits(timeout, connect_timeout, retries),
            api_key_env=api_key_env,
        )
        self._server.abilities.several = together
        self._server.abilities.log_probs = log_probs

    @property
    def feature_encoder(self) -> Encoder:
        """The encoder that replies are judged by."""
        return self._encoder

    def prefill(self, conversation: Conversation, *, branches: int, seed: int) -> Branches:
        """Return branches that the server will draw; it is asked with their first step.

        Raises:
            InvalidInputError: The conversation is empty, or ``branches`` below 1.
        """
        return self.prefill_each([Prompt((Reading(conversation),))] * branches, seed=seed)

    def prefill_each(self, prompts: Sequence[Prompt], *, seed: int) -> Branches:
        """Return one branch for each prompt; replies to equal prompts are asked for together.

        Raises:
            InvalidInputError: There is no prompt, or a reading's adapter is not loaded.
            GenerationError: A prompt mixes readings; or the server does not say which model it has.
        """
        if not prompts:
            raise InvalidInputError("there is no prompt, expected at least one")
        model = self._server.model
        return RemoteBranches(
            self._server,
            [asked_of(each, model=model, named=self._named) for each in prompts],
            seed=seed,
            encoder=self._encoder,
            extra=self._extra,
            gate=self._gate,
        )

    def log_likelihood(
        self,
        conversations: Sequence[Conversation],
        responses: Sequence[str],
        *,
        adapter: str | None = None,
    ) -> FloatArray:
        """Raise GenerationError: the protocol gives no likelihood of a text that was not drawn."""
        raise GenerationError(
            f"{self.name} gives no likelihood of given texts",
            remedy="choose methods that do not ask for it, or a generator on this machine",
        )

    def count_tokens(self, text: str) -> int:
        """Return at most how long a text is in tokens: a third of its bytes."""
        return math.ceil(len(text.encode()) / 3)

    def load_adapter(self, name: str, folder: Path) -> None:
        """Find the model by which the server knows an adapter: that of the folder's name.

        Raises:
            WeightsError: The server lists no such model, or lists none at all.
        """
        try:
            listed = self._server.models()
        except GenerationError as error:
            raise WeightsError(
                f"{self._server.address} does not say which adapters it has: {error.message}"
            ) from error
        if folder.name not in listed:
            raise WeightsError(
                f"{self._server.address} has no adapter {folder.name!r}",
                remedy=f"persona adapters export {folder.name} FOLDER, and have the server load it "
                "by that name (vLLM: --lora-modules)",
            )
        self._named[name] = folder.name

    def unload_adapter(self, name: str) -> None:
        """Name the adapter no more; the server keeps it."""
        self._named.pop(name, None)


def _check(name: str, value: object, fits: bool, expected: str) -> None:
    if isinstance(value, bool) or not fits:
        raise ConfigError(f"{name} is {value!r}, expected {expected}")
