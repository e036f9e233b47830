"""Counts what a search did, and writes down the choices that changed the text."""

from __future__ import annotations

from persona_engine.decoding import note_choice
from persona_engine.types import DecodingRequest, FloatArray, StepResult


class Tally:
    """What one search did, token by token.

    Args:
        request: Whose listener is told of each token that the reward changed.
    """

    def __init__(self, request: DecodingRequest) -> None:
        self._request = request
        self._text = ""
        self._tokens = 0
        self._searched = 0
        self._moved = 0
        self.growing = True

    def note(self, result: StepResult, place: int, worth: FloatArray | None) -> None:
        """Take one token of the searched branch.

        Args:
            result: What the step produced; the searched branch is the second.
            place: Of the token among the plausible ones, likeliest first.
            worth: Of the plausible ones, ``(k,)``; None where nothing was searched.
        """
        text = result.texts[1]
        self._tokens += 1
        self._searched += worth is not None
        if worth is not None and place:
            self._moved += 1
            note_choice(
                self._request,
                [text[len(self._text) :], "(the likeliest token)"],
                tokens=self._tokens,
                values=[float(worth[place]), float(worth[0])],
                heirs=[0],
                branches=[1, 1],
                note=f"number {place + 1} of {len(worth)} plausible tokens, in nats",
            )
        self._text = text
        self.growing = not result.finished[1]

    def explain(self, reason: str) -> str:
        """Return the reason for a choice with what the search did."""
        return (
            f"{reason}; of {self._tokens} tokens {self._searched} were searched for, the reward "
            f"chose another than the likeliest {self._moved} times"
        )
