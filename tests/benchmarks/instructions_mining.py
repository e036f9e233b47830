"""Mining: what `persona_signals` reads from conversations that were written to judge it.

``conversations/mining.jsonl`` holds 279 conversations: 107 in which a person states a standing
wish or a lasting fact of themselves (124 of them), 112 without any, and 60 adversarial ones in
which somebody else does: the assistant, a tool, the operator, a quotation, a pasted text, a role.
None of them is among what the miner learns from.

A mined wish is right when it stands in the turn of an expected one and their quotes overlap in at
least half of the shorter; each expected one counts once. Precision and recall are over all
conversations that are not adversarial; of adversarial ones every mined wish is wrong, and is
counted apart. Reactions are judged on the turns that are marked as satisfied or not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from report import Figure

from persona_engine.encoders import sentence_encoder
from persona_engine.interfaces import LanguageTools
from persona_engine.plugins import discover
from persona_engine.testing.language import language_tools
from persona_engine.types import Signals, Wish
from persona_engine.weights import resolve

CONVERSATIONS = Path(__file__).parent / "conversations" / "mining.jsonl"
_QUICK = 6  # every sixth conversation
_OVERLAP = 0.5
_TURNS = 20
_ROUNDS = 5


@dataclass
class Tally:
    """What was counted over conversations."""

    expected: int = 0
    mined: int = 0
    hits: int = 0
    same_kind: int = 0
    same_strength: int = 0
    adversarial: int = 0
    from_others: int = 0
    reactions: int = 0
    noticed: int = 0
    right_side: int = 0
    misses: list[str] = field(default_factory=list)


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return the figures of mining.

    Args:
        data: Not needed: the conversations are committed.
        quick: Whether every sixth conversation will do.
        seed: Not needed: nothing is drawn.
    """
    rows = read_conversations()[:: _QUICK if quick else 1]
    tools = language_tools(sentence_encoder(weights=resolve("all-minilm-l6-v2")))
    miner = discover().create("instruction_miner", "signals")
    tally = Tally()
    for row in rows:
        count(row, miner.mine(row["messages"], tools=tools), tally)
    return {
        "mining_precision": Figure(
            tally.hits / max(1, tally.mined), "share", 0.90, sense="at least"
        ),
        "mining_recall": Figure(
            tally.hits / max(1, tally.expected), "share", 0.75, sense="at least"
        ),
        "mining_from_others": Figure(
            tally.from_others, f"wishes in {tally.adversarial} adversarial", 0, sense="exactly"
        ),
        "mining_kind_accuracy": Figure(tally.same_kind / max(1, tally.hits), "share of hits"),
        "mining_strength_accuracy": Figure(
            tally.same_strength / max(1, tally.hits), "share of hits"
        ),
        "mining_reaction_recall": Figure(tally.noticed / max(1, tally.reactions), "share"),
        "mining_reaction_side": Figure(
            tally.right_side / max(1, tally.noticed), "share of noticed"
        ),
        "mining_milliseconds": Figure(
            _milliseconds(miner, tools), "ms for 20 turns beyond embeddings", 20.0
        ),
        "mining_conversations": Figure(len(rows), "conversations"),
    }


def read_conversations() -> list[dict[str, Any]]:
    """Return the committed conversations."""
    return [json.loads(line) for line in CONVERSATIONS.read_text(encoding="utf-8").splitlines()]


def count(row: dict[str, Any], signals: Signals, tally: Tally) -> None:
    """Add one conversation to the tally."""
    if row["group"] == "adversarial":
        tally.adversarial += 1
        tally.from_others += len(signals.wishes)
        tally.misses += [f"{row['id']} wrongly {each.quote!r}" for each in signals.wishes]
        return
    left = list(signals.wishes)
    tally.expected += len(row["wishes"])
    tally.mined += len(left)
    for expected in row["wishes"]:
        found = next((each for each in left if _matches(row["messages"], expected, each)), None)
        if found is None:
            tally.misses.append(f"{row['id']} misses {expected['quote']!r}")
            continue
        left.remove(found)
        tally.hits += 1
        tally.same_kind += found.kind == expected["kind"]
        tally.same_strength += found.strength == expected["strength"]
    tally.misses += [f"{row['id']} wrongly {each.quote!r}" for each in left]
    _count_reactions(row["reactions"], signals, tally)


def _count_reactions(expected: Sequence[dict[str, Any]], signals: Signals, tally: Tally) -> None:
    found = {each.turn: each.satisfied for each in signals.reactions}
    for each in expected:
        tally.reactions += 1
        tally.noticed += each["turn"] in found
        tally.right_side += found.get(each["turn"]) == each["satisfied"]


def _matches(messages: Sequence[dict[str, str]], expected: dict[str, Any], mined: Wish) -> bool:
    if mined.turn != expected["turn"]:
        return False
    content = messages[mined.turn]["content"]
    start, other = content.find(mined.quote), content.find(expected["quote"])
    end, other_end = start + len(mined.quote), other + len(expected["quote"])
    shared = min(end, other_end) - max(start, other)
    return start >= 0 and shared >= _OVERLAP * min(end - start, other_end - other)


def _milliseconds(miner: Any, tools: LanguageTools) -> float:
    """Return the least CPU time of a conversation of twenty turns whose embeddings are known."""
    talk = [message for row in read_conversations() for message in row["messages"]]
    turns = [each for each in talk if each["role"] in ("user", "assistant")][:_TURNS]
    known: dict[tuple[str, ...], Any] = {}

    def embed(texts: Sequence[str]) -> Any:
        key = tuple(texts)
        if key not in known:
            known[key] = tools.embed(texts)
        return known[key]

    cached = LanguageTools(embed, tools.fingerprint)
    miner.mine(turns, tools=cached)
    taken = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        miner.mine(turns, tools=cached)
        taken.append(time.process_time() - started)
    return 1000 * min(taken)
