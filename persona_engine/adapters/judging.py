"""Judges an adapter beside its base, on held-out prompts and by held-out users."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.adapters.cluster_rewards import ClusterReward
from persona_engine.adapters.examples import Parts
from persona_engine.adapters.figures import AdapterFigures, Measured, clustered
from persona_engine.adapters.independent import IndependentJudge
from persona_engine.adapters.members import Member, Members, drawn, question_of
from persona_engine.adapters.neutral import NEUTRAL
from persona_engine.adapters.readings import ModelReader, Told
from persona_engine.conversation import as_conversation
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Progress, no_progress
from persona_engine.modelling import Doubles
from persona_engine.types import Conversation, FloatArray, Sampling

Judge = Callable[[Conversation, Sequence[str]], FloatArray]


@dataclass(frozen=True, slots=True)
class Trial:
    """How an adapter is tried.

    Args:
        membership: Least probability with which a held-out user belongs to the cluster.
        prompts: Most held-out prompts that replies are sampled for.
        samples: Replies sampled for each, by the adapter and by base.
        tokens: Longest of them.
        neutral: How many neutral texts are read; there are 40.
        precise: Whether likelihoods are read in float32, for which the base model is loaded once
            more, at four bytes a parameter; rounding in bfloat16 hides differences below a nat.

    Raises:
        InvalidInputError: A number is out of range.
    """

    membership: float = 0.5
    prompts: int = 24
    samples: int = 2
    tokens: int = 64
    neutral: int = 40
    precise: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.membership <= 1.0:
            raise InvalidInputError(
                f"membership is {self.membership!r}, expected above 0, at most 1"
            )
        for name in ("prompts", "samples", "tokens", "neutral"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)!r}, expected at least 1")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One held-out comparison by a held-out user."""

    chosen: Told
    rejected: Told
    weight: float
    user: str
    question: str
    part: str


class AdapterJudge:
    """Judges the adapters of one tenant's clusters; what base says and reads is kept for the next.

    Args:
        members: The tenant's users.
        base: Reads the base model.
        independent: Fitted to the held-out users.
        trial: How adapters are tried.
        seed: Decides every draw.
    """

    def __init__(
        self,
        members: Members,
        base: ModelReader,
        independent: IndependentJudge,
        *,
        trial: Trial,
        seed: int,
    ) -> None:
        self._members = members
        self._base = base
        self._independent = independent
        self._trial = trial
        self._seed = seed

    def judge(
        self,
        cluster: str,
        adapted: ModelReader,
        *,
        parts: Parts,
        reward: Callable[[Sequence[Member]], ClusterReward],
        progress: Progress = no_progress,
    ) -> AdapterFigures:
        """Return what an adapter is on its cluster's held-out users and prompts.

        The implicit reward of a reply is β (log π − log π_base), summed over its tokens as DPO
        trains it, not divided by their number (Rafailov et al. 2023, arXiv 2305.18290). Base has
        no reference, so that the sum favours short replies: its accuracy is that of its summed or
        of its mean log-likelihood, whichever is right more often.

        Args:
            cluster: Whose adapter it is.
            adapted: Reads the model with it.
            parts: Of the cluster's users.
            reward: Returns the reward of some users by their own model.
            progress: Told of what is read and sampled.
        """
        people = self._members.judging(cluster, least=self._trial.membership)
        asked = self._judgements(cluster, people, parts)
        right, base_right = self._right(asked, adapted, progress)
        worst, worst_gain = _worst(asked, right - base_right)
        prompts = self._prompts(people)
        mine, bases = (
            reader.samples(
                prompts,
                each=self._trial.samples,
                sampling=Sampling(max_tokens=self._trial.tokens),
                seed=self._seed,
                progress=progress,
            )
            for reader in (adapted, self._base)
        )
        by_users = reward(people) if people else None
        weight = np.array([each.weight for each in asked])
        return AdapterFigures(
            comparisons=len(asked),
            users=len({each.user for each in asked}),
            accuracy=_mean(right, weight),
            base_accuracy=_mean(base_right, weight),
            gain=_clustered(right - base_right, asked),
            wins=_wins(prompts, mine, bases, by_users),
            independent_wins=_wins(
                prompts,
                mine,
                bases,
                lambda _, texts: self._independent.reward(cluster, people, texts),
            ),
            judge_accuracy=self._independent.accuracy(people),
            kl=self._kl(prompts, mine, adapted),
            length=self._tokens(mine) / max(self._tokens(bases), 1),
            neutral=self._neutral(adapted, progress),
            worst_part=worst,
            worst_part_gain=worst_gain,
        )

    def _judgements(self, cluster: str, people: Sequence[Member], parts: Parts) -> list[Judgement]:
        column = self._members.column(cluster)
        found = []
        for person in people:
            part = parts.name_of(person)
            for row in np.flatnonzero(person.held_out & (person.weight > 0)):
                event = person.events[row]
                prompt = as_conversation(event.prompt)
                found.append(
                    Judgement(
                        Told(prompt, event.chosen),
                        Told(prompt, event.rejected),
                        float(person.membership[column] * person.weight[row]),
                        person.name,
                        question_of(event),
                        part,
                    )
                )
        return found

    def _right(
        self, asked: Sequence[Judgement], adapted: ModelReader, progress: Progress
    ) -> tuple[Doubles, Doubles]:
        """Return whether each comparison is right by the adapter, and by base: 1, ½ or 0."""
        texts = [side for each in asked for side in (each.chosen, each.rejected)]
        base = self._base.log_likelihood(texts, progress=progress)
        mine = adapted.log_likelihood(texts, progress=progress) - base
        lengths = np.array([max(self._count(each.text), 1) for each in texts])
        weight = np.array([each.weight for each in asked])
        plain = max((_right(base), _right(base / lengths)), key=lambda each: _mean(each, weight))
        return _right(mine), plain

    def _prompts(self, people: Sequence[Member]) -> list[Conversation]:
        asked = {
            event.prompt
            for person in people
            for event, out in zip(person.events, person.held_out, strict=True)
            if out and event.prompt.strip()
        }
        some = drawn(asked, self._seed, "samples")[: self._trial.prompts]
        return [as_conversation(each) for each in some]

    def _kl(
        self,
        prompts: Sequence[Conversation],
        samples: Sequence[Sequence[str]],
        adapted: ModelReader,
    ) -> float:
        texts = [
            Told(prompt, text)
            for prompt, several in zip(prompts, samples, strict=True)
            for text in several
            if text.strip()
        ]
        apart = adapted.log_likelihood(texts) - self._base.log_likelihood(texts)
        return float(apart.sum()) / max(self._tokens(samples), 1)

    def _neutral(self, adapted: ModelReader, progress: Progress) -> float:
        some = NEUTRAL[: self._trial.neutral]
        texts = [Told((), each) for each in some]
        lost = self._base.log_likelihood(texts) - adapted.log_likelihood(texts, progress=progress)
        return math.exp(float(lost.sum()) / self._tokens([some]))

    def _tokens(self, samples: Sequence[Sequence[str]]) -> int:
        return sum(self._count(text) for several in samples for text in several)

    def _count(self, text: str) -> int:
        return self._base.generator.count_tokens(text)


