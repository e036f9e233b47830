"""Runs a decoder within its budget and writes down how it searched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from persona_engine.decoding.metered import Clock, Meter, MeteredGenerator
from persona_engine.decoding.outlet import OnText
from persona_engine.interfaces import Decoder, Generator, Reward
from persona_engine.types import (
    Block,
    Budget,
    Considered,
    DecodingRequest,
    FloatArray,
    Generation,
    Search,
)

MOST_BLOCKS = 256
"""Most choices that a search writes down; a search by token makes one each."""


def decode(
    decoder: Decoder,
    request: DecodingRequest,
    generator: Generator,
    reward: Reward | None,
    *,
    on_text: OnText | None = None,
    plan: str = "",
    clock: Clock = time.perf_counter,
) -> Generation:
    """Return what a decoder produces within the request's budget, with how it searched.

    Args:
        decoder: Of any plugin: it needs to know nothing of budgets.
        request: What is asked for; its ``record`` is told of choices, too.
        generator: The language model.
        reward: What the search climbs, or None.
        on_text: Receives settled text; what it raises ends decoding and is raised here.
        plan: Why this decoder, in words.
        clock: Seconds, for the budget and the cost.
    """
    meter = Meter(request.budget or Budget(), clock=clock)
    log = SearchLog(request)
    generation = decoder.generate(
        replace(request, record=log.note),
        MeteredGenerator(generator, meter),
        reward,
        on_text=on_text,
    )
    search = Search(
        decoder=decoder.name,
        blocks=tuple(log.blocks),
        compute=meter.compute(),
        plan=plan,
        ended=meter.ended,
        left_out=log.left_out,
    )
    return replace(generation, search=search)


class SearchLog:
    """Writes down the choices of one search, up to `MOST_BLOCKS`.

    Args:
        request: Whose own ``record`` is told of each, too.
    """

    def __init__(self, request: DecodingRequest) -> None:
        self._passed_on = request.record
        self.blocks: list[Block] = []
        self.left_out = 0

    def note(self, block: Block) -> None:
        """Take one choice."""
        if len(self.blocks) < MOST_BLOCKS:
            self.blocks.append(block)
        else:
            self.left_out += 1
        if self._passed_on is not None:
            self._passed_on(block)


def note_choice(
    request: DecodingRequest,
    texts: Sequence[str],
    *,
    tokens: int,
    values: Sequence[float] | FloatArray | None = None,
    spreads: Sequence[float] | FloatArray | None = None,
    heirs: Sequence[int] = (),
    branches: Sequence[int] | None = None,
    note: str = "",
) -> None:
    """Tell whoever listens to a request what a search chose among; decoders call it.

    Args:
        request: What was asked for.
        texts: What was judged, ``n`` of them: texts so far, or tokens.
        tokens: How many tokens the longest branch has.
        values: What the search climbs, ``(n,)``; their mean is taken off.
        spreads: Standard deviations of the reward in them, ``(n,)``.
        heirs: Places in ``texts`` of what goes on, as often as it does.
        branches: The branch of each text; its place if omitted.
        note: Why, in words.
    """
    if request.record is None:
        return
    kept = Counter(int(each) for each in heirs)
    mean = 0.0 if values is None else sum(map(float, values)) / max(len(texts), 1)
    request.record(
        Block(
            tokens,
            tuple(
                Considered(
                    branch=place if branches is None else int(branches[place]),
                    text=text,
                    reward=None if values is None else float(values[place]) - mean,
                    spread=None if spreads is None else float(spreads[place]),
                    kept=kept[place],
                )
                for place, text in enumerate(texts)
            ),
            note,
        )
    )
