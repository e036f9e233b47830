"""Comparisons as features: of one user, and of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import InvalidInputError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairText:
    """The words behind one comparison, for methods that read text or log-probabilities."""

    prompt: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """One user's comparisons: ``n >= 0`` pairs of which the first was preferred.

    Args:
        chosen: Features of the preferred responses, ``(n, D)`` float32.
        rejected: Features of the others, ``(n, D)`` float32.
        weight: Strength of each comparison, ``(n,)``, 1 for a plain answer; ones if omitted.
        prompt: Features of the prompts, ``(n, P)``, for methods that condition on them.
        texts: The words behind each pair, for methods that read text.
        target: Share of the preference that goes to ``chosen``, ``(n,)``: 1 for a plain answer, ½
            for a tie, above 1 where labels are known to be noisy
            (`persona_engine.modelling.with_label_noise`); ones if omitted. A logit ``d`` costs
            ``weight · (log(1 + exp(d)) - target · d)``.

    Raises:
        InvalidInputError: Shapes disagree, a value is not finite, a weight is negative, or a target
            lies outside 0 to 2.
    """

    chosen: FloatArray
    rejected: FloatArray
    weight: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__
    prompt: FloatArray | None = None
    texts: tuple[PairText, ...] | None = None
    target: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__

    def __post_init__(self) -> None:
        _fill_with_ones(self)
        _check_pairs(self.chosen, self.rejected, self.weight, self.target)

    @classmethod
    def empty(cls, width: int) -> Self:
        """Return the evidence of a user who has not answered anything."""
        return cls(np.zeros((0, width), np.float32), np.zeros((0, width), np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Evidence]) -> Self:
        """Return the comparisons of one or more parts, one after the other."""
        prompts = [each.prompt for each in parts if each.prompt is not None]
        texts = [each.texts for each in parts if each.texts is not None]
        return cls(
            np.concatenate([each.chosen for each in parts]),
            np.concatenate([each.rejected for each in parts]),
            np.concatenate([each.weight for each in parts]),
            np.concatenate(prompts) if len(prompts) == len(parts) else None,
            tuple(chain.from_iterable(texts)) if len(texts) == len(parts) else None,
            np.concatenate([each.target for each in parts]),
        )

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def width(self) -> int:
        """Number of features, ``D``."""
        return int(self.chosen.shape[1])

    def take(self, rows: Sequence[int] | IntArray | NDArray[np.bool_]) -> Evidence:
        """Return the chosen rows, in that order."""
        index = np.asarray(rows)
        order = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        return Evidence(
            self.chosen[order],
            self.rejected[order],
            self.weight[order],
            None if self.prompt is None else self.prompt[order],
            None if self.texts is None else tuple(self.texts[int(i)] for i in order),
            self.target[order],
        )


@dataclass(frozen=True, slots=True, eq=False)
class AttributePairs:
    """Pairs of responses that differ in one named attribute: whom they please is not said.

    Args:
        name: The attribute.
        high: Features of the responses that have more of it, ``(M, D)`` float32.
        low: Features of those that have less, ``(M, D)`` float32.
        poles: The low and the high pole in words, or None where only the name is known.

    Raises:
        InvalidInputError: Shapes disagree, there is no pair, or a value is not finite.
    """

    name: str
    high: FloatArray
    low: FloatArray
    poles: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.high.ndim != 2 or self.high.shape != self.low.shape or not len(self.high):
            raise InvalidInputError(
                f"the pairs of {self.name!r} have shapes {self.high.shape} and {self.low.shape}, "
                "expected both (M, D) with at least one pair"
            )
        if not (np.isfinite(self.high).all() and np.isfinite(self.low).all()):
            raise InvalidInputError(f"features of {self.name!r} contain NaN or infinity")


@dataclass(frozen=True, slots=True, eq=False)
class PreferenceData:
    """Comparisons of many users, to fit a population on.

    Args:
        chosen: ``(N, D)`` float32 features of the preferred responses.
        rejected: ``(N, D)`` float32 features of the others.
        user: ``(N,)`` int64 user of each row; users are numbered ``0 … U-1``.
        fingerprint: Feature space that the features were computed in.
        weight: ``(N,)`` strength of each comparison; ones if omitted.
        prompt: ``(N, P)`` features of the prompts, or None.
        texts: The words behind each row, or None.
        target: ``(N,)`` share of each preference that goes to ``chosen``, as in `Evidence`.
        attributes: Labelled pairs of named attributes, for methods that read them.

    Raises:
        InvalidInputError: Shapes disagree or values are not finite.
    """

    chosen: FloatArray
    rejected: FloatArray
    user: IntArray
    fingerprint: str
    weight: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__
    prompt: FloatArray | None = None
    texts: tuple[PairText, ...] | None = None
    target: FloatArray = None  # type: ignore[assignment]  # filled in __post_init__
    attributes: tuple[AttributePairs, ...] = ()

    def __post_init__(self) -> None:
        _fill_with_ones(self)
        _check_pairs(self.chosen, self.rejected, self.weight, self.target)
        if self.user.shape != (len(self.chosen),):
            raise InvalidInputError(
                f"user has shape {self.user.shape}, expected ({len(self.chosen)},): one user a row"
            )
        for each in self.attributes:
            if each.high.shape[1] != self.width:
                raise InvalidInputError(
                    f"the pairs of {each.name!r} have {each.high.shape[1]} features, expected "
                    f"{self.width} as the comparisons have"
                )

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def width(self) -> int:
        """Number of features, ``D``."""
        return int(self.chosen.shape[1])

    @property
    def users(self) -> IntArray:
        """The distinct users, sorted."""
        return np.unique(self.user)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> PreferenceData:
        """Return the chosen rows; user numbers stay as they are."""
        evidence = self.evidence_of_rows(rows)
        user = self.user[rows]
        return replace(
            self,
            chosen=evidence.chosen,
            rejected=evidence.rejected,
            user=user,
            weight=evidence.weight,
            prompt=evidence.prompt,
            texts=evidence.texts,
            target=evidence.target,
        )

    def evidence(self, user: int) -> Evidence:
        """Return one user's comparisons, in the order of the rows."""
        return self.evidence_of_rows(self.user == user)

    def evidence_of_rows(self, rows: IntArray | NDArray[np.bool_]) -> Evidence:
        """Return the chosen rows as the evidence of one person."""
        everything = Evidence(
            self.chosen, self.rejected, self.weight, self.prompt, self.texts, self.target
        )
        return everything.take(rows)


def _fill_with_ones(pairs: Evidence | PreferenceData) -> None:
    for name in ("weight", "target"):
        if getattr(pairs, name) is None:
            object.__setattr__(pairs, name, np.ones(len(pairs.chosen), np.float32))


def _check_pairs(
    chosen: FloatArray, rejected: FloatArray, weight: FloatArray, target: FloatArray
) -> None:
    if chosen.ndim != 2 or chosen.shape != rejected.shape:
        raise InvalidInputError(
            f"chosen has shape {chosen.shape} and rejected {rejected.shape}, expected both (n, D)"
        )
    for name, values in (("weight", weight), ("target", target)):
        if values.shape != (len(chosen),):
            raise InvalidInputError(f"{name} has shape {values.shape}, expected ({len(chosen)},)")
    if not (np.isfinite(chosen).all() and np.isfinite(rejected).all()):
        raise InvalidInputError("features contain NaN or infinity, expected finite numbers")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise InvalidInputError("weights must be finite and not negative")
    if not ((target >= 0).all() and (target <= 2).all()):
        raise InvalidInputError("targets must be from 0 to 2: 1 for a plain answer, 0.5 for a tie")
