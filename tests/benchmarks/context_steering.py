"""Context steering: how many placed instructions are kept, and how likely the replies stay.

    python tests/benchmarks/context_steering.py [--quick] [--prompts 32] [--only standing] [--json]

Two ways of asking. *standing*: an everyday request of the question bank, and one rule of IFEval's
kinds (Zhou et al. 2023, arXiv 2311.07911) placed beside it as a standing instruction. *asked*:
IFEval's own prompts, as `bench_instructions.py --only obedience` asks them, whose rules stand in
the prompt and in the block as well, so that there is little to steer by. Each strength λ is one
branch of one batch; "masked" is λ = 0 behind the mask α that comes with λ > 0, which alone makes
replies likelier; what is counted is its reply as the model wrote it, unmended, alone.
"kept" is the share of prompts all of whose rules hold in the strict sense, "perplexity" that under
the model with the instructions in its prompt, over all tokens, "words" the mean length.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from persona_engine.generation import persona_generators
from persona_engine.instructions.render import render_instructions
from persona_engine.interfaces import Generator
from persona_engine.onboarding import question_bank
from persona_engine.types import Conversation, DecodingRequest, Instruction, Sampling
from persona_engine.weights import resolve
from persona_logit_arithmetic.steering import Rung, steered_prompt

sys.path.insert(0, str(Path(__file__).parent))
from instructions_obedience import Prompt, read_prompts
from report import Figure, arguments, finish, say

STRENGTHS = {"0": 0.0, "0.5": 0.5, "1": 1.0, "1.5": 1.5, "masked": 1e-9}
PROMPTS, QUICK_PROMPTS = 32, 1
MAX_TOKENS, QUICK_TOKENS = 128, 8
PLAUSIBLE = 0.1
_SAID = datetime(2026, 1, 1, tzinfo=UTC)
_OF_ITS_OWN_PROMPT = "combination:repeat_prompt"


@dataclass(frozen=True)
class Case:
    """One request with rules placed.

    Args:
        bare: The request.
        rules: What is to hold, with the check of it.
    """

    bare: Conversation
    rules: Prompt

    def told(self, generator: Generator) -> Conversation:
        """Return the request with the rules in a block beside it, as the engine places them."""
        rules = [
            Instruction(str(number), text, _SAID, kind="constraint", strength="must")
            for number, text in enumerate(self.rules.rules)
        ]
        return render_instructions(
            self.bare, rules, budget=512, count_tokens=generator.count_tokens
        ).messages


@dataclass(frozen=True)
class Outcome:
    """What one strength made of one case."""

    kept: bool
    log_prob: float
    tokens: int
    words: int


def measure(
    data: Path,
    ways: Sequence[str],
    *,
    quick: bool,
    seed: int,
    prompts: int | None,
    plausible: float = PLAUSIBLE,
) -> dict[str, Figure]:
    """Return the figures of some ways of asking."""
    generator = persona_generators()["local"](weights=resolve("smollm2-135m-instruct"))
    count = prompts or (QUICK_PROMPTS if quick else PROMPTS)
    tokens = QUICK_TOKENS if quick else MAX_TOKENS
    everything = list(read_prompts(data / "ifeval.jsonl.gz"))
    figures: dict[str, Figure] = {"prompts": Figure(count, "prompts each")}
    for way in ways:
        cases = WAYS[way](everything, count, seed=seed)
        found = [
            _replies(generator, case, seed=seed + n, tokens=tokens, plausible=plausible)
            for n, case in enumerate(_told(way, cases))
        ]
        figures |= _figures(way, [list(column) for column in zip(*found, strict=True)])
    return figures


def standing(everything: Sequence[Prompt], count: int, *, seed: int) -> list[Case]:
    """Return everyday requests, each with one rule of a kind drawn evenly."""
    rng = random.Random(seed)
    by_kind: dict[str, list[Prompt]] = {}
    for each in everything:
        for kind, arguments_ in zip(each.kinds, each.arguments, strict=True):
            if kind != _OF_ITS_OWN_PROMPT:
                alone = Prompt(each.key, each.text, (kind,), (arguments_,))
                by_kind.setdefault(kind, []).append(alone)
    kinds = sorted(by_kind)
    requests = sorted({each.prompt for each in question_bank()})
    rng.shuffle(kinds)
    rng.shuffle(requests)
    return [
        Case(({"role": "user", "content": request},), rng.choice(by_kind[kinds[n % len(kinds)]]))
        for n, request in enumerate(requests[:count])
    ]


def asked(everything: Sequence[Prompt], count: int, *, seed: int) -> list[Case]:
    """Return prompts of IFEval as they stand."""
    chosen = random.Random(seed).sample(list(everything), min(count, len(everything)))
    return [Case(({"role": "user", "content": each.text},), each) for each in chosen]


WAYS = {"standing": standing, "asked": asked}


def _replies(
    generator: Generator, case: Case, *, seed: int, tokens: int, plausible: float
) -> list[Outcome]:
    """Return what each strength makes of a case, all in one batch."""
    sampling = Sampling(max_tokens=tokens)
    request = DecodingRequest(case.told(generator), sampling, 1, seed, bare=case.bare)
    prompts = [
        steered_prompt(request, Rung(each), plausible=plausible) for each in STRENGTHS.values()
    ]
    branches = generator.prefill_each(prompts, seed=seed)
    result = branches.step(sampling)
    while not all(result.finished):
        result = branches.step(sampling)
    return [
        Outcome(all(case.rules.kept(text)), float(log_prob), length, len(text.split()))
        for text, log_prob, length in zip(
            result.texts, branches.log_probs, branches.token_counts, strict=True
        )
    ]


def _told(name: str, cases: Sequence[Case]) -> Iterator[Case]:
    for number, case in enumerate(cases, 1):
        say(f"  {name} {number} of {len(cases)}: {', '.join(case.rules.kinds)}")
        yield case


def _figures(name: str, by_strength: Sequence[Sequence[Outcome]]) -> dict[str, Figure]:
    figures = {}
    plain = float(np.mean([each.kept for each in by_strength[0]]))
    for strength, found in zip(STRENGTHS, by_strength, strict=True):
        tag = f"{name}_{strength}"
        kept = float(np.mean([each.kept for each in found]))
        mean = sum(each.log_prob for each in found) / sum(each.tokens for each in found)
        figures[f"{tag}_kept"] = Figure(
            round(kept, 3), "share of prompts", baseline=round(plain, 3)
        )
        figures[f"{tag}_perplexity"] = Figure(round(float(np.exp(-mean)), 2), "per token")
        figures[f"{tag}_words"] = Figure(
            round(float(np.mean([e.words for e in found])), 1), "words"
        )
    return figures


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--prompts", type=int, help="how many of each way of asking")
    options.add_argument("--plausible", type=float, default=PLAUSIBLE, help="α of the mask")
    options.add_argument("--only", choices=sorted(WAYS), help="one way of asking")
    given = options.parse_args()
    data = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures = measure(
        data,
        [given.only] if given.only else list(WAYS),
        quick=given.quick,
        seed=given.seed,
        prompts=given.prompts,
        plausible=given.plausible,
    )
    finish(figures, seed=given.seed, as_json=given.json)


if __name__ == "__main__":
    main()
