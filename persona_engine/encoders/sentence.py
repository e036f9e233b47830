"""The encoder ``sentence``: what a text is about, without its prompt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.encoders.batching import batches_by_length
from persona_engine.errors import ConfigError, InvalidInputError, WeightsError
from persona_engine.generation.model import LocalModel
from persona_engine.types import Conversation, FloatArray, PairAdapter

if TYPE_CHECKING:
    from persona_engine.encoders.joint import UpperLayers


class SentenceEncoder:
    """Sentence embeddings: mean of the last layer over all tokens, scaled to unit length.

    e(y) = m / ‖m‖,  m = (1/|y|) Σ_t h_L(y)_t

    as in Sentence-BERT (Reimers and Gurevych 2019, arXiv 1908.10084). The dot product of two
    embeddings is their cosine similarity. Use it to match instructions to requests and where no
    local language model runs; for rewards, ``hidden-state`` separates tastes far better.

    Args:
        model: A bidirectional model folder, such as all-MiniLM-L6-v2.
        max_batch_tokens: Token budget of one batch, padding included.

    Raises:
        ConfigError: The budget is below 1.
    """

    def __init__(self, model: LocalModel, *, max_batch_tokens: int = 4096) -> None:
        if max_batch_tokens < 1:
            raise ConfigError(f"max_batch_tokens is {max_batch_tokens!r}, expected at least 1")
        self._model = model
        self._max_batch_tokens = max_batch_tokens
        self._upper: tuple[PairAdapter, UpperLayers] | None = None

    @property
    def width(self) -> int:
        """Number of features, ``E``."""
        return self._model.hidden_size

    @cached_property
    def fingerprint(self) -> str:
        """Weights, pooling and width, such as ``sentence/<hash>/mean+unit/384``."""
        return f"sentence/{self._model.hash}/mean+unit/{self.width}"

    def encode(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> FloatArray:
        """Return unit vectors ``(n, E)`` of ``n`` responses; the prompts make no difference.

        Only the first tokens that the model was trained for count (256 for MiniLM).

        Raises:
            InvalidInputError: The numbers differ, or a response is blank or not valid Unicode.
            WeightsError: The model cannot be loaded.
        """
        if len(prompts) != len(responses):
            raise InvalidInputError(
                f"{len(prompts)} prompts and {len(responses)} responses, expected as many"
            )
        sequences = [self._tokens(text) for text in responses]
        features = np.empty((len(sequences), self.width), np.float32)
        for batch in batches_by_length(
            [len(each) for each in sequences], max_tokens=self._max_batch_tokens
        ):
            features[batch] = self._embed([sequences[i] for i in batch])
        return features

    def read_pairs(
        self, first: Sequence[str], second: Sequence[str], *, adapter: PairAdapter
    ) -> FloatArray:
        """Return the mean states of both texts of ``n`` pairs, read together, ``(n, 2, H)``.

        Above the adapter's lower layers the tokens of both texts attend to each other. What a
        scorer learned with an adapter holds for this encoder's fingerprint alone.

        Args:
            first: One text of each pair.
            second: The other one.
            adapter: How the upper layers are changed.

        Raises:
            InvalidInputError: The numbers differ, or a text is blank or not valid Unicode.
            WeightsError: The model cannot be loaded.
        """
        from persona_engine.encoders.joint import mean_pair_states

        if len(first) != len(second):
            raise InvalidInputError(
                f"{len(first)} first and {len(second)} second texts, expected as many"
            )
        pairs = [(self._tokens(a), self._tokens(b)) for a, b in zip(first, second, strict=True)]
        upper = self._upper_layers(adapter)
        states = np.empty((len(pairs), 2, self.width), np.float32)
        for batch in batches_by_length(
            [len(a) + len(b) for a, b in pairs], max_tokens=self._max_batch_tokens
        ):
            states[batch] = mean_pair_states(
                self._model.load(), upper, adapter.lower, [pairs[i] for i in batch]
            )
        return states

    def _upper_layers(self, adapter: PairAdapter) -> UpperLayers:
        """Return the changed layers; those of the last adapter are kept."""
        if self._upper is None or self._upper[0] is not adapter:
            import torch

            from persona_engine.encoders.joint import upper_layers

            loaded = self._model.load()
            tensors = {
                name: torch.tensor(value, device=loaded.device)
                for name, value in adapter.tensors.items()
            }
            with torch.no_grad():
                self._upper = adapter, upper_layers(loaded.network, tensors, adapter.lower)
        return self._upper[1]

    def _embed(self, sequences: list[list[int]]) -> FloatArray:
        from persona_engine.encoders.pooling import mean_hidden_states

        means = mean_hidden_states(
            self._model.load(), self._model.layer_count, sequences, [0] * len(sequences)
        )
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        unit: FloatArray = means / np.maximum(norms, np.float32(1e-12))
        return unit

    def _tokens(self, text: str) -> list[int]:
        if not text.strip():
            raise InvalidInputError(f"response is {text!r}, expected text that is not blank")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"text holds a lone surrogate at position {error.start}, expected valid Unicode"
            ) from error
        ids: list[int] = self._model.load().tokenizer.encode(text, verbose=False)
        return ids if len(ids) <= self._longest else [*ids[: self._longest - 1], ids[-1]]

    @cached_property
    def _longest(self) -> int:
        """Most tokens of a text that count, as its sentence-transformers config says."""
        path = self._model.weights / "sentence_bert_config.json"
        if not path.exists():
            return self._model.context
        try:
            return min(int(json.loads(path.read_text())["max_seq_length"]), self._model.context)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"{path} does not give max_seq_length: {error}", remedy="pull the weights again"
            ) from error
