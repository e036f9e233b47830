"""Synthetic users: many diverse, self-consistent people who answer questions of the bank.

Before a product has users, a population can be learned from made-up ones, if they are diverse and
each agrees with itself (FSPO, Singh et al. 2025, arXiv 2502.19312). Here a person is a taste, one
number a style, drawn from a prior with structure: blends of archetypes make styles correlate as
they do in people (who wants it concise wants it direct, bottom line first), and sparse
idiosyncrasies break every rule. The prior is balanced: each person has a mirror image, so nobody
who has not answered yet is presumed to like anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError
from persona_engine.onboarding.abridged import STYLE, Abridged
from persona_engine.onboarding.bank import STYLES, question_bank
from persona_engine.onboarding.bank_features import BankFeatures
from persona_engine.types import FloatArray, IntArray, PreferenceData, Question

Doubles = NDArray[np.float64]

AXES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "efficiency": {
            "length": -1.4,
            "bottom_line": 0.8,
            "directness": 0.7,
            "questions": -0.6,
            "narrative": -0.5,
            "perspective": -0.6,
            "initiative": -0.4,
            "examples": -0.6,
            "hedging": -0.3,
        },
        "playfulness": {
            "humour": 1.0,
            "emoji": 0.9,
            "warmth": 0.7,
            "formality": -0.9,
            "figurative": 0.5,
            "narrative": 0.4,
        },
        "expertise": {
            "technical_depth": 1.0,
            "perspective": 0.5,
            "figurative": -0.5,
            "warmth": -0.4,
            "formality": 0.3,
            "length": 0.3,
        },
        "order": {
            "structure": 1.0,
            "narrative": -0.7,
            "figurative": -0.4,
            "bottom_line": 0.4,
            "initiative": 0.3,
            "examples": 0.3,
        },
        "care": {
            "hedging": 0.9,
            "questions": 0.7,
            "directness": -0.7,
            "initiative": 0.6,
            "warmth": 0.4,
        },
    }
)
"""Broad leanings, by the styles that go with them: why tastes correlate."""

ARCHETYPES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "busy professional": {"efficiency": 2.0, "order": 0.5, "playfulness": -0.5},
        "curious learner": {"efficiency": -1.8, "expertise": 0.8},
        "friendly chatter": {"playfulness": 2.0, "expertise": -0.5, "care": 0.5},
        "expert": {"expertise": 2.0, "efficiency": 0.5, "playfulness": -0.8},
        "anxious beginner": {"expertise": -1.8, "care": 1.2, "order": 0.8, "efficiency": -0.8},
        "careful official": {"playfulness": -1.8, "care": 1.0, "order": 0.8},
        "storyteller": {"order": -1.8, "playfulness": 1.0, "efficiency": -1.0},
        "planner": {"order": 2.0, "care": 0.6},
        "sceptic": {"care": 1.5, "expertise": 1.2, "playfulness": -0.6},
        "minimalist": {"efficiency": 2.0, "care": -1.2, "expertise": -0.8},
        "collaborator": {"care": 2.0, "efficiency": -0.6, "playfulness": 0.5},
        "joker": {"playfulness": 1.8, "care": -1.5, "efficiency": 0.6},
    }
)
"""Kinds of people, by where they stand on the axes."""

_BLEND = 0.3  # Dirichlet concentration: one archetype or two, with traces of others
_INTENSITY = 2.5  # median strength of a taste, in logits for one unit of an axis
_LEANING = 0.5  # standard deviation of a person's place on an axis around their kind's
_DOUBT = 0.5  # standard deviation of everybody's own leaning in each style
_QUIRK_SHARE = 0.1  # of the styles, in which somebody is unlike their kind
_QUIRK = 3.0  # standard deviation of such a quirk
_LAPSE = 0.03  # of the answers, given without looking


def draw_tastes(count: int, *, rng: np.random.Generator) -> Doubles:
    """Return the tastes of ``count`` people, ``(count, 16)`` logits of each style's high pole.

    Args:
        count: How many people; even, since each second one mirrors the one before.
        rng: Decides everything.

    Raises:
        InvalidInputError: ``count`` is odd or not positive.

    Examples:
        >>> tastes = draw_tastes(1000, rng=np.random.default_rng(0))
        >>> length, directness = tastes[:, list(STYLES).index("length")], tastes[:, 1]
        >>> bool(np.corrcoef(length, directness)[0, 1] < -0.3)
        True
    """
    if count < 2 or count % 2:
        raise InvalidInputError(f"count is {count!r}, expected a positive even number")
    half, styles = count // 2, len(STYLES)
    kinds = _table(ARCHETYPES, list(AXES))  # (A, X)
    blend = rng.dirichlet(np.full(len(kinds), _BLEND), half)  # (U/2, A)
    place = blend @ kinds + rng.normal(0.0, _LEANING, (half, len(AXES)))
    intensity = _INTENSITY * rng.lognormal(0.0, 0.3, (half, 1))
    quirks = rng.normal(0.0, _QUIRK, (half, styles)) * (rng.random((half, styles)) < _QUIRK_SHARE)
    doubt = rng.normal(0.0, _DOUBT, (half, styles))
    tastes = intensity * (place @ _table(AXES, list(STYLES))) + quirks + doubt
    return np.stack([tastes, -tastes], axis=1).reshape(count, styles)


def probability_of_high(tastes: Doubles, styles: Sequence[str]) -> Doubles:
    """Return P(the high reply is preferred), ``(U, Q)``, for questions of these styles.

    ``λ/2 + (1 - λ) σ(taste)`` with a lapse rate ``λ``.
    """
    column = {style: place for place, style in enumerate(STYLES)}
    logits = tastes[:, [column[style] for style in styles]]
    certain: Doubles = 0.5 + 0.5 * np.tanh(0.5 * logits)
    return 0.5 * _LAPSE + (1.0 - _LAPSE) * certain


def probability_of_a(tastes: Doubles, questions: Sequence[Question]) -> Doubles:
    """Return P(side a is preferred), ``(U, Q)``, where replies may differ in several styles.

    What each style is worth to a person adds up: ``λ/2 + (1 - λ) σ(Σ ± taste)``.

    Examples:
        >>> from persona_engine.onboarding.blends import blends
        >>> tastes = draw_tastes(2, rng=np.random.default_rng(0))
        >>> likely = probability_of_a(tastes, blends()[:1])
        >>> round(float(likely.sum()), 6)
        1.0
    """
    signs = np.zeros((len(STYLES), len(questions)))
    row = {style: place for place, style in enumerate(STYLES)}
    for column, question in enumerate(questions):
        for style, high in question.poles.items():
            signs[row[style], column] = 1.0 if high == "a" else -1.0
    certain: Doubles = 0.5 + 0.5 * np.tanh(0.5 * (tastes @ signs))
    return 0.5 * _LAPSE + (1.0 - _LAPSE) * certain


def comparisons(
    tastes: Doubles,
    features: BankFeatures,
    *,
    asked: NDArray[np.int64],
    answers: int,
    fingerprint: str,
    rng: np.random.Generator,
    abridged: Abridged | None = None,
    cuts: int = 0,
) -> PreferenceData:
    """Return what each person answers to questions drawn for them without repeats.

    Args:
        tastes: ``(U, 16)`` of `draw_tastes`.
        features: Of the whole bank.
        asked: ``(A,)`` positions in the bank that may be asked.
        answers: How many each person gives, at most ``A``.
        fingerprint: Feature space of ``features``.
        rng: Draws questions and answers.
        abridged: Replies and their first sentences.
        cuts: How many of these each person compares, too.

    Raises:
        InvalidInputError: More answers than questions.
    """
    if not 1 <= answers <= len(asked):
        raise InvalidInputError(
            f"answers is {answers!r}, expected 1 to {len(asked)}, the number of questions"
        )
    styles = [str(question.style) for question in question_bank()]
    pool = _Pool(features.high[asked], features.low[asked], [styles[each] for each in asked])
    parts = [pool.answered(tastes, answers, rng=rng)]
    if abridged is not None and cuts:
        kept = np.isin(abridged.place, asked)
        shorter = _Pool(abridged.whole[kept], abridged.first[kept], [STYLE] * int(kept.sum()))
        parts.append(shorter.answered(tastes, min(cuts, int(kept.sum())), rng=rng))
    user, chosen, rejected = (np.concatenate(each) for each in zip(*parts, strict=True))
    return PreferenceData(chosen, rejected, user, fingerprint, attributes=features.labelled(asked))


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """Pairs that differ in a style each: ``high`` and ``low`` are ``(A, D)``."""

    high: FloatArray
    low: FloatArray
    styles: Sequence[str]

    def answered(
        self, tastes: Doubles, count: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return user ``(N,)``, chosen and rejected ``(N, D)`` of ``count`` answers by each."""
        user = np.repeat(np.arange(len(tastes), dtype=np.int64), count)
        drawn = rng.random((len(tastes), len(self.styles))).argsort(1)[:, :count].ravel()  # (N,)
        likes_high = rng.random(len(user)) < probability_of_high(tastes, self.styles)[user, drawn]
        high, low = self.high[drawn], self.low[drawn]
        wanted = likes_high[:, None]
        return user, np.where(wanted, high, low), np.where(wanted, low, high)


def _table(rows: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> Doubles:
    return np.array([[row.get(column, 0.0) for column in columns] for row in rows.values()])
