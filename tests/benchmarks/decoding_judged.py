"""What replies are worth to a jury, how likely they are, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from decoding_models import generator
from decoding_people import Jury, Person

from persona_engine.onboarding import question_bank
from persona_engine.types import Compute

PLAIN = "plain"
# The jury's logits have no bound: one strange text was worth three hundred deviations, and all
# of a mean over 64 prompts.
MOST_GAIN = 10.0


@dataclass
class Answered:
    """What one method said, and what that cost."""

    texts: list[str] = field(default_factory=list)
    cpu: float = 0.0
    forwards: int = 0
    token_steps: int = 0
    tokens: int = 0

    def add(self, text: str, seconds: float, spent: Compute | None, tokens: int) -> None:
        self.texts.append(text)
        self.cpu += seconds
        self.tokens += tokens
        if spent is not None:
            self.forwards += spent.forwards
            self.token_steps += spent.token_steps


@dataclass(frozen=True)
class Judged:
    """One method's figures.

    Args:
        gain: Judged reward over plain, in standard deviations among plain samples of one prompt,
            of which one reply counts at most `MOST_GAIN`.
        gain_se: Its standard error over prompts.
        win_rate: Share of prompts where it is judged better than plain; equal texts count half.
        perplexity: Under the base model.
        distinct: Share of different word pairs.
        words: Mean length.
        compute: CPU time over that of plain decoding.
    """

    gain: float
    gain_se: float
    win_rate: float
    perplexity: float
    distinct: float
    words: float
    compute: float


def judge(
    crowd: Sequence[Person], answered: Mapping[str, Answered], jury: Jury, spread: float
) -> dict[str, Judged]:
    """Return every method's figures, against those of `PLAIN`."""
    asked = [question_bank()[place].prompt for person in crowd for place in person.prompts]
    rewards = {name: _rewards(crowd, each.texts, jury) for name, each in answered.items()}
    plain = answered[PLAIN]
    found = {}
    for name, each in answered.items():
        gains = np.clip((rewards[name] - rewards[PLAIN]) / spread, -MOST_GAIN, MOST_GAIN)
        same = np.array([a == b for a, b in zip(each.texts, plain.texts, strict=True)])
        wins = np.where(same, 0.5, gains > 0)
        found[name] = Judged(
            gain=float(gains.mean()),
            gain_se=float(gains.std(ddof=1) / np.sqrt(len(gains))),
            win_rate=float(wins.mean()),
            perplexity=_perplexity(asked, each.texts),
            distinct=_distinct(each.texts),
            words=float(np.mean([len(text.split()) for text in each.texts])),
            compute=each.cpu / plain.cpu,
        )
    return found


def _rewards(crowd: Sequence[Person], texts: Sequence[str], jury: Jury) -> np.ndarray:
    """Return judged rewards in the order of people and their prompts; blank replies get least."""
    found, left = [], list(texts)
    for person in crowd:
        mine, left = left[: len(person.prompts)], left[len(person.prompts) :]
        prompts = [question_bank()[place].prompt for place in person.prompts]
        found.append(jury.score(person, prompts, [text.strip() or "." for text in mine]))
    return np.concatenate(found)


def _perplexity(prompts: Sequence[str], texts: Sequence[str]) -> float:
    pairs = [(p, t) for p, t in zip(prompts, texts, strict=True) if t.strip()]
    asks = [[{"role": "user", "content": prompt}] for prompt, _ in pairs]
    total = generator().log_likelihood(asks, [text for _, text in pairs]).sum()
    tokens = sum(generator().count_tokens(text) for _, text in pairs)
    return float(np.exp(-total / max(tokens, 1)))


def _distinct(texts: Sequence[str]) -> float:
    pairs = [pair for text in texts for pair in zip(text.split(), text.split()[1:], strict=False)]
    return len(set(pairs)) / max(len(pairs), 1)
