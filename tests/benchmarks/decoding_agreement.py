"""Do scores read while decoding rank candidates as scores of the same texts, encoded plainly, do?

Features are learned on plain conversations. While decoding they are read after the prompt as it
goes to the model, which may hold a block of standing instructions. Here candidates are grown with
such a block in the prompt; their rewards as decoding reads them are compared with their rewards as
replies to the bare conversation, for several people, by rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from decoding_models import PLUGINS, generator
from decoding_people import Person, people
from report import Figure, say

from persona_engine.config import EngineConfig
from persona_engine.decoding import end_biases
from persona_engine.instructions import operator_rule
from persona_engine.instructions.render import render_instructions
from persona_engine.interfaces import RewardModel
from persona_engine.onboarding import DefaultPopulation, load_shipped, question_bank
from persona_engine.types import Conversation, Evidence, FloatArray, Sampling

PEOPLE, PROMPTS, BRANCHES, TOKENS = 8, 8, 16, 96
QUICK = (2, 1, 4, 8)
TARGET = 0.95
BUDGET = 200
RULES = (
    ("Answer in British English.",),
    ("Keep it under 80 words.", "Never use bullet points."),
    ("I am vegan: suggest no meat, fish or dairy.", "Use metric units.", "Call me Sam."),
)


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return rank correlations with a block of instructions in the prompt, and without.

    Args:
        data: Not needed.
        quick: Few short replies: a smoke run.
        seed: Of people, prompts and draws.
    """
    count, prompts, branches, tokens = QUICK if quick else (PEOPLE, PROMPTS, BRANCHES, TOKENS)
    crowd = people(count, 1, seed=seed)
    places = np.random.default_rng([seed, 91]).permutation(len(question_bank()))[:prompts]
    judge = Judge(crowd, seed=seed)
    found: dict[str, list[float]] = {"block": [], "no_block": []}
    for number, place in enumerate(places):
        bare: Conversation = [{"role": "user", "content": question_bank()[place].prompt}]
        for name, asked in (("block", with_block(bare, number)), ("no_block", bare)):
            read, plain = grown(asked, bare, branches=branches, tokens=tokens, seed=seed + number)
            found[name] += judge.agreement(read, plain)
        say(f"prompt {number + 1} of {prompts}: {np.mean(found['block']):.3f} with a block")
    what = f"{len(found['block'])} rankings of {branches} candidates"
    return {
        "agreement_with_block": Figure(
            float(np.mean(found["block"])), "Spearman", TARGET, what, "at least"
        ),
        "agreement_worst_tenth": Figure(float(np.quantile(found["block"], 0.1)), "Spearman"),
        "agreement_without_block": Figure(float(np.mean(found["no_block"])), "Spearman"),
    }


class Judge:
    """The rewards of some people who answered questions, under the shipped population.

    Args:
        crowd: The people.
        seed: Of their answers.
    """

    def __init__(self, crowd: Sequence[Person], *, seed: int) -> None:
        name = EngineConfig().reward_model
        self._model: RewardModel = PLUGINS.create("reward_model", name)
        default = load_shipped(name, generator().feature_encoder.fingerprint)
        if default is None:
            raise SystemExit(f"no default population is shipped for {generator().name}")
        self._population = default.population
        self._posteriors = [
            self._model.infer(self._population, evidence(default, each, seed=seed))
            for each in crowd
        ]

    def agreement(self, one: FloatArray, other: FloatArray) -> list[float]:
        """Return each person's rank correlation between rewards of two readings of texts."""
        first, second = (
            self._model.score(self._population, self._posteriors, each).mean
            for each in (one, other)
        )
        return [spearman(a, b) for a, b in zip(first, second, strict=True)]


def evidence(default: DefaultPopulation, person: Person, *, seed: int) -> Evidence:
    """Return what a person answered."""
    places = list(person.asked)
    high = np.array(person.answers(places, seed=seed))[:, None]
    a, b = default.bank.high[places], default.bank.low[places]
    return Evidence(np.where(high, a, b), np.where(high, b, a))


def with_block(bare: Conversation, number: int) -> Conversation:
    """Return the conversation with standing instructions placed as `chat` places them."""
    rules = [operator_rule(text) for text in RULES[number % len(RULES)]]
    placed = render_instructions(bare, rules, budget=BUDGET, count_tokens=generator().count_tokens)
    assert placed.placed, placed.reason
    return placed.messages


def grown(
    asked: Conversation, bare: Conversation, *, branches: int, tokens: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return features ``(B, D)`` as decoding reads them, and of the texts encoded plainly."""
    live = generator().prefill(asked, branches=branches, seed=seed)
    sampling = Sampling(max_tokens=tokens, end_bias=end_biases(branches, 3.0))
    result = live.step(sampling)
    while not all(result.finished):
        result = live.step(sampling)
    said = [place for place, text in enumerate(result.texts) if text.strip()]
    texts = [result.texts[place] for place in said]
    plain = generator().feature_encoder.encode([bare] * len(texts), texts)
    return live.features()[said], plain


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Return the rank correlation of two lists without ties."""
    ranks = [np.argsort(np.argsort(each)) for each in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
