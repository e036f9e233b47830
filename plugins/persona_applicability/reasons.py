"""Says in words why an instruction was used or left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    seen = _seen(judgement)
    return [
        _why_used(each, *signs[:3]) if applies else _why_not(each, *signs[3:])
        for each, applies, signs in zip(parsed, used.tolist(), seen, strict=True)
    ]


def _seen(judgement: Judgement) -> Iterable[tuple[bool, bool, bool, bool, bool, int]]:
    """Return, of each instruction, what reasons are told by."""
    features, chain = judgement.features, judgement.chain
    slots = features[:, COLUMN["named"] : COLUMN["named"] + len(SLOT_TYPES)]
    near = features[:, [COLUMN["condition"], COLUMN["whole"], COLUMN["before"]]].max(axis=1) > _NEAR
    named = np.where(slots.max(axis=1) > _NEAR, slots.argmax(axis=1), -1)
    columns = (
        features[:, COLUMN["general"]] > _LIKELY,
        chain[:, [1, 3, 5]].max(axis=1) > _LIKELY,
        chain[:, [8, 12]].max(axis=1) > _LIKELY,
        (chain[:, 7] > _LIKELY) & (chain[:, 8] < _LIKELY),
        near,
        named,
    )
    return zip(*(each.tolist() for each in columns), strict=True)


def _why_used(parsed: Parsed, general: bool, added: bool, led: bool) -> str:
    if general:
        return "holds for every request"
    if parsed.condition and added:
        return "is to be looked at too, another instruction says"
    if parsed.condition and not parsed.asks and led:
        return f"follows from another one that applies: {_short(parsed.condition)}"
    if parsed.condition and parsed.asks:
        return f"applies when you ask for {_short(parsed.condition)}, as now"
    if parsed.condition:
        return f"its condition holds now: {_short(parsed.condition)}"
    return "is about what you ask for"


def _why_not(parsed: Parsed, unmet: bool, near: bool, named: int) -> str:
    if unmet:
        return f"its condition does not hold now: {_short(parsed.condition)}"
    if near and named >= 0:
        return f"this request names its own {_SAYS.get(SLOT_TYPES[named], 'wish')}"
    if parsed.condition and near:
        return f"its condition does not hold now: {_short(parsed.condition)}"
    return "is about something else"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
