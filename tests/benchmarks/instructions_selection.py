"""Which standing instructions apply: NLSI's sets and types, PrefEval's preference among others'.

Each is told for the default selector and, in the same run, for ``embedding_selector``. Everything
is encoded as the engine does it: the request is the last user turn, texts are embedded once.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from report import Figure, say

from persona_applicability import ApplicabilitySelector
from persona_embedding_selector import EmbeddingSelector
from persona_engine.encoders import sentence_encoder
from persona_engine.interfaces import InstructionSelector, LanguageTools
from persona_engine.types import Conversation, FloatArray, Instruction, Message
from persona_engine.weights import resolve

_OTHERS = 49  # with the user's own, 50 preferences to choose among
_FORMS = ("explicit", "implicit_choice", "implicit_persona")
_BINS = 10
_SAID = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A conversation, the instructions, and which of them apply."""

    conversation: Conversation
    texts: tuple[str, ...]
    applies: tuple[bool, ...]
    sort: str


class Embedder:
    """Encodes each text once, as the engine does."""

    def __init__(self) -> None:
        self._encoder = sentence_encoder(weights=resolve("all-minilm-l6-v2"))
        self._known: dict[str, FloatArray] = {}

    def tools(self) -> LanguageTools:
        return LanguageTools(self, self._encoder.fingerprint)

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        new = [each for each in dict.fromkeys(texts) if each not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode([()] * len(new), new), strict=True))
        return np.stack([self._known[each] for each in texts])


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures of selection."""
    embedder = Embedder()
    selectors: dict[str, InstructionSelector] = {
        "applicability": ApplicabilitySelector(),
        "embedding_selector": EmbeddingSelector(),
    }
    nlsi = read_nlsi(data / "nlsi_dev.jsonl.gz")
    prefeval = read_prefeval(data / "prefeval_dev.jsonl.gz", seed=seed)
    if quick:
        nlsi = nlsi[:: max(len(nlsi) // 12, 1)]
        prefeval = {form: cases[:: max(len(cases) // 3, 1)] for form, cases in prefeval.items()}
    embed_all(embedder, [*nlsi, *(case for cases in prefeval.values() for case in cases)])
    say("instructions_selection: encoded")
    sets: dict[str, dict[str, Any]] = {}
    ranks: dict[str, dict[str, dict[int, float]]] = {}
    for name, selector in selectors.items():
        sets[name] = _sets([_judged(case, selector, embedder) for case in nlsi], nlsi)
        ranks[name] = {
            form: _recalls([_judged(case, selector, embedder)[0] for case in cases])
            for form, cases in prefeval.items()
        }
    return {**_nlsi_figures(sets, len(nlsi)), **_prefeval_figures(ranks)}


def read_nlsi(path: Path) -> list[Case]:
    """Read utterances with profiles; the utterance's lines are turns."""
    return [
        Case(
            _turns(row["utterance"]),
            tuple(row["profile"]),
            tuple(text in row["applicable"] for text in row["profile"]),
            row["example_type"],
        )
        for row in _rows(path)
    ]


def read_prefeval(path: Path, *, seed: int) -> dict[str, list[Case]]:
    """Return each form's questions with the person's preference, first, among other people's.

    The stored instruction is the preference as the data words it, in every form. In the implicit
    forms the conversation in which it showed comes before the question, as earlier turns.
    """
    rows = _rows(path)
    rng = np.random.default_rng(seed)
    found: dict[str, list[Case]] = {}
    for form in _FORMS:
        of_form = [row for row in rows if row["form"] == form]
        everyone = sorted({row["preference"] for row in of_form})
        found[form] = []
        for row in of_form:
            others = [each for each in everyone if each != row["preference"]]
            drawn = [others[at] for at in rng.permutation(len(others))[:_OTHERS].tolist()]
            conversation = [*_before(row), _message("user", row["question"])]
            applies = (True, *(False for _ in drawn))
            found[form].append(Case(conversation, (row["preference"], *drawn), applies, form))
    return found


def embed_all(embedder: Embedder, cases: Sequence[Case]) -> None:
    """Encode every text in large batches; the figures are the same without."""
    texts = {text for case in cases for text in case.texts}
    texts |= {_request(case.conversation) for case in cases}
    embedder(sorted(texts))


def _judged(
    case: Case, selector: InstructionSelector, embedder: Embedder
) -> tuple[FloatArray, FloatArray]:
    """Return probability and use of each instruction, in the case's order."""
    instructions = [
        Instruction(id=str(at), text=text, created_at=_SAID) for at, text in enumerate(case.texts)
    ]
    selected = selector.select(
        case.conversation,
        instructions,
        request=embedder([_request(case.conversation)])[0],
        embeddings=embedder(case.texts),
        tools=embedder.tools(),
    )
    by_place = sorted(selected, key=lambda each: int(each.instruction.id))
    return (
        np.array([each.probability for each in by_place]),
        np.array([each.used for each in by_place]),
    )


