"""The generator ``local``: a causal language model on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.encoders.hidden_state import HiddenStateEncoder
from persona_engine.errors import GenerationError, InvalidInputError
from persona_engine.generation.chat_format import ChatFormat
from persona_engine.generation.model import LocalModel
from persona_engine.types import Prompt, Reading

if TYPE_CHECKING:
    from pathlib import Path

    from persona_engine.generation.decoding_setup import DecodingSetup
    from persona_engine.generation.rows import Asked
    from persona_engine.interfaces import Branches, Encoder
    from persona_engine.types import Conversation, FloatArray


class LocalGenerator:
    """Continues conversations with a causal language model from a local folder.

    The network is loaded when the first conversation is read, and shared with `feature_encoder`.
    Use it whenever the host lets the engine generate: only a local model shows its hidden states
    while decoding, which makes scoring a candidate free. A host whose model runs elsewhere ranks
    finished texts with an encoder instead.

    Args:
        model: The model folder.
        layer_fraction: Depth of the feature layer; 0.8 is four fifths of the way up.
        length_feature: Whether features end with log(1 + number of tokens).
        max_batch_tokens: Token budget of one batch of the encoder.
    """

    def __init__(
        self,
        model: LocalModel,
        *,
        layer_fraction: float = 0.8,
        length_feature: bool = True,
        max_batch_tokens: int = 4096,
    ) -> None:
        self.name = model.weights.name
        self._model = model
        self._shared_rows = 0
        self._encoder = HiddenStateEncoder(
            model,
            layer_fraction=layer_fraction,
            length_feature=length_feature,
            max_batch_tokens=max_batch_tokens,
        )

    @property
    def feature_encoder(self) -> Encoder:
        """The encoder whose features `Branches.features` gives, on the same network."""
        return self._encoder

    def in_float32(self) -> LocalGenerator:
        """Return a generator of the same weights whose arithmetic is float32; this one, if it is.

        It takes four bytes of memory a parameter, while anybody uses it.
        """
        if self._model.dtype == "float32":
            return self
        from persona_engine.generation.model import shared_model

        model = self._model
        return LocalGenerator(
            shared_model(model.weights, device=model.device, dtype="float32", kind=model.kind)
        )

    def share_batches(self, most_rows: int) -> None:
        """Let replies that grow at the same time read their tokens together, whoever they are for.

        A reply is the one that it would be alone. It takes an architecture whose prompts can be
        shared; of others each reads alone.

        Args:
            most_rows: Rows that are read at once; a row is a candidate in one reading.

        Raises:
            InvalidInputError: The number is below 1, or a reply has been begun already.
        """
        if most_rows < 1:
            raise InvalidInputError(f"most_rows is {most_rows!r}, expected at least 1")
        if "_setup" in vars(self):
            raise InvalidInputError(
                "a reply has been begun, expected to share batches from the first on",
                remedy="call share_batches when the generator is made",
            )
        self._shared_rows = most_rows

    def prefill(self, conversation: Conversation, *, branches: int, seed: int) -> Branches:
        """Read the conversation once and return that many branches on its cache.

        A conversation that leaves too little room for a reply loses its oldest exchanges.

        Args:
            conversation: The messages, at least one.
            branches: How many replies to grow.
            seed: Decides every draw. Branch ``i`` draws the same numbers whatever ``branches`` is.

        Raises:
            InvalidInputError: The conversation is empty or malformed, or ``branches`` below 1.
            WeightsError: The model cannot be loaded.
        """
        return self.prefill_each([Prompt((Reading(conversation),))] * branches, seed=seed)

    def prefill_each(self, prompts: Sequence[Prompt], *, seed: int) -> Branches:
        """Return one branch for each prompt; equal conversations are read once.

        Args:
            prompts: What each branch continues, in one reading or several.
            seed: Decides every draw.

        Raises:
            InvalidInputError: There is no prompt, or a message is malformed.
            NotFoundError: A reading's adapter is not loaded.
            WeightsError: The model cannot be loaded.
        """
        from persona_engine.generation.branches import CachedBranches
        from persona_engine.generation.seats import Seats

        if not prompts:
            raise InvalidInputError("there is no prompt, expected at least one")
        places: dict[Asked, int] = {}
        of_reading = [
            [places.setdefault(self._asked(each), len(places)) for each in prompt.readings]
            for prompt in prompts
        ]
        return CachedBranches(self._setup, Seats(list(places), of_reading, prompts), seed=seed)

    def log_likelihood(
        self,
        conversations: Sequence[Conversation],
        responses: Sequence[str],
        *,
        adapter: str | None = None,
    ) -> FloatArray:
        """Return the summed log-probability ``(n,)`` of each response given its conversation.

        What exceeds the model's context is left out: the oldest part of a conversation, and of a
        response longer than three quarters of the context, its end. A conversation that several
        responses answer is read once.

        Args:
            conversations: ``n`` conversations; an empty one stands for no prompt.
            responses: ``n`` texts.
            adapter: Name of a loaded adapter; None for the model as it is.

        Raises:
            InvalidInputError: The numbers differ, a response is blank, or a message is malformed.
            NotFoundError: The adapter is not loaded.
            GenerationError: The model's output is not a number.
            WeightsError: The model cannot be loaded.
        """
        from persona_engine.generation.likelihood import log_likelihoods

        if len(conversations) != len(responses):
            raise InvalidInputError(
                f"{len(conversations)} conversations and {len(responses)} responses, "
                "expected as many"
            )
        loaded, context = self._model.load(), self._model.context
        changed = None if adapter is None else loaded.adapters.find(adapter)
        replies = [self._format.reply_ids(text)[: context - context // 4] for text in responses]
        prompts = [
            self._format.prompt_ids(each, room=context - len(reply))
            for each, reply in zip(conversations, replies, strict=True)
        ]
        found = log_likelihoods(loaded, prompts, replies, adapter=changed)
        if not np.isfinite(found).all():
            raise GenerationError(
                "the model's log-probabilities are not finite",
                remedy="use dtype bfloat16 or float32, and check the weights with `persona doctor`",
            )
        return found

    def load_adapter(self, name: str, folder: Path) -> None:
        """Take an adapter into memory, for `Reading.adapter`; replies that grow keep theirs.

        Args:
            name: What readings call it; another of that name is replaced.
            folder: LoRA in PEFT's layout, or a steering vector; safetensors only.

        Raises:
            WeightsError: The folder has no adapter of this network.
        """
        loaded = self._model.load()
        if loaded.adapters.load(name, folder):
            loaded.prompt_reader.forget()

    def unload_adapter(self, name: str) -> None:
        """Give an adapter's memory back.

        Raises:
            NotFoundError: It is not loaded.
        """
        loaded = self._model.load()
        loaded.adapters.unload(name)
        loaded.prompt_reader.forget()

    def forget_prompts(self) -> None:
        """Forget every prompt that was read; see `persona_engine.generation.prompts`."""
        loaded = self._model.loaded
        if loaded is not None:
            loaded.prompt_reader.forget()

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens."""
        return self._format.count(text)

    def _asked(self, reading: Reading) -> Asked:
        from persona_engine.generation.rows import Asked

        reply_room = min(1024, self._model.context // 4)
        tokens = self._format.prompt_ids(
            reading.conversation, room=self._model.context - reply_room
        )
        adapters = self._model.load().adapters
        adapter = None if reading.adapter is None else adapters.find(reading.adapter)
        return Asked(tuple(tokens), adapter)

    @cached_property
    def _format(self) -> ChatFormat:
        return ChatFormat(self._model.load().tokenizer)

    @cached_property
    def _setup(self) -> DecodingSetup:
        from persona_engine.generation.decoding_setup import DecodingSetup
        from persona_engine.generation.shared_steps import SharedSteps

        loaded = self._model.load()
        tap = loaded.tap(self._encoder.layer)
        return DecodingSetup(
            model=loaded,
            tap=tap,
            hidden_size=self._model.hidden_size,
            end_tokens=loaded.end_tokens(),
            context=self._model.context,
            vocabulary=loaded.vocabulary,
            length_feature=self._encoder.length_feature,
            steps=SharedSteps(loaded, tap, most_rows=self._shared_rows)
            if self._shared_rows
            else None,
        )
