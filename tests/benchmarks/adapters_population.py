"""People of planted taste groups who answer the question bank, and some who answer at random.

The same people are clustered, trained for and judged, so that each benchmark of adapters speaks of
what the one before it made. Tastes are logits over the bank's 16 styles, as `draw_tastes` has them;
here they stand around a few known centres. Answers lapse and waver as synthetic users' do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from persona_engine.onboarding import STYLES, question_bank, replies
from persona_engine.onboarding.synthetic_users import probability_of_high

Split = Literal["known", "held_out"]

GROUPS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "terse": {
            "length": -4.0,
            "directness": 3.5,
            "bottom_line": 3.5,
            "questions": -3.0,
            "initiative": -3.0,
            "warmth": -2.5,
            "hedging": -3.5,
            "emoji": -2.5,
            "narrative": -2.5,
            "examples": -2.5,
            "perspective": -3.0,
            "figurative": -2.0,
        },
        "playful": {
            "warmth": 4.0,
            "humour": 4.0,
            "emoji": 4.0,
            "formality": -4.0,
            "technical_depth": -3.0,
            "questions": 3.0,
            "directness": -2.5,
            "bottom_line": -2.0,
            "figurative": 2.0,
            "structure": -2.5,
            "initiative": 2.5,
        },
        "technical": {
            "technical_depth": 4.0,
            "structure": 4.0,
            "perspective": 3.5,
            "formality": 3.5,
            "length": 3.0,
            "humour": -3.0,
            "emoji": -3.0,
            "narrative": -3.0,
            "warmth": -3.0,
            "figurative": -3.0,
            "hedging": 2.5,
            "examples": 2.5,
        },
        "storytelling": {
            "narrative": 4.0,
            "figurative": 4.0,
            "structure": -4.0,
            "examples": 3.0,
            "bottom_line": -3.5,
            "length": 3.5,
            "technical_depth": -3.0,
            "directness": -2.5,
            "perspective": 2.5,
            "humour": -1.5,
            "emoji": -2.5,
        },
    }
)
"""Centres of the groups, in logits of each style's high pole; 0 in every other style."""

SHARES: Mapping[str, float] = MappingProxyType(
    {"terse": 0.3, "playful": 0.3, "technical": 0.3, "storytelling": 0.1}
)
NOISE = -1
"""The group of who belongs to none."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """People whose groups are known, and what they answer.

    Args:
        names: ``U`` users.
        groups: Names of the planted groups.
        group: ``(U,)`` position in ``groups``, or `NOISE`.
        new: ``(U,)`` whether somebody is held out: a quarter of every group and of the noise.
        tastes: ``(U, 16)`` logits of each style's high pole; 0 of who answers at random.
        answers: ``(U,)`` how many questions each answers in a split.
        questions: Positions in the bank that may be asked, by split; disjoint, every style in both.
        seed: Draws which questions are answered, and how.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    group: NDArray[np.int64]
    new: NDArray[np.bool_]
    tastes: NDArray[np.float64]
    answers: NDArray[np.int64]
    questions: Mapping[Split, NDArray[np.int64]]
    seed: int

    def comparisons(
        self, split: Split = "known", *, answers: int | None = None, new: bool | None = None
    ) -> list[dict[str, Any]]:
        """Return rows for `PersonaEngine.import_comparisons`.

        Args:
            split: ``known`` questions are for learning, ``held_out`` ones for judging. Of each
                person's answers fewer are the first of more.
            answers: How many each person gives, instead of `answers`; as many as there are
                questions at most.
            new: Only who is held out, or only who is not; everybody if omitted.
        """
        rows: list[dict[str, Any]] = []
        for place, name in enumerate(self.names):
            if new is None or bool(self.new[place]) == new:
                count = int(self.answers[place]) if answers is None else answers
                rows += self._answered(place, name, split, count)
        return rows

    def _answered(self, place: int, name: str, split: Split, count: int) -> list[dict[str, Any]]:
        rng = np.random.default_rng([self.seed, place, split == "held_out"])
        asked = rng.permutation(self.questions[split])
        bank = question_bank()
        styles = [str(bank[each].style) for each in asked]
        high = probability_of_high(self.tastes[place : place + 1], styles)[0]  # (A,)
        likes_high = rng.random(len(asked)) < high
        rows = []
        for each, wanted in zip(asked[:count], likes_high, strict=False):
            question = bank[each]
            ends = replies(question)  # low, high
            chosen, rejected = ends[int(wanted)], ends[1 - int(wanted)]
            rows.append(
                {"user": name, "prompt": question.prompt, "chosen": chosen, "rejected": rejected}
            )
        return rows


def planted(
    *,
    users: int = 200,
    noise: int = 40,
    answers: tuple[int, int] = (20, 24),
    spread: float = 0.6,
    held_out_share: float = 0.25,
    seed: int = 0,
) -> People:
    """Return people of the four groups, and some of none.

    Args:
        users: Planted ones, of which `SHARES` belong to each group.
        noise: How many answer at random.
        answers: Least and most questions that each answers in a split.
        spread: Standard deviation of everybody's own taste around their group's, in each style.
        held_out_share: Share of questions, and of users, that is held out.
        seed: Decides everything.
    """
    rng = np.random.default_rng([seed, 6])
    sizes = [round(users * share) for share in SHARES.values()]
    group = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(noise, NOISE)])
    centres = np.array([[of.get(style, 0.0) for style in STYLES] for of in GROUPS.values()])
    tastes = centres[group] + rng.normal(0.0, spread, (len(group), len(STYLES)))
    tastes[group == NOISE] = 0.0
    order = rng.permutation(len(group))
    group, tastes = group[order], tastes[order]
    return People(
        names=tuple(f"person-{place:04}" for place in range(len(group))),
        groups=tuple(GROUPS),
        group=group,
        new=_every_part(group, held_out_share),
        tastes=tastes,
        answers=rng.integers(answers[0], answers[1], len(group), endpoint=True),
        questions=_split_bank(held_out_share, rng),
        seed=seed,
    )


def _every_part(label: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Mark the same share of each label's places."""
    marked = np.zeros(len(label), bool)
    for each in np.unique(label):
        places = np.flatnonzero(label == each)
        marked[places[: round(share * len(places))]] = True
    return marked


def _split_bank(share: float, rng: np.random.Generator) -> Mapping[Split, NDArray[np.int64]]:
    styles = np.array([str(each.style) for each in question_bank()])
    order = rng.permutation(len(styles))
    column = np.unique(styles[order], return_inverse=True)[1]
    held_out = np.sort(order[_every_part(column, share)])
    known = np.setdiff1d(np.arange(len(styles)), held_out)
    return MappingProxyType({"known": known, "held_out": held_out})
