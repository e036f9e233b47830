"""Whether a stored preference decides which reply is offered: PrefEval's multiple choice.

    PERSONA_DATA=../shared/data python tests/benchmarks/instructions_choices.py [--quick] [--json]

Each question has four replies, shuffled, of which one respects the person's preference. The engine
stores 20 preferences of other people about other topics, with that one among them or without it,
and `user.rank` orders the replies after 0, 10 and 50 turns of other conversation. Beside it stand
the rule that takes the longest reply, and the verifier alone, which is told the right preference:
what a selector that never errs would reach.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from persona_adherence import AdherenceVerifier
from persona_engine import EngineConfig, PersonaEngine
from persona_engine.encoders import sentence_encoder
from persona_engine.interfaces import LanguageTools
from persona_engine.types import Conversation, Instruction
from persona_engine.weights import resolve

sys.path.insert(0, str(Path(__file__).parent))
from report import Figure, arguments, finish, say

TURNS = (0, 10, 50)
OTHERS = 20
QUESTIONS = 150
CHANCE = "chance 0.25"
LEAST = 0.50
GAIN = 0.10
MOST_ECE = 0.05
_BINS = 10


@dataclass(frozen=True)
class Question:
    """A question with shuffled replies.

    Args:
        preference: What the person once said.
        others: Preferences of other people.
        text: The question.
        replies: Four of them.
        right: Which one respects the preference.
        before: 50 turns of other conversation.
    """

    preference: str
    others: tuple[str, ...]
    text: str
    replies: tuple[str, ...]
    right: int
    before: Conversation

    def after(self, turns: int) -> Conversation:
        """Return the conversation that ends with the question."""
        return [*self.before[: 2 * turns], {"role": "user", "content": self.text}]


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the share of right first choices, and how well the verifier is calibrated."""
    questions = read_questions(data, count=5 if quick else QUESTIONS, seed=seed)
    longest = [max(range(4), key=lambda n: len(each.replies[n])) for each in questions]
    baseline = round(share_right(questions, longest), 3)
    figures = alone(questions)
    figures["choices_longest"] = Figure(baseline, "share right", baseline=CHANCE)
    asked_after = TURNS[:1] if quick else TURNS
    say(f"choices of {len(questions)} people, with their preference and without …")
    right = ranked(questions, asked_after)
    for turns in asked_after:
        without, given = right[turns, False], right[turns, True]
        name = f"choices_{turns}_turns"
        figures[f"{name}_without"] = Figure(round(without, 3), "share right", baseline=CHANCE)
        figures[f"{name}_with"] = Figure(
            round(given, 3),
            "share right",
            target=LEAST,
            baseline=f"the longest {baseline}",
            sense="at least",
        )
        figures[f"{name}_gain"] = Figure(
            round(given - without, 3), "share right", target=GAIN, sense="at least"
        )
    return figures


