"""One user's reward as decoders and rankings call it: a posterior bound to its population."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from persona_engine.conversation import last_request
from persona_engine.interfaces import RewardModel, given
from persona_engine.types import (
    Context,
    Conversation,
    FloatArray,
    PairText,
    Population,
    Posterior,
    Score,
)


@dataclass(frozen=True, slots=True)
class Belief:
    """A user's posterior with the model, the population and the prompt that it is asked about.

    What the user set by hand is in the posterior already; ``steering`` says what that was. So is
    what is presumed of a new user; ``neighbours`` says from how many others.

    This is the `persona_engine.interfaces.Reward` that decoders and rankings call.
    """

    model: RewardModel
    population: Population
    posterior: Posterior
    context: Context | None = None
    steering: Mapping[str, float] = field(default_factory=dict)
    neighbours: int = 0

    @property
    def informed(self) -> bool:
        """Whether anything is known of the user: comparisons, what was set by hand, neighbours."""
        return bool(self.posterior.count or self.steering or self.neighbours)

    def score(self, features: FloatArray) -> Score:
        """Return rewards ``(B,)`` of features ``(B, D)``."""
        scores = self.model.score(
            self.population, [self.posterior], features, **given(self.context)
        )  # (1, B)
        return Score(scores.mean[0], scores.std[0])

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds ``(B,)`` that ``a`` is preferred to ``b``, row by row."""
        return self.model.logit(self.population, self.posterior, a, b, **given(self.context))


@dataclass(frozen=True, slots=True)
class TextBelief(Belief):
    """The belief of a model that reads words: rewards are of texts, not of features.

    Args:
        prompt: What the texts answer.
    """

    prompt: Conversation | str = ()

    def of_texts(self, texts: Sequence[str], features: FloatArray) -> tuple[FloatArray, Tabulated]:
        """Return stand-in features ``(B, B)`` of texts, and a reward that knows them.

        Args:
            texts: The ``B`` texts.
            features: Their features, ``(B, D)``.
        """
        prompt = self.prompt if isinstance(self.prompt, str) else last_request(self.prompt)
        pairs = tuple(PairText(prompt, each, "") for each in texts)
        context = replace(self.context or Context(), texts=pairs)
        score = self.model.score(self.population, [self.posterior], features, context=context)
        return np.eye(len(texts), dtype=np.float32), Tabulated(score.mean[0], score.std[0])


@dataclass(frozen=True, slots=True, eq=False)
class Tabulated:
    """Rewards of given candidates, each at its own place of the stand-in features.

    Args:
        mean: ``(B,)``.
        std: ``(B,)``, taken as independent.
    """

    mean: FloatArray
    std: FloatArray

    def score(self, features: FloatArray) -> Score:
        """Return rewards of mixtures of candidates ``(n, B)``."""
        mean: FloatArray = features @ self.mean
        return Score(mean, self._spread(features))

    def logit(self, a: FloatArray, b: FloatArray) -> Score:
        """Return log-odds that mixture ``a`` is preferred to mixture ``b``, row by row."""
        return self.score(a - b)

    def _spread(self, rows: FloatArray) -> FloatArray:
        variance = np.square(rows) @ np.square(self.std)
        spread: FloatArray = np.sqrt(variance).astype(np.float32)
        return spread


def bind(
    model: RewardModel,
    population: Population,
    posterior: Posterior,
    *,
    prompt: Conversation | str | None,
    encode: Callable[[str], FloatArray],
    context: Context,
    steering: Mapping[str, float] = MappingProxyType({}),
    neighbours: int = 0,
) -> Belief:
    """Return the belief about a prompt, given to the model as far as the model reads it.

    Args:
        model: The reward model.
        population: What it stands on.
        posterior: The user's.
        prompt: The conversation so far or its last words; None where there is none.
        encode: Returns the features ``(P,)`` of a prompt's last words.
        context: What else a model of texts may need.
        steering: What the user set by hand, which the posterior holds.
        neighbours: From how many others something is presumed, which the posterior holds too.
    """
    if not model.reads or prompt is None:
        return Belief(model, population, posterior, steering=steering, neighbours=neighbours)
    words = prompt if isinstance(prompt, str) else last_request(prompt)
    if "prompt" in model.reads and words.strip():
        context = replace(context, prompt=encode(words))
    if "texts" in model.reads:
        return TextBelief(model, population, posterior, context, steering, neighbours, prompt)
    return Belief(model, population, posterior, context, steering, neighbours)
