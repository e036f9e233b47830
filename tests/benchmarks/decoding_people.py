"""People whom nothing was fitted to, and a judge of another kind who knows what they like.

A person is a taste drawn from the prior of synthetic users with a seed that no fit used. They
answer questions of the bank in the engine. The judge is a reward model fitted to *other* users'
answers in *other* encoders' features (sentence embeddings, and counts of surface), which then reads
many answers of the person; replies are to questions of the bank that neither of them was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from decoding_models import PLUGINS

from persona_engine.adapters.surface import WIDTH, surface
from persona_engine.engine import PersonaEngine
from persona_engine.interfaces import Encoder, RewardModel
from persona_engine.onboarding import Crowd, encode_bank, question_bank
from persona_engine.onboarding.bank_features import BankFeatures
from persona_engine.onboarding.synthetic_users import (
    comparisons,
    draw_tastes,
    probability_of_high,
)
from persona_engine.types import (
    Conversation,
    Evidence,
    FloatArray,
    IntArray,
    Population,
    Posterior,
    Question,
)
from persona_engine.user import User
from persona_engine.weights import resolve

ANSWERS = 16
_PEOPLE, _JUDGED_BY, _ANSWERING, _JURY = 4_001, 4_002, 4_003, 4_004


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody whom nothing was fitted to.

    Args:
        number: Which one.
        taste: ``(1, 16)`` logits of each style's high pole.
        prompts: Places in the bank of what they ask the assistant.
        asked: Places in the bank of what the engine asks them.
    """

    number: int
    taste: FloatArray
    prompts: tuple[int, ...]
    asked: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"person-{self.number}"

    def answers(self, places: Sequence[int], *, seed: int) -> list[bool]:
        """Say for each question whether they prefer the high pole."""
        styles = [str(question_bank()[place].style) for place in places]
        likes = probability_of_high(self.taste, styles)[0]
        rng = np.random.default_rng([seed, self.number])
        return [bool(each) for each in rng.random(len(places)) < likes]

    def join(self, engine: PersonaEngine, *, seed: int) -> User:
        """Answer the engine's questions; return the person as the engine's user."""
        user = engine.user(self.name)
        for place, high in zip(self.asked, self.answers(self.asked, seed=seed), strict=True):
            question = question_bank()[place]
            user.prefer(question, _side(question, high=high))
        return user


def people(count: int, prompts_each: int, *, seed: int) -> list[Person]:
    """Return people whose prompts are questions at even places, and who answer at odd ones."""
    rng = np.random.default_rng([seed, _PEOPLE])
    tastes = draw_tastes(2 * ((count + 1) // 2), rng=rng)[:count]
    even = rng.permutation(np.arange(0, len(question_bank()), 2))
    odd = np.arange(1, len(question_bank()), 2)
    found = []
    for number in range(count):
        own = even[number * prompts_each : (number + 1) * prompts_each]
        asked = rng.permutation(odd)[:ANSWERS]
        found.append(Person(number, tastes[[number]], tuple(map(int, own)), tuple(map(int, asked))))
    return found


class Jury:
    """Judges replies by what a person likes, with other features and other people's data.

    Two jurors' log-odds are averaged: one reads sentence embeddings, and one counts what is on the
    surface of a text, which embeddings of meaning see least of.

    Args:
        seed: Of the people that it was fitted to.
        quick: Few people, and the counting juror alone.
    """

    def __init__(self, *, seed: int, quick: bool = False) -> None:
        readers: list[Encoder] = [Surface()]
        if not quick:
            weights = resolve("all-minilm-l6-v2")
            readers.append(PLUGINS.create("encoder", "sentence", weights=weights))
        users = 40 if quick else 400
        self._jurors = [_Juror(each, seed=seed, users=users) for each in readers]

    def score(self, person: Person, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Return judged rewards ``(n,)`` of a person's replies, in log-odds."""
        found = [each.score(person, prompts, texts) for each in self._jurors]
        return np.mean(found, axis=0)

    def accuracy(self, everyone: Sequence[Person]) -> float:
        """Return how often it is right about bank questions at even places, which it never read."""
        places = np.arange(0, len(question_bank()), 2)
        styles = [str(question_bank()[place].style) for place in places]
        right = []
        for person in everyone:
            logit = np.mean([each.logit(person, places) for each in self._jurors], axis=0)
            likes = probability_of_high(person.taste, styles)[0]
            right.append(np.where(logit > 0, likes, 1 - likes).mean())
        return float(np.mean(right))


class _Juror:
    """One reward model on one encoder, fitted to other people's answers at odd places."""

    def __init__(self, encoder: Encoder, *, seed: int, users: int) -> None:
        self._encoder = encoder
        self._seed = seed
        self._users = users
        self._posteriors: dict[int, Posterior] = {}
        self._odd = np.arange(1, len(question_bank()), 2)

    def score(self, person: Person, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        features = self._encoder.encode([_ask(each) for each in prompts], texts)
        posterior = self._posterior(person)
        return self._model.score(self._population, [posterior], features).mean[0]

    def logit(self, person: Person, places: IntArray) -> FloatArray:
        """Return log-odds of the high reply to questions of the bank."""
        high, low = self._bank.high[places], self._bank.low[places]
        return self._model.logit(self._population, self._posterior(person), high, low).mean

    @cached_property
    def _model(self) -> RewardModel:
        return PLUGINS.create("reward_model", "attributes")

    @cached_property
    def _bank(self) -> BankFeatures:
        return encode_bank(self._encoder)

    @cached_property
    def _population(self) -> Population:
        rng = np.random.default_rng([self._seed, _JUDGED_BY])
        data = comparisons(
            draw_tastes(self._users, rng=rng),
            self._bank,
            asked=self._odd,
            answers=Crowd().answers,
            fingerprint=self._encoder.fingerprint,
            rng=rng,
        )
        return self._model.fit(data, rng=rng)

    def _posterior(self, person: Person) -> Posterior:
        """Return what it believes after every question at an odd place."""
        if person.number not in self._posteriors:
            answers = person.answers(self._odd.tolist(), seed=self._seed + _JURY)
            likes_high = np.array(answers)[:, None]
            high, low = self._bank.high[self._odd], self._bank.low[self._odd]
            evidence = Evidence(np.where(likes_high, high, low), np.where(likes_high, low, high))
            self._posteriors[person.number] = self._model.infer(self._population, evidence)
        return self._posteriors[person.number]


class Surface:
    """An `Encoder` that counts: length, punctuation, layout, and words that carry a style."""

    fingerprint = "surface/counts"
    width = WIDTH

    def encode(self, prompts: Sequence[Conversation], responses: Sequence[str]) -> FloatArray:
        """Return counts ``(n, 17)``, mostly for each word or sentence."""
        return surface(responses)


def _side(question: Question, *, high: bool) -> str:
    other = "b" if question.high == "a" else "a"
    return str(question.high) if high else other


def _ask(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]
