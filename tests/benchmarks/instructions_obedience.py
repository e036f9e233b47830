"""Obedience: IFEval's own instructions as standing rules, kept by a real small language model.

    python tests/benchmarks/instructions_obedience.py [--quick] [--prompts 541] [--json]

Each prompt is asked as it stands, instructions and all (IFEval, Zhou et al. 2023,
arXiv:2311.07911), by a user of its own who said its instructions once, as rules. Base is the same
prompt with the same seed and ``personal=False``; personal is one of 8 candidates, verified, and
mended where an editor could. A prompt counts when all of its instructions hold in the strict sense
of the published checker. Prompts are a seeded sample; replies have at most `MAX_TOKENS` tokens on
both sides, so that "at least 300 words" can hold on neither.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_constraints import constraints_of, judge, rule_of
from persona_engine.config import EngineConfig
from persona_engine.engine import PersonaEngine
from persona_engine.types import Reply

sys.path.insert(0, str(Path(__file__).parent))
from report import Figure, arguments, finish, say

CANDIDATES = 8
MAX_TOKENS = 192
PROMPTS, QUICK_PROMPTS, QUICK_TOKENS = 16, 2, 24
TARGET = 0.20


@dataclass(frozen=True)
class Prompt:
    """One prompt of IFEval.

    Args:
        key: Its number.
        text: What is asked.
        kinds: Ids of its instructions.
        arguments: Of each.
    """

    key: int
    text: str
    kinds: tuple[str, ...]
    arguments: tuple[Mapping[str, Any], ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The instructions as somebody would say them once."""
        return tuple(map(rule_of, self.kinds, self.arguments))

    def kept(self, reply: str) -> tuple[bool, ...]:
        """Say which instructions hold in a reply, in the strict sense."""
        pairs = zip(self.kinds, self.arguments, strict=True)
        return tuple(judge(constraints_of(*each), reply, self.text).holds for each in pairs)


@dataclass(frozen=True)
class Outcome:
    """What became of one prompt.

    Args:
        kinds: Ids of its instructions.
        base: Which hold in the base reply.
        personal: Which hold in the personal one.
        sampled: Whether all hold in one of the candidates as the model wrote them.
        mended: Whether the personal reply was put right.
    """

    kinds: tuple[str, ...]
    base: tuple[bool, ...]
    personal: tuple[bool, ...]
    sampled: bool
    mended: bool


def measure(data: Path, *, quick: bool, seed: int, prompts: int | None = None) -> dict[str, Figure]:
    """Return the figures of a seeded sample of the prompts.

    Args:
        data: Folder with ``ifeval.jsonl.gz``.
        quick: Two prompts and very short replies: a smoke run.
        seed: Of the sample and of every draw.
        prompts: How many prompts; 16 if omitted.
    """
    everything = list(read_prompts(data / "ifeval.jsonl.gz"))
    count = min(prompts or (QUICK_PROMPTS if quick else PROMPTS), len(everything))
    chosen = random.Random(seed).sample(everything, count)
    tokens = QUICK_TOKENS if quick else MAX_TOKENS
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            database=f"sqlite:///{folder}/persona.db", instruction_verifiers=("constraints",)
        )
        with PersonaEngine(config=config) as engine:
            outcomes = [_ask(engine, each, seed=seed, tokens=tokens) for each in _told(chosen)]
    return _figures(outcomes)


def read_prompts(path: Path) -> Iterator[Prompt]:
    """Yield the prompts of a published file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            given = (
                {name: value for name, value in each.items() if value is not None}
                for each in row["kwargs"]
            )
            kinds = tuple(row["instruction_id_list"])
            yield Prompt(row["key"], row["prompt"], kinds, tuple(given))


def _ask(engine: PersonaEngine, prompt: Prompt, *, seed: int, tokens: int) -> Outcome:
    user = engine.user(str(prompt.key))
    for rule in prompt.rules:
        user.instruct(rule, kind="constraint", strength="must")
    turn = [{"role": "user", "content": prompt.text}]
    personal = user.chat(turn, seed=seed, candidates=CANDIDATES, max_tokens=tokens)
    base = user.chat(turn, seed=seed, max_tokens=tokens, personal=False)
    return Outcome(
        kinds=prompt.kinds,
        base=prompt.kept(base.text),
        personal=prompt.kept(personal.text),
        sampled=any(all(prompt.kept(text)) for text in _as_written(personal)),
        mended=bool(personal.trace.candidates[0].edits),
    )


def _as_written(reply: Reply) -> list[str]:
    return [each.text for each in reply.trace.candidates if not each.edits]


def _told(prompts: Sequence[Prompt]) -> Iterator[Prompt]:
    for number, prompt in enumerate(prompts, 1):
        say(f"  IFEval {number} of {len(prompts)}: {', '.join(prompt.kinds)}")
        yield prompt


def _figures(outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    count = len(outcomes)
    base = sum(all(each.base) for each in outcomes) / count
    personal = sum(all(each.personal) for each in outcomes) / count
    sampled = sum(each.sampled for each in outcomes) / count
    mended = sum(each.mended for each in outcomes) / count
    return {
        "ifeval_prompts": Figure(count, "prompts"),
        "ifeval_base": Figure(round(base, 3), "share of prompts"),
        "ifeval_personal": Figure(round(personal, 3), "share of prompts", baseline=round(base, 3)),
        "ifeval_gain": Figure(
            round(personal - base, 3), "share of prompts", target=TARGET, sense="at least"
        ),
        "ifeval_sampled": Figure(
            round(sampled, 3), "share of prompts", baseline="a candidate as the model wrote it"
        ),
        "ifeval_mended": Figure(round(mended, 3), "share of replies"),
        "ifeval_by_kind": Figure(_by_kind(outcomes), "kept: base, personal, of"),
    }


def _by_kind(outcomes: Sequence[Outcome]) -> dict[str, str]:
    counts: dict[str, list[int]] = {}
    for each in outcomes:
        for kind, base, personal in zip(each.kinds, each.base, each.personal, strict=True):
            row = counts.setdefault(kind, [0, 0, 0])
            counts[kind] = [row[0] + base, row[1] + personal, row[2] + 1]
    return {kind: "{}, {}, {}".format(*row) for kind, row in sorted(counts.items())}


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--prompts", type=int, help="how many prompts; 541 are all")
    asked = options.parse_args()
    data = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures = measure(data, quick=asked.quick, seed=asked.seed, prompts=asked.prompts)
    finish(figures, seed=asked.seed, as_json=asked.json)


if __name__ == "__main__":
    main()
