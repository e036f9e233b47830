"""Methods that learn from the model's own replies: RAFT and directional rejection sampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from persona_engine.interfaces import Needs, Progress
from persona_engine.types import Conversation, FloatArray, TrainingTask
from persona_lora.examples import Example, merged_pairs, normalised
from persona_lora.files import SAMPLES
from persona_lora.pairwise import PairTrainer
from persona_lora.stepping import SteppingTrainer

if TYPE_CHECKING:
    from persona_lora.batches import Row
    from persona_lora.reading import Reader

_SAMPLED: frozenset[Needs] = frozenset({"prompts", "reward"})


@dataclass(frozen=True, kw_only=True)
class Raft(SteppingTrainer):
    """Reward-ranked fine-tuning: −log π(y*|x), y* the best of K replies that π₀ gave to x.

    Best is what the cluster's mean reward likes most (RAFT, Dong et al. 2023, arXiv 2304.06767).

    When to use it: prompts in plenty, few comparisons, and a base model whose replies differ enough
    that the best of them shows the taste. It cannot lead where base never goes.

    Args:
        samples: K, replies to a prompt.
        tokens: Longest reply.
        temperature: How freely replies are drawn.
    """

    samples: int = 4
    tokens: int = 96
    temperature: float = 1.0

    name = "raft"
    needs = _SAMPLED

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("samples", 2)
        self._at_least("tokens", 1)
        self._above("temperature", 0.0)

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return the best reply to each prompt."""
        return [
            Example(prompt, (texts[int(np.argmax(rewards))],))
            for prompt, texts, rewards in sampled(self, task, reader, progress)
        ]

    def trainer(self, rows: list[Row], arguments: dict[str, Any], **given: Any) -> Any:  # noqa: ANN401
        """Return TRL's SFT trainer."""
        from trl import SFTConfig

        from persona_lora.causal import ImitationTrainer

        return ImitationTrainer(args=SFTConfig(**arguments, max_length=None), **given)


@dataclass(frozen=True, kw_only=True)
class Directional(PairTrainer):
    """Directional rejection sampling: DPO on the best and the worst of K replies that π₀ gave.

    The cluster's reward is a direction v in the space of replies, r(x, y) = v·φ(x, y). Of each
    prompt's samples the furthest along v and the furthest against it are kept, if they lie at least
    a margin apart: log-odds with which the users prefer the one. The task's own comparisons are
    added, as many as there are (after Wang et al. 2024, arXiv 2402.18571, who fine-tune on samples
    that reach far along the user's direction; the loss is that of ``dpo``).

    When to use it: clusters with few comparisons, whose reward is known through the population that
    they share it with.

    Args:
        samples: K, replies to a prompt.
        tokens: Longest reply.
        temperature: How freely replies are drawn.
        margin: Least r(best) − r(worst).
    """

    samples: int = 4
    tokens: int = 96
    temperature: float = 1.0
    margin: float = 0.5

    name = "directional"
    needs = _SAMPLED

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("samples", 2)
        self._at_least("tokens", 1)
        self._above("temperature", 0.0)
        self._above("margin", 0.0)

    def examples(self, task: TrainingTask, reader: Reader, progress: Progress) -> list[Example]:
        """Return the furthest replies to each prompt, and the task's comparisons."""
        own = []
        for prompt, texts, rewards in sampled(self, task, reader, progress):
            best, worst = int(np.argmax(rewards)), int(np.argmin(rewards))
            apart = float(rewards[best] - rewards[worst])
            if apart >= self.margin:
                likely = float(1 / (1 + np.exp(-apart)))
                own.append(Example(prompt, (texts[best], texts[worst]), probability=likely))
        given = merged_pairs(task, by_group=self.worst_group) if task.pairs else []
        return normalised(own + given) if own or given else []


def sampled(
    method: Raft | Directional, task: TrainingTask, reader: Reader, progress: Progress
) -> Iterator[tuple[Conversation, list[str], FloatArray]]:
    """Yield each prompt with the base model's different replies and their rewards."""
    from persona_lora.sampling import samples

    assert task.reward is not None  # `needs` names it
    drawn = samples(
        reader,
        task.prompts,
        each=method.samples,
        tokens=method.tokens,
        temperature=method.temperature,
        seed=task.seed,
        path=task.folder / SAMPLES,
        progress=progress,
    )
    for prompt, texts in zip(task.prompts, drawn, strict=True):
        different = [text for text in dict.fromkeys(texts) if text.strip()]
        if different:
            yield prompt, different, task.reward(prompt, different)
