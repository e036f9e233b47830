"""What the decoding benchmarks share: the model, its rival `generate`, prompts, timing in turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from persona_engine.generation import persona_generators
from persona_engine.interfaces import Generator
from persona_engine.onboarding import question_bank
from persona_engine.plugins import discover
from persona_engine.types import Conversation, FloatArray, Score
from persona_engine.weights import resolve

GENERATOR = os.environ.get("PERSONA_GENERATOR", "smollm2-135m-instruct")
PLUGINS = discover(extra=())

Turn = Callable[[int], object]
"""Called with the number of the round, from 1; 0 before any is timed."""


@dataclass(frozen=True)
class Linear:
    """A sure reward of features: w·φ, of about one log-odds among samples of one prompt."""

    taste: FloatArray
    spread: float = 0.1

    def score(self, features: FloatArray) -> Score:
        mean = (features @ self.taste).astype(np.float32)
        return Score(mean, np.full_like(mean, self.spread))

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        mean = ((a - b) @ self.taste).astype(np.float32)
        return Score(mean, np.where(np.any(a != b, -1), self.spread, 0.0).astype(np.float32))


def linear_reward(width: int, *, seed: int) -> Linear:
    """Return a taste in a random direction."""
    rng = np.random.default_rng([seed, 77])
    return Linear((rng.normal(size=width) / np.sqrt(width)).astype(np.float32))


@cache
def generator() -> Generator:
    """Return the language model, as an engine would make it."""
    return persona_generators()["local"](weights=resolve(GENERATOR))


class Rival:
    """Transformers' own `generate` on weights of its own, untouched by the engine."""

    @cached_property
    def network(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        network = AutoModelForCausalLM.from_pretrained(folder(), dtype=torch.bfloat16)
        return network.eval()

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder())

    def ids(self, conversation: Conversation) -> Any:
        """Return the prompt's tokens ``(1, T)``."""
        return self.tokenizer.apply_chat_template(
            list(conversation), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]

    def generate(
        self, conversation: Conversation, *, rows: int, tokens: int, sample: bool
    ) -> list[str]:
        """Return replies of exactly so many tokens."""
        import torch

        ids = self.ids(conversation)
        drawn: dict[str, Any] = {"temperature": 0.8, "top_p": 0.95, "top_k": 0}
        with torch.inference_mode():
            out = self.network.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=sample,
                num_return_sequences=rows,
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                pad_token_id=self.tokenizer.eos_token_id,
                **(drawn if sample else {}),
            )
        assert out.shape == (rows, ids.shape[1] + tokens), out.shape
        return self.tokenizer.batch_decode(out[:, ids.shape[1] :])


@cache
def rival() -> Rival:
    """Return transformers' `generate` on the same weights."""
    return Rival()


@cache
def folder() -> Path:
    """Return the weights' folder."""
    return resolve(GENERATOR)


def long_prompt(tokens: int, *, number: int = 0) -> Conversation:
    """Return a conversation of about so many tokens whose answer is long."""
    questions = question_bank()
    told: list[str] = []
    place = number * 7
    while generator().count_tokens(" ".join(told)) < tokens - 60:
        each = questions[place % len(questions)]
        told.append(f"{each.prompt} {each.a}")
        place += 1
    words = " ".join(told)
    while generator().count_tokens(words) > max(tokens - 60, 0):
        words = words.rpartition(" ")[0]
    ask = "Write a very long and detailed essay about the history of the sea, in many chapters."
    return [
        {"role": "system", "content": f"You are number {number}, a helpful assistant. {words}"},
        {"role": "user", "content": ask},
    ]


def cpu_in_turns(turns: Mapping[str, Turn], *, rounds: int) -> dict[str, list[float]]:
    """Return CPU seconds of each call by round; all are called in each round, in turn.

    A busy machine slows those of one round alike, so that ratios within a round are what counts.
    """
    found: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    for round_ in range(1, rounds + 1):
        for name in names if round_ % 2 == 0 else names[::-1]:
            before = time.process_time()
            turns[name](round_)
            found[name].append(time.process_time() - before)
    return found


def ratio(costs: Mapping[str, Sequence[float]], name: str, against: str) -> float:
    """Return the median over rounds of the ratio within a round."""
    pairs = zip(costs[name], costs[against], strict=True)
    return median(a / b for a, b in pairs)
