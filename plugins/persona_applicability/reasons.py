"""Says in words why an instruction was used or left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from persona_applicability.features import COLUMN
from persona_applicability.judge import Judgement
from persona_applicability.material import SLOT_TYPES
from persona_applicability.parse import Parsed

_LIKELY = 0.5
_NEAR = 0.25
_SAYS = {"place": "place", "name": "name", "category": "kind", "time": "time", "price": "price"}
_LONGEST = 60


def reasons(parsed: Sequence[Parsed], judgement: Judgement, used: NDArray[np.bool_]) -> list[str]:
    """Return one reason for each instruction."""
    return [
        _why_used(each, judgement, at) if used[at] else _why_not(each, judgement, at)
        for at, each in enumerate(parsed)
    ]


def _why_used(parsed: Parsed, judgement: Judgement, at: int) -> str:
    features, chain = judgement.features[at], judgement.chain[at]
    if features[COLUMN["general"]] > _LIKELY:
        return "holds for every request"
    if parsed.condition and chain[[1, 3, 5]].max() > _LIKELY:
        return "is to be looked at too, another instruction says"
    if parsed.condition and not parsed.asks and chain[[8, 12]].max() > _LIKELY:
        return f"follows from another one that applies: {_short(parsed.condition)}"
    if parsed.condition and parsed.asks:
        return f"applies when you ask for {_short(parsed.condition)}, as now"
    if parsed.condition:
        return f"its condition holds now: {_short(parsed.condition)}"
    return "is about what you ask for"


def _why_not(parsed: Parsed, judgement: Judgement, at: int) -> str:
    features, chain = judgement.features[at], judgement.chain[at]
    own = features[COLUMN["named"] : COLUMN["named"] + len(SLOT_TYPES)]
    near = max(features[COLUMN["condition"]], features[COLUMN["whole"]], features[COLUMN["before"]])
    if chain[7] > _LIKELY and chain[8] < _LIKELY:
        return f"its condition does not hold now: {_short(parsed.condition)}"
    if near > _NEAR and own.max() > _NEAR:
        sort = SLOT_TYPES[int(np.argmax(own))]
        return f"this request names its own {_SAYS.get(sort, 'wish')}"
    if parsed.condition and near > _NEAR:
        return f"its condition does not hold now: {_short(parsed.condition)}"
    return "is about something else"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