def read_questions(data: Path, *, count: int, seed: int) -> list[Question]:
    """Return questions of all topics, each with what stands around it, for one seed."""
    with gzip.open(data / "prefeval_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rng = np.random.default_rng(seed)
    asked = [row for row in rows if row["form"] == "mcq"]
    talks = [row for row in rows if row["form"].startswith("implicit")]
    chosen = rng.permutation(len(asked))[:count]
    return [_question(asked[int(n)], asked, talks, rng) for n in chosen]


def ranked(questions: Sequence[Question], turns: Sequence[int]) -> dict[tuple[int, bool], float]:
    """Return the share of right first choices of `user.rank`, by turns and whether it was told."""
    first: dict[tuple[int, bool], list[int]] = defaultdict(list)
    with _engine() as engine:
        for number, question in enumerate(questions):
            user = engine.user(f"person-{number}")
            for wish in question.others:
                user.instruct(wish)
            for told in (False, True):
                if told:
                    user.instruct(question.preference)
                for count in turns:
                    found = user.rank(question.after(count), question.replies)
                    first[count, told].append(found.order[0])
    return {key: share_right(questions, chosen) for key, chosen in first.items()}


def alone(questions: Sequence[Question]) -> dict[str, Figure]:
    """Return what the verifier reaches when it is told the preference."""
    encoder = sentence_encoder(weights=resolve("all-minilm-l6-v2"))
    tools = LanguageTools(
        lambda texts: encoder.encode([()] * len(texts), texts), encoder.fingerprint
    )
    verifier, said = AdherenceVerifier(), datetime(2026, 1, 1, tzinfo=UTC)
    kept = []
    for each in questions:
        wish = Instruction("wish", each.preference, said)
        found = verifier.verify(each.after(0), [wish], each.replies, tools=tools)
        kept.append(np.nan_to_num(found.probability[0], nan=0.5))
    right = np.zeros((len(questions), 4))
    right[np.arange(len(questions)), [each.right for each in questions]] = 1.0
    p = np.array(kept)
    share = share_right(questions, p.argmax(axis=1).tolist())
    return {
        "choices_told": Figure(
            round(share, 3), "share right", target=LEAST, baseline=CHANCE, sense="at least"
        ),
        "adherence_ece": Figure(
            round(calibration_error(p.ravel(), right.ravel()), 3),
            "ECE",
            baseline=f"target elsewhere {MOST_ECE}",
        ),
        "adherence_brier": Figure(
            round(float(((p - right) ** 2).mean()), 3), "Brier score", baseline="a constant 0.1875"
        ),
    }


def share_right(questions: Sequence[Question], chosen: Sequence[int]) -> float:
    """Return the share of questions whose right reply was chosen."""
    return float(np.mean([each.right == n for each, n in zip(questions, chosen, strict=True)]))


def calibration_error(p: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    """Return the expected calibration error in ten bins."""
    place = np.minimum((p * _BINS).astype(int), _BINS - 1)
    return sum(abs((p - right)[place == each].sum()) for each in range(_BINS)) / len(p)


@contextmanager
def _engine() -> Iterator[PersonaEngine]:
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            database=f"sqlite:///{folder}/persona.db",
            data_folder=Path(folder),
            generator=None,
            feature_encoder="sentence",
            instruction_verifiers=("constraints", "adherence"),
        )
        with PersonaEngine(config=config) as engine:
            yield engine


def _question(
    row: Mapping[str, Any],
    asked: Sequence[Mapping[str, Any]],
    talks: Sequence[Mapping[str, Any]],
    rng: np.random.Generator,
) -> Question:
    elsewhere = [each for each in asked if each["topic"] != row["topic"]]
    others = [elsewhere[int(n)]["preference"] for n in rng.permutation(len(elsewhere))[:OTHERS]]
    apart = [each for each in talks if each["topic"] != row["topic"]]
    before: Conversation = []
    for n in rng.permutation(len(apart)):
        if len(before) >= 2 * max(TURNS):
            break
        before = [*before, *_turns(apart[int(n)]["conversation"])]
    order = rng.permutation(4)
    options = row["classification_task_options"]
    return Question(
        preference=row["preference"],
        others=tuple(others),
        text=row["question"],
        replies=tuple(options[int(n)] for n in order),
        right=int(np.flatnonzero(order == 0)[0]),
        before=before,
    )


def _turns(talk: Mapping[str, Any]) -> Conversation:
    """Return user and assistant messages of an implicit form; the choice has one pair each way."""
    if "query" in talk:
        said = [*(talk[key] for key in talk if isinstance(talk[key], str))]
        said = said[: len(said) // 2 * 2]
        return [
            {"role": "user" if n % 2 == 0 else "assistant", "content": text}
            for n, text in enumerate(said)
        ]
    return [
        {"role": role, "content": pair[role]}
        for pair in talk.values()
        for role in ("user", "assistant")
    ]


def main() -> None:
    """Run and report."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options = arguments(__doc__ or "").parse_args()
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    if not (folder / "prefeval_dev.jsonl.gz").exists():
        sys.exit(f"{folder} (PERSONA_DATA) holds no prefeval_dev.jsonl.gz")
    finish(
        measure(folder, quick=options.quick, seed=options.seed),
        seed=options.seed,
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
