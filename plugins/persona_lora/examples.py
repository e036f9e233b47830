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


def merged_pairs(
    task: TrainingTask, *, by_group: bool = False, by_contrast: bool = False
) -> list[Example]:
    """Return each pair of replies once, as the larger part of the comparisons has it.

    Losses are linear in what an example weighs, so this changes no objective; but each pair is read
    once a round, however many users compared it.

    Args:
        task: Whose pairs.
        by_group: Keep groups apart.
        by_contrast: Keep apart what is told of users.
    """
    held: dict[tuple[object, ...], Example] = {}
    contrasts = task.contrasts if by_contrast else (None,) * len(task.pairs)
    for pair, contrast in zip(task.pairs, contrasts, strict=True):
        group = pair.group if by_group else ""
        key = (_told(pair.prompt), group, _told(contrast))
        sure = 1.0 if pair.probability is None else pair.probability
        first, second = (pair.chosen, pair.rejected), (pair.rejected, pair.chosen)
        if (*key, second) in held:
            place, chosen, opposed, likely = (*key, second), 0.0, pair.weight, 1.0 - sure
        else:
            place, chosen, opposed, likely = (*key, first), pair.weight, 0.0, sure
        found = held.get(place)
        if found is None:
            found = Example(pair.prompt, first, 0.0, 0.0, 0.5, (), group, contrast)
        held[place] = _with(found, chosen, opposed, likely)
    return normalised([_turned(each) for each in held.values()])


def lists(task: TrainingTask, *, longest: int) -> list[Example]:
    """Return all replies to each prompt as one example, whose gains are what they won.

    A reply's gain is the weighted share of its comparisons in which it was preferred. Of more than
    ``longest`` replies those that were compared most are kept.
    """
    prompts: dict[object, Conversation] = {}
    won: dict[object, dict[str, list[float]]] = {}
    for pair in task.pairs:
        key = _told(pair.prompt)
        prompts[key] = pair.prompt
        of_prompt = won.setdefault(key, {})
        for text, share in ((pair.chosen, pair.weight), (pair.rejected, 0.0)):
            count = of_prompt.setdefault(text, [0.0, 0.0])
            count[0] += share
            count[1] += pair.weight
    examples = []
    for prompt, of_prompt in won.items():
        kept = sorted(of_prompt, key=lambda text: -of_prompt[text][1])[:longest]
        kept.sort(key=lambda text: -of_prompt[text][0] / of_prompt[text][1])
        examples.append(
            Example(
                prompts[prompt],
                tuple(kept),
                weight=sum(of_prompt[text][1] for text in kept),
                gains=tuple(of_prompt[text][0] / of_prompt[text][1] for text in kept),
            )
        )
    return normalised(examples)


def singles(examples: Sequence[Example]) -> list[Example]:
    """Return the replies that were preferred, each by itself."""
    found = []
    for each in examples:
        for text, weight in zip(each.replies, (each.weight, each.opposed), strict=True):
            if weight > 0:
                found.append(replace(each, replies=(text,), weight=weight, opposed=0.0))
    return normalised(found)


def rated(task: TrainingTask) -> list[Example]:
    """Return ratings, or what was preferred and what was not; good and bad count alike in all.

    Of a rating the gain is 1 or 0. Beside each reply stands another prompt's, which says how far
    the model has moved in general.
    """
    told = [(each.prompt, each.text, each.good, each.weight) for each in task.rated]
    if not told:
        for pair in task.pairs:
            told.append((pair.prompt, pair.chosen, True, pair.weight))
            told.append((pair.prompt, pair.rejected, False, pair.weight))
    held: dict[tuple[object, ...], Example] = {}
    for prompt, text, good, weight in told:
        key = (_told(prompt), text, good)
        before = held.get(key, Example(prompt, (text,), 0.0, gains=(float(good), 0.0)))
        held[key] = replace(before, weight=before.weight + weight)
    found = list(held.values())
    totals = {1.0: 0.0, 0.0: 0.0}
    for one in found:
        totals[one.gains[0]] += one.weight
    return normalised(
        [
            replace(
                each,
                weight=each.weight / totals[each.gains[0]],
                replies=(*each.replies, _another(found, n)),
            )
            for n, each in enumerate(found)
        ]
    )


def _another(examples: Sequence[Example], place: int) -> str:
    """Return the reply of the next example that has another prompt, if there is one."""
    mine = _told(examples[place].prompt)
    for n in range(1, len(examples)):
        other = examples[(place + n) % len(examples)]
        if _told(other.prompt) != mine:
            return other.replies[0]
    return examples[place].replies[0]


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
