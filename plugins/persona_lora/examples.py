"""Comparisons as examples to train on: equal ones are one example that weighs more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from persona_engine.types import Conversation, TrainingTask


@dataclass(frozen=True, slots=True)
class Example:
    """Replies to one prompt, the preferred one first.

    Args:
        prompt: The conversation that they follow.
        replies: Two or more, or one that was rated.
        weight: What the example counts as it stands.
        opposed: What the same two replies count the other way round, of who chose differently.
        probability: P(first preferred), over all who compared the two.
        gains: How good each reply is, where there are more than two; or one, 1 for a good reply.
        group: The part of the cluster that it comes from.
        contrast: The prompt told what the users like.
    """

    prompt: Conversation
    replies: tuple[str, ...]
    weight: float = 1.0
    opposed: float = 0.0
    probability: float = 1.0
    gains: tuple[float, ...] = ()
    group: str = ""
    contrast: Conversation | None = None


def merged_pairs(task: TrainingTask) -> list[Example]:
    """Return each pair of replies once, as the larger part of the comparisons has it.

    Losses are linear in what an example weighs, so this changes no objective; but each pair is read
    once a round, however many users compared it.
    """
    held: dict[tuple[object, ...], Example] = {}
    contrasts = task.contrasts or (None,) * len(task.pairs)
    for pair, contrast in zip(task.pairs, contrasts, strict=True):
        key = (_told(pair.prompt), pair.group, _told(contrast))
        sure = 1.0 if pair.probability is None else pair.probability
        first, second = (pair.chosen, pair.rejected), (pair.rejected, pair.chosen)
        if (*key, second) in held:
            place, chosen, opposed, likely = (*key, second), 0.0, pair.weight, 1.0 - sure
        else:
            place, chosen, opposed, likely = (*key, first), pair.weight, 0.0, sure
        found = held.get(place)
        if found is None:
            found = Example(pair.prompt, first, 0.0, 0.0, 0.5, (), pair.group, contrast)
        held[place] = _with(found, chosen, opposed, likely)
    return normalised([_turned(each) for each in held.values()])


def normalised(examples: Sequence[Example]) -> list[Example]:
    """Return the examples with weights whose mean is 1, so that rates keep their meaning."""
    total = sum(each.weight + each.opposed for each in examples)
    scale = len(examples) / total
    return [
        replace(each, weight=each.weight * scale, opposed=each.opposed * scale) for each in examples
    ]


def _with(example: Example, chosen: float, opposed: float, likely: float) -> Example:
    before, new = example.weight + example.opposed, chosen + opposed
    return replace(
        example,
        weight=example.weight + chosen,
        opposed=example.opposed + opposed,
        probability=(before * example.probability + new * likely) / (before + new),
    )


def _turned(example: Example) -> Example:
    if example.weight >= example.opposed:
        return example
    return replace(
        example,
        replies=example.replies[::-1],
        weight=example.opposed,
        opposed=example.weight,
        probability=1.0 - example.probability,
    )


def _told(conversation: Conversation | None) -> tuple[tuple[str, str], ...]:
    return tuple((each["role"], each["content"]) for each in conversation or ())
