"""Rules from a bank under which the language model finds what was chosen more probable."""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from persona_engine.types import Conversation, LogLikelihood
from persona_principles.candidates import Candidate
from persona_principles.choices import Choices, Doubles, Mask

_NEUTRAL = "Answer the request."
_LEAST_GAIN = 0.5  # nats; a rule that moves the model less says nothing
_ROUNDS = ((2, 0.25), (4, 0.25), (8, 0.0))  # units read, share of the rules that go on


@cache
def bank() -> tuple[str, ...]:
    """Return the rules that stand to be tried: tone, format, content, caution, depth.

    Examples:
        >>> len(bank()) > 200, len(set(bank())) == len(bank())
        (True, True)
    """
    text = (resources.files("persona_principles") / "data" / "principles.txt").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


class LanguageJudge:
    """Says which reply a rule favours by what it does to the language model's probabilities.

    ``d = [log p(a | rule, x) - log p(b | rule, x)] - [log p(a | x) - log p(b | x)]``, where the
    second bracket has a neutral rule in the rule's place, so that being told something counts for
    nothing.

    Args:
        log_likelihood: The language model's.
        choices: The decided comparisons.
    """

    def __init__(self, log_likelihood: LogLikelihood, choices: Choices) -> None:
        self._ask = log_likelihood
        self._choices = choices
        self._pairs = choices.pairs
        readable = [bool(each.chosen.strip() and each.rejected.strip()) for each in self._pairs]
        self._readable = np.array(readable, bool)
        self._plain = np.full(len(self._pairs), np.nan)

    def candidates(self, half: Mask, *, most: int) -> list[Candidate]:
        """Return at most ``most`` rules that one half proposes, to be tested on the other.

        The bank is searched by successive halving (Karnin, Koren & Somekh 2013): all rules on a
        few units, the better ones on more.

        Args:
            half: Units that propose, ``(U,)``.
            most: How many rules.
        """
        units = np.flatnonzero(half)
        left, worth, start = list(bank()), np.zeros(len(bank())), 0
        for count, share in _ROUNDS:
            rows = self._rows_of(units[start : start + count])
            start += count
            for place, rule in enumerate(left):
                worth[place] += self._worth(rule, rows)
            keep = max(most, int(share * len(left)))
            order = np.argsort(-worth, kind="stable")[:keep]
            left, worth = [left[place] for place in order], worth[order]
        test = self._rows_of(np.flatnonzero(~half))
        found = []
        for rule, value in zip(left, worth, strict=True):
            if value > 0.0:
                lead = np.zeros(len(self._pairs))
                lead[test] = self.gain(rule, test) / _LEAST_GAIN
                found.append(Candidate(rule, None, lead, ~half))
        return found

    def _rows_of(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.flatnonzero(np.isin(self._choices.unit, units) & self._readable)

    def _worth(self, rule: str, rows: NDArray[np.int64]) -> float:
        return float(self._choices.weight[rows] @ np.tanh(self.gain(rule, rows)))

    def gain(self, rule: str, rows: NDArray[np.int64]) -> Doubles:
        """Return ``d`` of the preferred reply in some of the decided comparisons, in nats."""
        unknown = rows[np.isnan(self._plain[rows])]
        self._plain[unknown] = self._lead(_NEUTRAL, unknown)
        gain: Doubles = self._lead(rule, rows) - self._plain[rows]
        return gain

    def _lead(self, rule: str, rows: NDArray[np.int64]) -> Doubles:
        """Return by how much ``chosen`` is more probable than ``rejected``, in nats."""
        if not len(rows):
            return np.zeros(0)
        pairs = [self._pairs[row] for row in rows]
        asked = [_under(rule, each.prompt) for each in pairs]
        replies = [each.chosen for each in pairs] + [each.rejected for each in pairs]
        found = np.asarray(self._ask([*asked, *asked], replies), np.float64)
        lead: Doubles = found[: len(pairs)] - found[len(pairs) :]
        return lead


def _under(rule: str, prompt: str) -> Conversation:
    """Return the conversation in which a rule is given before the request."""
    said = f"{rule}\n\n{prompt}" if prompt.strip() else rule
    return [{"role": "user", "content": said}]
