"""Principles: found for people with a planted taste, and not for people who choose at random.

    python tests/benchmarks/instructions_principles.py [--quick] [--json] [--language-model]

Forty people choose between replies that differ in several ways at once (`principle_people`), thirty
times each: by length, by tone, or by whether it is a list; every tenth choice is turned round.
Named attributes are the bank's, in the features of the language model, so that heads fitted to the
bank's texts are read on others. Then as many people, and many more, choose by coin. With
``--language-model``, also how often SmolLM2-135M, told the right rule, finds the preferred reply
more probable than without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from persona_engine.encoders import hidden_state_encoder
from persona_engine.generation import local_generator
from persona_engine.interfaces import LanguageTools
from persona_engine.onboarding import load_shipped
from persona_engine.types import AttributePairs, Evidence, FloatArray, PairText, Principle
from persona_engine.weights import resolve
from persona_principles import Principles
from persona_principles.choices import read_choices
from persona_principles.language import LanguageJudge

sys.path.insert(0, str(Path(__file__).parent))
from principle_people import Pool, Shape, make_pool
from report import Figure, arguments, finish, say

NOISE = 0.1
COMPARISONS = 30
FEWER = (12, 20)
PEOPLE = 40
AT_RANDOM = 400  # people who choose by coin, for a figure with a small standard error


@dataclass(frozen=True)
class Taste:
    """What a person wants, and which principles say so.

    Args:
        name: Of the taste.
        rule: That says it, of the language model's bank.
        amount: How much of it a reply has.
        said_by: Texts of the principles that are right.
    """

    name: str
    rule: str
    amount: Callable[[Shape], float]
    said_by: frozenset[str]


TASTES = (
    Taste(
        "concise",
        "Keep replies short.",
        lambda shape: -shape.tips,
        frozenset({"Keep replies concise.", "Keep replies short."}),
    ),
    Taste(
        "formal",
        "Be formal and respectful.",
        lambda shape: float(shape.tone == "formal"),
        frozenset(
            {
                "Write in a formal tone.",
                "Write words out in full, without contractions.",
                "Use precise, learned words.",
            }
        ),
    ),
    Taste(
        "bullets",
        "Use bullet points.",
        lambda shape: float(shape.bullets),
        frozenset({"Use lists and numbered steps.", "Use bullet points or numbered lists."}),
    ),
)


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures; ``data`` is not read: the texts are the benchmark's own."""
    pool, attributes = _material(quick=quick, seed=seed)
    people = 12 if quick else PEOPLE
    told = [_found(pool, attributes, person, COMPARISONS, seed) for person in range(people)]
    figures = _planted(told, people=people)
    for count in FEWER:
        fewer = [_found(pool, attributes, person, count, seed) for person in range(people)]
        share = float(np.mean([right for _, right, _ in fewer]))
        figures[f"principles_right_at_{count}"] = Figure(share, "share of people")
    return figures | _by_chance(pool, attributes, 40 if quick else AT_RANDOM, seed)


def _found(
    pool: Pool, attributes: Sequence[AttributePairs], person: int, count: int, seed: int
) -> tuple[str, bool, bool]:
    """Return a person's taste, whether a principle says it, and whether another says else."""
    taste = TASTES[person % len(TASTES)]
    rng = np.random.default_rng([seed, 1, person])
    texts, evidence = _choices(pool, taste, rng)
    some = evidence.take(range(count))
    said = {each.text for each in _induce(texts[:count], some, attributes, rng)}
    say(f"{taste.name}, {count} comparisons: {sorted(said)}")
    return taste.name, bool(said & taste.said_by), bool(said - taste.said_by)


def _planted(told: Sequence[tuple[str, bool, bool]], *, people: int) -> dict[str, Figure]:
    figures = {
        "principles_right": Figure(
            float(np.mean([right for _, right, _ in told])),
            "share of people",
            0.5,
            f"{people} people, {COMPARISONS} comparisons, {NOISE:.0%} noise",
            "at least",
        ),
        "principles_besides": Figure(
            float(np.mean([other for _, _, other in told])),
            "share of people",
            None,
            "people told something else than their taste",
        ),
    }
    for taste in TASTES:
        value = float(np.mean([right for name, right, _ in told if name == taste.name]))
        figures[f"principles_right_{taste.name}"] = Figure(value, "share of people")
    return figures


