"""Counts what a search did, and writes down the choices that changed the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from persona_engine.decoding import note_choice
from persona_engine.types import DecodingRequest, FloatArray, StepResult


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What was chosen for one branch.

    Args:
        place: Of the token among the plausible ones, likeliest first.
        worth: Of the plausible ones, ``(k,)``; None where nothing was searched.
    """

    place: int
    worth: FloatArray | None


class Tally:
    """What a search did, token by token.

    Args:
        request: Whose listener is told of each token that the reward changed.
        size: Number of branches; all but the first are searched.
    """

    def __init__(self, request: DecodingRequest, size: int) -> None:
        self._request = request
        self._texts = ("",) * size
        self._steps = 0
        self._tokens = 0
        self._searched = 0
        self._moved = 0
        self.growing = tuple(range(1, size))

    def note(self, result: StepResult, choices: Mapping[int, Choice]) -> None:
        """Take one token of each searched branch that has not ended."""
        self._steps += 1
        for branch, choice in choices.items():
            self._tokens += 1
            self._searched += choice.worth is not None
            if choice.worth is not None and choice.place:
                self._moved += 1
                added = result.texts[branch][len(self._texts[branch]) :]
                self._record(branch, added, choice.place, choice.worth)
        self._texts = result.texts
        self.growing = tuple(each for each in self.growing if not result.finished[each])

    def explain(self, reason: str) -> str:
        """Return the reason for a choice with what the search did."""
        return (
            f"{reason}; of {self._tokens} tokens {self._searched} were searched for, the reward "
            f"chose another than the likeliest {self._moved} times"
        )

    def _record(self, branch: int, added: str, place: int, worth: FloatArray) -> None:
        note_choice(
            self._request,
            [added, "(the likeliest token)"],
            tokens=self._steps,
            values=[float(worth[place]), float(worth[0])],
            heirs=[0],
            branches=[branch, branch],
            note=f"number {place + 1} of {len(worth)} plausible tokens, in nats",
        )
