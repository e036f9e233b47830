"""What decoding costs beside transformers' `generate`: equal prompts, equal numbers of tokens.

CPU time of calls in turn, so that a busy machine slows both alike; each ratio is the median over
rounds of the ratio within a round. Replies are made long by what is asked, and a run whose branches
do not all reach the number of tokens is an error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from decoding_models import (
    PLUGINS,
    Turn,
    cpu_in_turns,
    generator,
    linear_reward,
    long_prompt,
    ratio,
    rival,
)
from report import Figure, say

from persona_engine.decoding import decode
from persona_engine.interfaces import Decoder
from persona_engine.types import (
    Compute,
    Conversation,
    DecodingRequest,
    Sampling,
)

ROUNDS, TOKENS, PROMPT_TOKENS = 5, 96, 120
QUICK_ROUNDS, QUICK_TOKENS = 1, 8
ROWS, K = 8, 10


@dataclass(frozen=True)
class Case:
    """One of the issue's costs.

    Args:
        name: Of the figure.
        decoder: Plugin.
        settings: Of the plugin.
        candidates: Branches.
        temperature: 0 where the rival is greedy.
        rival: Turn that it is measured against.
        target: Greatest ratio.
        full: Whether every branch must reach the number of tokens.
        bare: Whether the request carries the conversation without its system message.
    """

    name: str
    decoder: str
    settings: Mapping[str, object]
    candidates: int
    rival: str
    target: float | None
    temperature: float = 0.8
    full: bool = True
    bare: bool = False


CASES = (
    Case("best_of_8", "best_of_n", {"length_spread": 0.0}, ROWS, "generate_8", 0.90),
    Case("blockwise_8x16", "blockwise", {"length_spread": 0.0}, ROWS, "generate_8", 0.95),
    Case(
        "speculative_rejection",
        "best_of_n",
        {"length_spread": 0.0, "reject": 0.5},
        ROWS,
        "generate_8",
        0.65,
        full=False,
    ),
    Case("token_search_k10", "token_search", {"k": K}, 1, "generate_1", 1.5),
    Case(
        "context_steering", "logit_arithmetic", {}, 1, "generate_1", 1.1, temperature=0.0, bare=True
    ),
)


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the costs of every decoder that is installed.

    Args:
        data: Not read.
        quick: One short round: a smoke run.
        seed: Of every draw.
    """
    tokens = QUICK_TOKENS if quick else TOKENS
    rounds = QUICK_ROUNDS if quick else ROUNDS
    ask = long_prompt(PROMPT_TOKENS, number=seed)
    sampling = partial(Sampling, top_p=0.95, max_tokens=tokens)
    turns: dict[str, Turn] = {
        "generate_8": lambda: rival().generate(ask, rows=ROWS, tokens=tokens, sample=True),
        "generate_1": lambda: rival().generate(ask, rows=1, tokens=tokens, sample=False),
        "plain_8": lambda: _plain(ask, sampling(temperature=0.8), rows=ROWS, seed=seed),
        "plain_1": lambda: _plain(ask, sampling(temperature=0.0), rows=1, seed=seed),
    }
    missing = {}
    spent: dict[str, Compute] = {}
    for case in CASES:
        decoder = _decoder(case)
        if isinstance(decoder, str):
            missing[case.name] = decoder
            continue
        turns[case.name] = partial(
            _guided, case, decoder, ask, sampling(temperature=case.temperature), seed, spent
        )
    for name, turn in turns.items():
        say(f"  warming {name}")
        turn()
    costs = cpu_in_turns(turns, rounds=rounds)
    say("  " + ", ".join(f"{name} {median(each):.2f} s" for name, each in costs.items()))
    return {
        **_figures(costs, spent, missing, tokens=tokens),
        **_next_turn(rounds=rounds, seed=seed),
        **_nothing_known(tokens=tokens, rounds=rounds, seed=seed),
    }


def _figures(
    costs: Mapping[str, list[float]],
    spent: Mapping[str, Compute],
    missing: Mapping[str, str],
    *,
    tokens: int,
) -> dict[str, Figure]:
    unit = "ratio of CPU time"

    def against(name: str) -> str:
        return f"generate: {median(costs[name]):.2f} CPU s for {tokens} tokens"

    found = {
        "sessions_8_over_generate": Figure(
            ratio(costs, "plain_8", "generate_8"), unit, 0.85, against("generate_8")
        ),
        "sessions_1_over_generate": Figure(
            ratio(costs, "plain_1", "generate_1"), unit, 1.0, against("generate_1")
        ),
    }
    for case in CASES:
        if case.name in costs:
            value = ratio(costs, case.name, case.rival)
            found[f"{case.name}_over_generate"] = Figure(
                value, unit, case.target, against(case.rival)
            )
            told = spent[case.name]
            found[f"{case.name}_token_steps"] = Figure(
                told.token_steps, "tokens read", baseline=f"{told.forwards} runs of the network"
            )
        else:
            found[f"{case.name}_over_generate"] = Figure(
                False, "not measured", baseline=missing[case.name]
            )
    return found


def _decoder(case: Case) -> Decoder | str:
    """Return the decoder of a case, or why there is none."""
    try:
        return PLUGINS.create("decoder", case.decoder, **case.settings)
    except Exception as error:
        return str(error)


def _plain(ask: Conversation, sampling: Sampling, *, rows: int, seed: int) -> None:
    branches = generator().prefill(ask, branches=rows, seed=seed)
    while not all(branches.step(sampling).finished):
        pass
    _require_full(branches.token_counts, sampling, "plain decoding")


def _guided(
    case: Case,
    decoder: Decoder,
    ask: Conversation,
    sampling: Sampling,
    seed: int,
    spent: dict[str, Compute],
) -> None:
    reward = linear_reward(generator().feature_encoder.width, seed=seed)
    request = DecodingRequest(
        ask, sampling, case.candidates, seed, bare=ask[1:] if case.bare else None
    )
    generation = decode(decoder, request, generator(), reward)
    counts = tuple(each.tokens for each in generation.candidates)
    _require_full(counts if case.full else counts[:1], sampling, case.name)
    if generation.search is not None:
        spent[case.name] = generation.search.compute


def _require_full(counts: tuple[int, ...], sampling: Sampling, name: str) -> None:
    if set(counts) != {sampling.max_tokens}:
        raise SystemExit(
            f"{name}: branches have {counts} tokens, expected {sampling.max_tokens} of each; "
            "choose another --seed"
        )


def _next_turn(*, rounds: int, seed: int) -> dict[str, Figure]:
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


def _nothing_known(*, tokens: int, rounds: int, seed: int) -> dict[str, Figure]:
    """Measure a decoder without a reward against plain decoding; the same tokens."""
    ask = long_prompt(PROMPT_TOKENS, number=seed)
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

    costs = cpu_in_turns({"plain": plain, "unguided": unguided}, rounds=rounds)
    return {
        "no_posterior_over_plain": Figure(
            ratio(costs, "unguided", "plain"), "ratio of CPU time", 1.02
        ),
        "no_posterior_same_text": Figure(
            texts["plain"] == texts["unguided"], "same text", True, sense="exactly"
        ),
    }
