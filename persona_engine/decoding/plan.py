"""Which decoder, and how many candidates, a budget is best spent on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from persona_engine.decoding.cost import CostModel
from persona_engine.errors import InvalidInputError

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*[x×]")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|)")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a host allows one reply to cost; one of the two is set.

    Args:
        times: Multiple of what plain decoding costs.
        milliseconds: Wall time.
    """

    times: float | None = None
    milliseconds: float | None = None


def parse_allowance(value: str | float) -> Allowance:
    """Return what a host's word for a budget allows.

    Args:
        value: ``"2x"`` of plain decoding, ``"800ms"``, ``"1.5s"``, or a number of milliseconds.

    Raises:
        InvalidInputError: It is none of these, or not above 0; a share is at least 1.

    Examples:
        >>> parse_allowance("2x"), parse_allowance("1.5s").milliseconds
        (Allowance(times=2.0, milliseconds=None), 1500.0)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value) and value > 0:
            return Allowance(milliseconds=float(value))
    elif isinstance(value, str):
        share, time = _SHARE.fullmatch(value.strip()), _TIME.fullmatch(value.strip())
        if share and float(share[1]) >= 1.0:
            return Allowance(times=float(share[1]))
        if time and float(time[1]) > 0.0:
            return Allowance(milliseconds=float(time[1]) * (1e3 if time[2] == "s" else 1.0))
    raise InvalidInputError(
        f"budget is {value!r}, expected such as '2x' of plain decoding (at least 1x), '800ms', "
        "'1.5s', or a number of milliseconds above 0"
    )


@dataclass(frozen=True, slots=True)
class Method:
    """One way to decode, and what it was measured to gain.

    Args:
        decoder: Plugin.
        candidates: How many.
        gain: Judged reward gained over plain decoding, in standard deviations among plain replies.
        rows: Tokens read in one run of the network.
        forwards: Runs of the network for each token of the reply.
        settings: Of the plugin.
    """

    decoder: str
    candidates: int
    gain: float
    rows: float
    forwards: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a budget is spent on.

    Args:
        method: How to decode; None for plain decoding.
        milliseconds: What that should cost.
        plain: What plain decoding should cost.
    """

    method: Method | None
    milliseconds: float
    plain: float

    @property
    def words(self) -> str:
        """The plan as a trace tells it."""
        told = f"about {self.milliseconds:.0f} ms, {self.milliseconds / self.plain:.1f}x plain"
        if self.method is None:
            return f"plain decoding: nothing that gains more fits the budget; {told}"
        many = f"{self.method.candidates} candidates"
        return f"{self.method.decoder}, {many}: gains most for the budget; {told}"


@cache
def measured_methods() -> tuple[Method, ...]:
    """Return what ``tests/benchmarks/bench_decoding.py --only quality`` measured and wrote."""
    table = files("persona_engine") / "data" / "decoding_gains.json"
    text = table.read_text(encoding="utf-8")
    return tuple(Method(**row) for row in json.loads(text)["methods"])


def choose_plan(
    allowance: Allowance,
    cost: CostModel,
    *,
    prompt_tokens: int,
    max_tokens: int,
    methods: Sequence[Method],
) -> Plan:
    """Return the method that gains most among those that a budget allows.

    Of equal gains the cheaper one; plain decoding where none gains anything, or none fits.

    Args:
        allowance: The budget.
        cost: Of this model on this machine.
        prompt_tokens: Length of the prompt.
        max_tokens: Longest reply.
        methods: What may be chosen.
    """
    tokens = min(cost.reply_tokens, max_tokens)
    plain = cost.predict(prompt_tokens=prompt_tokens, tokens=tokens, rows=1)
    limit = allowance.milliseconds if allowance.times is None else allowance.times * plain
    best = Plan(None, plain, plain)
    for method in methods:
        price = cost.predict(
            prompt_tokens=prompt_tokens, tokens=tokens, rows=method.rows, forwards=method.forwards
        )
        rank = (method.gain, -price)
        beaten = (
            (0.0, -best.plain) if best.method is None else (best.method.gain, -best.milliseconds)
        )
        if (limit is None or price <= limit) and method.gain > 0.0 and rank > beaten:
            best = Plan(method, price, plain)
    return best