def _right(log_odds: Doubles) -> Doubles:
    """Return, of texts that stand chosen, rejected, chosen, …, whether the chosen has more."""
    apart = log_odds[0::2] - log_odds[1::2]
    return np.where(apart == 0, 0.5, (apart > 0).astype(np.float64))


def _mean(values: Doubles, weight: Doubles) -> float:
    return float(np.average(values, weights=weight)) if len(values) else 0.5


def _clustered(gains: Doubles, asked: Sequence[Judgement]) -> Measured:
    """Return the mean gain; answers of one user, and to one question, go together."""
    weight = np.array([each.weight for each in asked])
    return clustered(
        gains, weight, [each.user for each in asked], [each.question for each in asked]
    )


def _worst(asked: Sequence[Judgement], gains: Doubles) -> tuple[str, float]:
    """Return the part that gains least, and what."""
    found = []
    for part in sorted({each.part for each in asked}):
        own = np.array([each.part == part for each in asked])
        weight = np.array([each.weight for each in asked])[own]
        found.append((_mean(gains[own], weight), part))
    return min(found)[::-1] if found else ("", 0.0)


def _wins(
    prompts: Sequence[Conversation],
    mine: Sequence[Sequence[str]],
    bases: Sequence[Sequence[str]],
    judge: Judge | None,
) -> Measured:
    """Return how often a judge prefers a sample of the adapter to one of base for the same prompt.

    All pairs of a prompt's samples are compared; equals count half. Errors are over prompts.
    """
    if judge is None or not prompts:
        return Measured(0.5, math.inf)
    shares = []
    for prompt, own, others in zip(prompts, mine, bases, strict=True):
        rewards = judge(prompt, [*own, *others])
        apart = np.subtract.outer(rewards[: len(own)], rewards[len(own) :])
        shares.append(float(np.where(apart == 0, 0.5, apart > 0).mean()))
    keys = [json.dumps([list(each)]) for each in prompts]
    return clustered(np.array(shares), np.ones(len(shares)), keys)