def _by_chance(
    pool: Pool, attributes: Sequence[AttributePairs], people: int, seed: int
) -> dict[str, Figure]:
    """Return the share of people who choose by coin and are told a principle: all are false."""
    told = []
    for person in range(people):
        rng = np.random.default_rng([seed, 2, person])
        told.append(bool(_induce(*_choices(pool, None, rng), attributes, rng)))
    figures = {}
    for name, some in (("", told), (f"_first_{PEOPLE}", told[:PEOPLE])):
        figures[f"principles_by_chance{name}"] = Figure(
            float(np.mean(some)),
            "share of people",
            0.05 + float(np.sqrt(0.05 * 0.95 / len(some))),
            f"{len(some)} people; 0.05 and a standard error",
        )
    return figures


def model_figures(seed: int) -> dict[str, Figure]:
    """Return in what share of comparisons the language model, told the right rule, sees it kept."""
    generator = local_generator(weights=resolve("smollm2-135m-instruct"))
    pool, _ = _material(quick=False, seed=seed)
    figures = {}
    for taste in TASTES:
        texts, evidence = _choices(pool, taste, np.random.default_rng([seed, 3]), noise=0.0)
        judge = LanguageJudge(generator.log_likelihood, read_choices(texts, evidence))
        gain = judge.gain(taste.rule, np.arange(len(texts)))
        figures[f"principles_model_{taste.name}"] = Figure(
            float(np.mean(gain > 0)), "share of comparisons", None, f"{len(texts)}; chance 0.5"
        )
    return figures


def _material(*, quick: bool, seed: int) -> tuple[Pool, tuple[AttributePairs, ...]]:
    encoder = hidden_state_encoder(weights=resolve("smollm2-135m-instruct"))
    default = load_shipped("hierarchical", encoder.fingerprint)
    if default is None:
        raise SystemExit(f"no shipped population for {encoder.fingerprint}")
    pool = make_pool(encoder, pairs_a_topic=1 if quick else 3, seed=seed)
    return pool, default.bank.labelled(np.arange(len(default.bank.low)))


def _choices(
    pool: Pool, taste: Taste | None, rng: np.random.Generator, *, noise: float = NOISE
) -> tuple[tuple[PairText, ...], Evidence]:
    """Return a person's comparisons, one for each topic, where the taste can decide if it may."""
    prompts = sorted({prompt for prompt, *_ in pool.texts})
    rows = []
    for prompt in (prompts[n] for n in rng.permutation(len(prompts))[:COMPARISONS]):
        about = [n for n, each in enumerate(pool.texts) if each[0] == prompt]
        telling = [n for n in about if taste is not None and _lead(pool, n, taste) != 0]
        rows.append(int(rng.choice(telling or about)))
    chosen, rejected, texts = [], [], []
    for row in rows:
        lead = 0.0 if taste is None else _lead(pool, row, taste)
        first = bool(rng.random() < 0.5) if lead == 0 else lead > 0
        if lead != 0 and rng.random() < noise:
            first = not first
        prompt, *two = pool.texts[row]
        a, b = (0, 1) if first else (1, 0)
        chosen.append(pool.features[row, a])
        rejected.append(pool.features[row, b])
        texts.append(PairText(prompt, two[a], two[b]))
    return tuple(texts), Evidence(np.stack(chosen), np.stack(rejected))


def _lead(pool: Pool, row: int, taste: Taste) -> float:
    a, b = pool.shapes[row]
    return float(taste.amount(a) - taste.amount(b))


def _induce(
    texts: tuple[PairText, ...],
    evidence: Evidence,
    attributes: Sequence[AttributePairs],
    rng: np.random.Generator,
) -> tuple[Principle, ...]:
    tools = LanguageTools(_no_sentences, "none")
    return Principles().induce(texts, evidence, attributes=attributes, rng=rng, tools=tools)


def _no_sentences(texts: Sequence[str]) -> FloatArray:
    raise SystemExit("the inducer asked for sentence embeddings, which it has no use for")


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--language-model", action="store_true", help="the model's part, too")
    options = parser.parse_args()
    figures = measure(Path(), quick=options.quick, seed=options.seed)
    if options.language_model:
        figures |= model_figures(options.seed)
    finish(figures, seed=options.seed, as_json=options.json)


if __name__ == "__main__":
    main()
