"""What decoding costs beside transformers' `generate`: equal prompts, equal numbers of tokens.

CPU time of calls in turn, so that a busy machine slows both alike; each ratio is the median over
rounds of the ratio within a round. Replies are made long by what is asked, and a run whose branches
do not all reach the number of tokens is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from decoding_adapter import NAME, load_adapter
from decoding_args import official_args
from decoding_llama import against_llama
from decoding_models import (
    PLUGINS,
    Linear,
    Turn,
    cpu_in_turns,
    generator,
    linear_reward,
    long_prompt,
    ratio,
    rival,
)
from decoding_turns import next_turn, nothing_known
from report import Figure, say

from persona_engine.decoding import decode
from persona_engine.interfaces import Decoder
from persona_engine.types import (
    Compute,
    Conversation,
    DecodingRequest,
    Generation,
    Sampling,
)

ROUNDS, TOKENS, PROMPT_TOKENS = 5, 96, 120
QUICK_ROUNDS, QUICK_TOKENS, QUICK_PROMPT = 1, 6, 60
ROWS, SPECULATED, K = 8, 24, 10
GAIN_SEEDS = 24
FULL = 0.97  # of the tokens, at least, so that costs compare


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
        SPECULATED,
        "generate_8",
        0.65,
        full=False,
    ),
    Case("token_search_k10", "token_search", {"k": K}, 2, "generate_1", 1.5, full=False),
    Case(
        "context_steering", "logit_arithmetic", {}, 1, "generate_1", 1.1, temperature=0.0, bare=True
    ),
    Case(
        "one_adapter_contrast",
        "logit_arithmetic",
        {"adapters": {NAME: 1.0}, "strengths": [1.0]},
        1,
        "generate_1",
        1.2,
        temperature=0.0,
    ),
)


def measure(
    data: Path, *, quick: bool, seed: int, args_checkout: Path | None = None
) -> dict[str, Figure]:
    """Return the costs of every decoder that is installed.

    Args:
        data: Not read.
        quick: One short round: a smoke run.
        seed: Of every draw.
        args_checkout: Folder of the official ARGS code, which then runs beside token search.
    """
    tokens = QUICK_TOKENS if quick else TOKENS
    rounds = QUICK_ROUNDS if quick else ROUNDS
    prompt = QUICK_PROMPT if quick else PROMPT_TOKENS
    runs = Runs(long_prompt(prompt, number=seed), tokens=tokens, seed=seed)
    turns: dict[str, Turn] = {
        "generate_8": lambda _: runs.generate(rows=ROWS, sample=True),
        "generate_1": lambda _: runs.generate(rows=1, sample=False),
        "plain_8": lambda round_: runs.plain(0.8, rows=ROWS, round_=round_),
        "plain_1": lambda round_: runs.plain(0.0, rows=1, round_=round_),
    }
    missing = {}
    for case in CASES:
        decoder = _decoder(case)
        if isinstance(decoder, str):
            missing[case.name] = decoder
        else:
            turns[case.name] = partial(runs.guided, case, decoder)
    with TemporaryDirectory() as folder:
        load_adapter(Path(folder), seed=seed)
    official = official_args(args_checkout, runs.conversation, tokens=tokens, k=K)
    if official is not None:
        turns["official_args"] = lambda _: official()
    for name, turn in turns.items() if not quick else ():
        say(f"  warming {name}")
        turn(0)
    costs = cpu_in_turns(turns, rounds=rounds)
    say("  " + ", ".join(f"{name} {median(each):.2f} s" for name, each in costs.items()))
    return {
        **_figures(costs, runs, missing, quick=quick),
        **_against_args(costs),
        **next_turn(rounds=rounds, seed=seed),
        **nothing_known(runs.conversation, tokens=tokens, rounds=rounds, seed=seed),
        **against_llama(costs, prompt_tokens=prompt, tokens=tokens),
    }


class Runs:
    """Calls of one prompt, and what became of them.

    Args:
        conversation: The prompt.
        tokens: Length of every reply.
        seed: Of the first round; each round has one of its own, the same for all.
    """

    def __init__(self, conversation: Conversation, *, tokens: int, seed: int) -> None:
        self.conversation = conversation
        self.tokens = tokens
        self.spent: dict[str, Compute] = {}
        self._seed = 100 * seed
        self._numbers = count(1_000)

    def generate(self, *, rows: int, sample: bool) -> None:
        """Run the rival."""
        rival().generate(self._fresh(), rows=rows, tokens=self.tokens, sample=sample)

    def plain(self, temperature: float, *, rows: int, round_: int) -> None:
        """Run a plain loop on the sessions."""
        sampling = Sampling(temperature=temperature, max_tokens=self.tokens)
        seed = self._seed + round_
        branches = generator().prefill(self._fresh(), branches=rows, seed=seed)
        while not all(branches.step(sampling).finished):
            pass
        self._require_full(branches.token_counts, "plain decoding")

    def guided(self, case: Case, decoder: Decoder, round_: int) -> None:
        """Run a decoder."""
        generation = self._decoded(case, decoder, self._fresh(), self._seed + round_)
        counts = tuple(each.tokens for each in generation.candidates)
        self._require_full(counts if case.full else counts[:1], case.name)
        if generation.search is not None:
            self.spent[case.name] = generation.search.compute

    def gained(self, cases: tuple[Case, Case], *, seeds: int) -> float:
        """Return how much more reward the first gets than the second with the same seeds."""
        found = []
        for seed in range(seeds):
            worth = []
            for case in cases:
                decoder = PLUGINS.create("decoder", case.decoder, **case.settings)
                generation = self._decoded(case, decoder, self.conversation, self._seed + seed)
                worth.append(float(self._reward.score(generation.features[:1]).mean[0]))
            found.append(worth[0] - worth[1])
        return float(np.mean(found))

    @property
    def _reward(self) -> Linear:
        return linear_reward(generator().feature_encoder.width, seed=0)

    def _decoded(
        self, case: Case, decoder: Decoder, conversation: Conversation, seed: int
    ) -> Generation:
        request = DecodingRequest(
            conversation,
            Sampling(temperature=case.temperature, max_tokens=self.tokens),
            case.candidates,
            seed,
            bare=conversation[1:] if case.bare else None,
        )
        return decode(decoder, request, generator(), self._reward)

    def _fresh(self) -> Conversation:
        """Return the prompt with another beginning, so that nothing of it was read before."""
        system, *rest = self.conversation
        return [
            {**system, "content": f"Conversation {next(self._numbers)}. {system['content']}"},
            *rest,
        ]

    def _require_full(self, counts: tuple[int, ...], name: str) -> None:
        if sum(counts) < FULL * self.tokens * len(counts):
            raise SystemExit(
                f"{name}: branches have {counts} tokens, expected {self.tokens} of each; "
                "choose another --seed"
            )


def _figures(
    costs: Mapping[str, list[float]], runs: Runs, missing: Mapping[str, str], *, quick: bool
) -> dict[str, Figure]:
    unit = "ratio of CPU time"

    def against(name: str) -> str:
        return f"generate: {median(costs[name]):.2f} CPU s for {runs.tokens} tokens"

    found = {
        f"sessions_{rows}_over_generate": Figure(
            ratio(costs, f"plain_{rows}", f"generate_{rows}"),
            unit,
            most,
            against(f"generate_{rows}"),
        )
        for rows, most in ((ROWS, 0.85), (1, 1.0))
    }
    for case in CASES:
        name = f"{case.name}_over_generate"
        if case.name in missing:
            found[name] = Figure(False, "not measured", baseline=missing[case.name])
            continue
        found[name] = Figure(
            ratio(costs, case.name, case.rival), unit, case.target, against(case.rival)
        )
        told = runs.spent[case.name]
        found[f"{case.name}_token_steps"] = Figure(
            told.token_steps, "tokens read", baseline=f"{told.forwards} runs of the network"
        )
    if "speculative_rejection" not in missing:
        pair = [each for each in CASES if each.name in ("speculative_rejection", "best_of_8")]
        seeds = 1 if quick else GAIN_SEEDS
        found["speculative_rejection_gain_over_best_of_8"] = Figure(
            runs.gained((pair[1], pair[0]), seeds=seeds), "reward", 0.0, sense="at least"
        )
    return found


def _against_args(costs: Mapping[str, list[float]]) -> dict[str, Figure]:
    if "official_args" not in costs or "token_search_k10" not in costs:
        return {
            "official_args_over_token_search": Figure(
                False, "not measured", baseline="name a checkout with --args-checkout"
            )
        }
    return {
        "official_args_over_token_search": Figure(
            ratio(costs, "official_args", "token_search_k10"),
            "ratio of CPU time",
            2.0,
            None,
            "at least",
        ),
        "official_args_over_generate": Figure(
            ratio(costs, "official_args", "generate_1"), "ratio of CPU time"
        ),
    }


def _decoder(case: Case) -> Decoder | str:
    """Return the decoder of a case, or why there is none."""
    try:
        return PLUGINS.create("decoder", case.decoder, **case.settings)
    except Exception as error:
        return str(error)
