"""Costs that are the sessions' own: a further turn of a conversation, and nothing to choose by."""

from __future__ import annotations

import time
from statistics import median

from decoding_models import PLUGINS, Turn, cpu_in_turns, generator, long_prompt, ratio
from report import Figure

from persona_engine.decoding import decode
from persona_engine.types import Conversation, DecodingRequest, Sampling

ROWS = 8


def next_turn(*, rounds: int, seed: int) -> dict[str, Figure]:
    """Measure reading a further turn of a conversation that was just read, against all of it."""
    numbers = iter(range(1000 * (seed + 1), 1000 * (seed + 2)))
    ratios, full = [], 0.0
    for _ in range(rounds + 1):
        first, other = (long_prompt(200, number=next(numbers)) for _ in range(2))
        turn = _further_turn(_said(first, seed))
        again = _reading([*first, *turn], seed)
        full = _reading([*other, *turn], seed)
        ratios.append(again / full)
    return {
        "next_turn_over_prefill": Figure(
            median(ratios[1:]), "ratio of CPU time", 0.35, f"full: {full:.3f} CPU s"
        )
    }


def _further_turn(reply: str) -> Conversation:
    return [
        {"role": "assistant", "content": reply},
        {"role": "user", "content": "Who was the first to sail around it?"},
    ]


def _reading(conversation: Conversation, seed: int) -> float:
    """Return CPU seconds of reading a conversation and drawing a token."""
    before = time.process_time()
    generator().prefill(conversation, branches=1, seed=seed).step(Sampling(max_tokens=1))
    return time.process_time() - before


def _said(conversation: Conversation, seed: int) -> str:
    branches = generator().prefill(conversation, branches=1, seed=seed)
    while not all((result := branches.step(Sampling(max_tokens=4))).finished):
        pass
    return result.texts[0]


def nothing_known(ask: Conversation, *, tokens: int, rounds: int, seed: int) -> dict[str, Figure]:
    """Measure a decoder without a reward against plain decoding; the same tokens."""
    sampling = Sampling(max_tokens=tokens)
    decoder = PLUGINS.create("decoder", "best_of_n")
    texts: dict[str, str] = {}

    def plain() -> None:
        branches = generator().prefill(ask, branches=1, seed=seed)
        while not all((result := branches.step(sampling)).finished):
            pass
        texts["plain"] = result.texts[0]

    def unguided() -> None:
        request = DecodingRequest(ask, sampling, ROWS, seed)
        texts["unguided"] = decode(decoder, request, generator(), None).candidates[0].text

    turns: dict[str, Turn] = {"plain": lambda _: plain(), "unguided": lambda _: unguided()}
    costs = cpu_in_turns(turns, rounds=rounds)
    return {
        "no_posterior_over_plain": Figure(
            ratio(costs, "unguided", "plain"), "ratio of CPU time", 1.02
        ),
        "no_posterior_same_text": Figure(
            texts["plain"] == texts["unguided"], "same text", True, sense="exactly"
        ),
    }
