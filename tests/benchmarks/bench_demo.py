"""Does personalisation show? Two people of opposite tastes, and one with a standing instruction.

The candidates of prompts and a seed do not depend on whom they are for, so `Remembered` grows equal
ones once and hands them to each person's `chat`; everything after that is `chat` as it is.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from report import Figure, arguments, finish, say

from persona_engine import PersonaEngine, User
from persona_engine.config import EngineConfig
from persona_engine.generation import persona_generators
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Branches, Encoder, Generator
from persona_engine.types import (
    Conversation,
    FloatArray,
    Prompt,
    Question,
    Reading,
    Sampling,
    Side,
    StepResult,
)

PROMPTS = (
    "Why is the sky blue?",
    "How do I start running?",
    "How can I sleep better?",
    "What is inflation?",
    "How do I cook pasta?",
    "Why do cats purr?",
    "How do I save money each month?",
    "What does a vaccine do?",
    "How do I prepare for a job interview?",
    "Is coffee bad for me?",
    "How does a fridge work?",
    "What should I see in Rome?",
    "How do I keep a houseplant alive?",
    "Why do leaves change colour in autumn?",
    "How do I learn to play the guitar?",
    "What is a black hole?",
    "How do I clean a burnt pan?",
    "Should I buy or lease a car?",
    "How do I make new friends in a new city?",
    "What causes thunder?",
)
CONCISE = {  # where the concise person stands; the detailed one stands at the other pole
    "length": "low",
    "directness": "high",
    "bottom_line": "high",
    "technical_depth": "low",
    "examples": "low",
}
INSTRUCTION = "Answer in at most 40 words."
MOST_WORDS = 40
QUESTIONS = 4


class Remembered:
    """A generator that grows equal requests once; plugins of a host are made like this."""

    def __init__(self, inner: Generator) -> None:
        self.name = inner.name
        self._inner = inner
        self._grown: dict[tuple[str, int, Sampling], Grown] = {}

    @property
    def feature_encoder(self) -> Encoder:
        return self._inner.feature_encoder

    def prefill(self, conversation: Conversation, *, branches: int, seed: int) -> Branches:
        return self.prefill_each([Prompt((Reading(conversation),))] * branches, seed=seed)

    def prefill_each(self, prompts: Sequence[Prompt], *, seed: int) -> Branches:
        def grow(sampling: Sampling) -> Grown:
            key = (repr(prompts), seed, sampling)
            if key not in self._grown:
                live = self._inner.prefill_each(prompts, seed=seed)
                self._grown[key] = Grown.of(live, sampling)
            return self._grown[key]

        return Replayed(len(prompts), grow)

    def log_likelihood(
        self, conversations: Sequence[Conversation], responses: Sequence[str]
    ) -> FloatArray:
        return self._inner.log_likelihood(conversations, responses)

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)


@dataclass(frozen=True)
class Grown:
    """Finished replies as the language model left them."""

    result: StepResult
    token_counts: tuple[int, ...]
    log_probs: FloatArray
    features: FloatArray

    @classmethod
    def of(cls, live: Branches, sampling: Sampling) -> Grown:
        result = live.step(sampling)
        while not all(result.finished):
            result = live.step(sampling)
        return cls(result, live.token_counts, live.log_probs, live.features())


class Replayed:
    """Branches whose first step gives the finished replies."""

    def __init__(self, size: int, grow: Callable[[Sampling], Grown]) -> None:
        self.size = size
        self._grow = grow
        self._grown: Grown | None = None

    @property
    def token_counts(self) -> tuple[int, ...]:
        return (0,) * self.size if self._grown is None else self._grown.token_counts

    @property
    def log_probs(self) -> FloatArray:
        return np.zeros(self.size, np.float32) if self._grown is None else self._grown.log_probs

    def step(self, sampling: Sampling) -> StepResult:
        self._grown = self._grow(sampling)
        return self._grown.result

    def features(self) -> FloatArray:
        if self._grown is None:
            raise RuntimeError("features were asked for before the first step")
        return self._grown.features

    def fork(self, indices: Sequence[int]) -> None:
        raise RuntimeError(f"finished replies cannot fork into {list(indices)}")

    def drop(self, indices: Sequence[int]) -> None:
        raise RuntimeError(f"finished replies cannot be dropped: {list(indices)}")


class RememberingPlugin:
    """Registers the generator ``remembered``."""

    @hookimpl
    def persona_generators(self) -> Mapping[str, Callable[..., Generator]]:
        return {
            "remembered": lambda **settings: Remembered(persona_generators()["local"](**settings))
        }


def side(question: Question, *, concise: bool) -> Side:
    """Return the answer that follows from where the person stands."""
    votes = {"a": 0, "b": 0}
    for style, high in question.poles.items():
        if style in CONCISE:
            wants_high = (CONCISE[style] == "high") == concise
            votes["a" if (high == "a") == wants_high else "b"] += 1
    if votes["a"] != votes["b"]:
        return "a" if votes["a"] > votes["b"] else "b"
    shorter: Side = "a" if len(question.a.split()) <= len(question.b.split()) else "b"
    longer: Side = "b" if shorter == "a" else "a"
    return shorter if concise else longer


def onboard(user: User, *, concise: bool) -> None:
    """Answer what the engine chooses to ask."""
    for question in user.onboard(questions=QUESTIONS):
        answer = side(question, concise=concise)
        user.prefer(question, answer)
        say(f"{user.scope.user}: {question.id} -> {answer}")


def replies(
    engine: PersonaEngine, prompts: Sequence[str], seeds: Sequence[int], max_tokens: int | None
) -> list[dict[str, Any]]:
    """Return the number of words of each reply, and whether it obeys, by prompt and seed."""
    people = {name: engine.user(name) for name in ("concise", "detailed", "instructed")}
    onboard(people["concise"], concise=True)
    onboard(people["detailed"], concise=False)
    people["instructed"].instruct(INSTRUCTION, strength="must")
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        for prompt in prompts:
            started = time.perf_counter()
            ask: Conversation = [{"role": "user", "content": prompt}]
            said = {
                name: user.chat(ask, seed=seed, max_tokens=max_tokens)
                for name, user in people.items()
            }
            base = people["concise"].chat(ask, seed=seed, max_tokens=max_tokens, personal=False)
            row = {name: words(reply.text) for name, reply in said.items()}
            row.update(
                prompt=prompt,
                seed=seed,
                base=words(base.text),
                base_obeys=obeys(base.text),
                instructed_obeys=obeys(said["instructed"].text),
                placed=any(each.used for each in said["instructed"].trace.instructions),
            )
            rows.append(row)
            say(f"{len(rows)}: {time.perf_counter() - started:.1f} s {json.dumps(row)}")
    return rows


def words(text: str) -> int:
    """Return the number of words; list markers are none."""
    return len(re.findall(r"\b[^\W\d_][\w'’-]*", text))


def obeys(text: str) -> bool:
    """Whether a reply follows `INSTRUCTION`."""
    return words(text) <= MOST_WORDS


def figures(rows: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> dict[str, Figure]:
    """Return medians over prompts, then over seeds."""

    def typical(name: str) -> float:
        return median(median(r[name] for r in rows if r["seed"] == seed) for seed in seeds)

    def share(name: str) -> float:
        return sum(bool(row[name]) for row in rows) / len(rows)

    ratios = [
        median(r["concise"] for r in rows if r["seed"] == seed)
        / median(r["detailed"] for r in rows if r["seed"] == seed)
        for seed in seeds
    ]
    concise, base, detailed = (typical(name) for name in ("concise", "base", "detailed"))
    each = f"median of {len(seeds)} seeds, each the median of {len(rows) // len(seeds)} prompts"
    return {
        "concise_over_detailed_words": Figure(median(ratios), "ratio", 0.7, each),
        "base_between": Figure(
            concise <= base <= detailed,
            "bool",
            True,
            f"{concise:g} <= {base:g} <= {detailed:g} words",
            "exactly",
        ),
        "concise_words": Figure(concise, "words"),
        "base_words": Figure(base, "words"),
        "detailed_words": Figure(detailed, "words"),
        "ratio_worst_seed": Figure(max(ratios), "ratio"),
        "replies_checked": Figure(len(rows), "replies", baseline=INSTRUCTION),
        "base_obeys": Figure(share("base_obeys"), "share", baseline=INSTRUCTION),
        "personal_obeys": Figure(share("instructed_obeys"), "share", baseline=share("base_obeys")),
        "instruction_placed": Figure(share("placed"), "share of replies"),
    }


def main() -> None:
    """Run and report."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, help="as configured if omitted")
    options = parser.parse_args()
    if options.quick:
        options.prompts, options.seeds, options.max_tokens = 2, 1, 6
    seeds = range(options.seed, options.seed + options.seeds)
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            database=f"sqlite:///{folder}/persona.db",
            data_folder=f"{folder}/indexes",
            generator_plugin="remembered",
        )
        with PersonaEngine(config=config, plugins=[RememberingPlugin()]) as engine:
            rows = replies(engine, PROMPTS[: options.prompts], seeds, options.max_tokens)
    finish(figures(rows, seeds), seed=options.seed, as_json=options.json)


if __name__ == "__main__":
    main()
