"""Search of the factors that stretch a fit, so that unseen users are predicted best."""

from __future__ import annotations

from dataclasses import replace

from persona_hierarchical.few_shot import Projected, Scales

START = Scales(spread=2.0, shared=1.5)
"""Where the first search begins: a penalised fit is too short."""

_STEPS = (1.6, 1.25)
_FARTHEST = 8.0
_THINNEST = 0.02
_FLAT = 2e-4  # nats per comparison: less is no reason to go on


def best_scales(view: Projected, start: Scales, *, width: bool = True) -> Scales:
    """Return the scales of the least loss near ``start``, by compass search of their logarithms.

    Args:
        view: What unseen users are asked.
        start: Where to begin.
        width: Whether the width is searched, too.
    """
    known: dict[Scales, float] = {}

    def loss(at: Scales) -> float:
        if at not in known:
            known[at] = float(view.losses(at, novel=True).mean())
        return known[at]

    here = start
    for step in _STEPS:
        while True:
            better = min(_neighbours(here, step, width=width), key=loss)
            if loss(better) > loss(here) - _FLAT:
                break
            here = better
    return here


def _neighbours(scales: Scales, step: float, *, width: bool) -> list[Scales]:
    near = []
    for factor in (step, 1.0 / step):
        spread, shared = scales.spread * factor, scales.shared * factor
        near += [
            replace(scales, spread=spread),
            replace(scales, shared=shared),
            replace(scales, spread=spread, shared=shared),
        ]
        if width:
            near.append(replace(scales, width=scales.width * factor**2))
    return [each for each in near if _allowed(each)]


def _allowed(scales: Scales) -> bool:
    return max(scales.spread, scales.shared) <= _FARTHEST and _THINNEST <= scales.width <= 1.0
