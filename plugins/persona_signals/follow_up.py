"""Follow-up likelihood: how much likelier a reply makes a content follow-up than a complaint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from persona_engine.types import (
    Conversation,
    FloatArray,
    FollowUpComparison,
    LogLikelihood,
    Message,
)

POSITIVE = (
    "Thank you, that is exactly what I needed.",
    "Great, that makes sense now.",
    "Perfect, this is very helpful.",
    "That works, thanks!",
)
NEGATIVE = (
    "No, that is not what I asked for.",
    "That is wrong.",
    "This is not helpful at all.",
    "You did not answer my question.",
)
_SPEAKERS = ("user", "assistant")


def follow_up_rewards(
    prompts: Sequence[Conversation], responses: Sequence[str], log_likelihood: LogLikelihood
) -> FloatArray:
    """Return the follow-up likelihood of each reply, ``(B,)``.

    r(x, y) = mean over positive u of log p(u | x, y) / |u| − the same over negative u,
    |u| in words (Zhang et al. 2024, "Aligning Language Models Using Follow-up Likelihood as Reward
    Signal", arXiv:2409.13948). The model speaks as the person: roles are swapped.

    Args:
        prompts: ``B`` conversations up to the request.
        responses: A reply to each.
        log_likelihood: The language model's.
    """
    utterances = (*POSITIVE, *NEGATIVE)
    asked = [
        _as_the_person(prompt, response)
        for prompt, response in zip(prompts, responses, strict=True)
        for _ in utterances
    ]
    if not asked:
        return np.zeros(0, np.float32)
    found = np.asarray(log_likelihood(asked, list(utterances) * len(prompts)), np.float64)
    lengths = np.array([len(each.split()) for each in utterances])
    scaled = found.reshape(len(prompts), len(utterances)) / lengths  # (B, positive + negative)
    rewards = scaled[:, : len(POSITIVE)].mean(axis=1) - scaled[:, len(POSITIVE) :].mean(axis=1)
    reward: FloatArray = rewards.astype(np.float32)
    return reward


def reweigh(
    comparisons: Sequence[FollowUpComparison], log_likelihood: LogLikelihood
) -> tuple[FollowUpComparison, ...]:
    """Return the comparisons with weights σ(logit w + r(chosen) − r(rejected)).

    Args:
        comparisons: With the weights that the person's words gave them.
        log_likelihood: The language model's.
    """
    prompts = [each.prompt for each in comparisons]
    chosen = follow_up_rewards(prompts, [each.chosen for each in comparisons], log_likelihood)
    rejected = follow_up_rewards(prompts, [each.rejected for each in comparisons], log_likelihood)
    gains = (chosen - rejected).tolist()
    return tuple(
        replace(each, weight=_shifted(each.weight, gain))
        for each, gain in zip(comparisons, gains, strict=True)
    )


def _as_the_person(prompt: Conversation, response: str) -> Conversation:
    swapped: list[Message] = [
        {"role": "assistant" if each["role"] == "user" else "user", "content": each["content"]}
        for each in prompt
        if each["role"] in _SPEAKERS
    ]
    return [*swapped, {"role": "user", "content": response}]


def _shifted(weight: float, gain: float) -> float:
    inside = min(max(weight, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(inside / (1 - inside)) + max(-30.0, min(30.0, gain)))))