def _sets(judged: Sequence[tuple[FloatArray, FloatArray]], cases: Sequence[Case]) -> dict[str, Any]:
    """Return exact match, mean F1, precision, recall and calibration, over all and by type."""
    gold = [np.array(case.applies) for case in cases]
    exact = np.array([(used == g).all() for (_, used), g in zip(judged, gold, strict=True)])
    f1 = np.array([_f1(used, g) for (_, used), g in zip(judged, gold, strict=True)])
    p, y = np.concatenate([each for each, _ in judged]), np.concatenate(gold)
    used = np.concatenate([each for _, each in judged])
    sorts = np.array([case.sort for case in cases])
    return {
        "exact": float(exact.mean()),
        "f1": float(f1.mean()),
        "precision": float(y[used].mean()) if used.any() else 1.0,
        "recall": float(used[y].mean()) if y.any() else 1.0,
        "ece": _calibration_error(p, y),
        "by": {
            sort: (float(exact[sorts == sort].mean()), float(f1[sorts == sort].mean()))
            for sort in sorted(set(sorts.tolist()))
        },
    }


def _f1(used: FloatArray, gold: FloatArray) -> float:
    either = int(used.sum() + gold.sum())
    return 2 * int((used & gold).sum()) / either if either else 1.0


def _calibration_error(p: FloatArray, y: FloatArray) -> float:
    bins = np.minimum((p * _BINS).astype(int), _BINS - 1)
    return float(sum(abs((p - y)[bins == b].sum()) for b in range(_BINS)) / len(p))


def _recalls(probabilities: Sequence[FloatArray]) -> dict[int, float]:
    """Return how often the first instruction is among the most probable, ties against it."""
    ranks = np.array([int((p[1:] >= p[0]).sum()) for p in probabilities])
    return {k: float((ranks < k).mean()) for k in (1, 5)}


def _nlsi_figures(sets: Mapping[str, dict[str, Any]], count: int) -> dict[str, Figure]:
    found, base = sets["applicability"], sets["embedding_selector"]
    goals: dict[str, float | None] = {"exact": 0.45, "f1": 0.70, "precision": None, "recall": None}
    figures = {
        f"nlsi_{name}": Figure(
            found[name],
            f"of {count} requests",
            goal,
            f"embedding_selector {base[name]:.3f}",
            "at least",
        )
        for name, goal in goals.items()
    }
    against = f"embedding_selector {base['ece']:.3f}"
    figures["nlsi_ece"] = Figure(found["ece"], "10 bins", 0.05, against)
    for sort, (exact, f1) in found["by"].items():
        before = base["by"][sort]
        against = f"embedding_selector {before[0]:.3f}, {before[1]:.3f}"
        figures[f"nlsi_{sort}_exact"] = Figure(exact, "exact match", None, against)
        figures[f"nlsi_{sort}_f1"] = Figure(f1, "F1", None, against)
    return figures


def _prefeval_figures(ranks: Mapping[str, dict[str, dict[int, float]]]) -> dict[str, Figure]:
    goals = {1: 0.50, 5: 0.90}
    return {
        f"prefeval_{form}_recall_at_{k}": Figure(
            value,
            "of questions, own preference among 50",
            goals[k] if form == "explicit" else None,
            f"embedding_selector {ranks['embedding_selector'][form][k]:.3f}",
            "at least",
        )
        for form, found in ranks["applicability"].items()
        for k, value in found.items()
    }


def _turns(utterance: str) -> list[Message]:
    """Return the lines "User: …" and "Agent: …" as messages, up to the last of the user's."""
    turns: list[Message] = []
    for line in utterance.strip().splitlines():
        speaker, _, said = line.partition(":")
        if speaker in ("User", "Agent") and said.strip():
            turns.append(_message("user" if speaker == "User" else "assistant", said.strip()))
        elif turns and line.strip():
            turns[-1] = {**turns[-1], "content": f"{turns[-1]['content']}\n{line.strip()}"}
    while turns and turns[-1]["role"] != "user":
        turns.pop()
    return turns


def _before(row: Mapping[str, Any]) -> list[Message]:
    """Return the conversation in which an implicit preference showed."""
    said = row.get("conversation")
    if not said:
        return []
    if "query" in said:
        return [
            _message("user", said["query"]),
            _message("assistant", said["assistant_options"]),
            _message("user", said["user_selection"]),
            _message("assistant", said["assistant_acknowledgment"]),
        ]
    turns = [said[at] for at in sorted(said, key=int)]
    return [_message(role, turn[role]) for turn in turns for role in ("user", "assistant")]


def _message(role: Any, content: str) -> Message:
    return {"role": role, "content": content}


def _request(conversation: Conversation) -> str:
    return next(each["content"] for each in reversed(conversation) if each["role"] == "user")


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]
