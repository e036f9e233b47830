"""Values that reward models learn from and produce: data, populations, posteriors, scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import FingerprintMismatchError, InvalidInputError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Arrays = Mapping[str, NDArray[Any]]
Json = Mapping[str, Any]


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

    def __post_init__(self) -> None:
        _fill_with_ones(self)
        _check_pairs(self.chosen, self.rejected, self.weight, self.target)
        if self.user.shape != (len(self.chosen),):
            raise InvalidInputError(
                f"user has shape {self.user.shape}, expected ({len(self.chosen)},): one user a row"
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


@dataclass(frozen=True, eq=False)
class Population:
    """What a reward model learned from all users: its state, and where it is valid.

    Args:
        reward_model: Name of the plugin that fitted it.
        fingerprint: Feature space that it reads.
        arrays: The learned arrays, by name; stored as safetensors.
        meta: Settings and held-out figures; stored as JSON.
    """

    reward_model: str
    fingerprint: str
    arrays: Arrays
    meta: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        frozen = {name: _read_only(value) for name, value in self.arrays.items()}
        object.__setattr__(self, "arrays", MappingProxyType(frozen))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @cached_property
    def version(self) -> str:
        """Content hash: equal state gives an equal version, wherever it was fitted."""
        digest = hashlib.sha256(f"{self.reward_model}\0{self.fingerprint}\0".encode())
        for name in sorted(self.arrays):
            value = self.arrays[name]
            digest.update(f"{name}\0{value.dtype.str}\0{value.shape}\0".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        digest.update(json.dumps(dict(self.meta), sort_keys=True).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What is believed about one user: a Gaussian over the model's latent space.

    Args:
        reward_model: Plugin that inferred it.
        population: Version of the population that it stands on.
        fingerprint: Feature space of that population.
        mean: ``(k,)`` float32.
        covariance: ``(k, k)`` float32.
        count: Comparisons that it has seen.
        state: Whatever else the plugin needs to update exactly, by name.
    """

    reward_model: str
    population: str
    fingerprint: str
    mean: FloatArray
    covariance: FloatArray
    count: int
    state: Arrays = field(default_factory=dict)

    def require(self, population: Population) -> None:
        """Raise unless this posterior was inferred on ``population``.

        Raises:
            FingerprintMismatchError: Reward model, population or feature space differ.
        """
        mine = (self.reward_model, self.population, self.fingerprint)
        theirs = (population.reward_model, population.version, population.fingerprint)
        if mine != theirs:
            raise FingerprintMismatchError(
                f"the posterior was learned in {mine}, the population is {theirs}",
                remedy="infer the posterior again from its events (`persona fit` re-encodes them)",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Rewards with their spread.

    Args:
        mean: Expected reward, or expected logit of a pair; any shape.
        std: Standard deviation under the posterior, same shape.
    """

    mean: FloatArray
    std: FloatArray

    def probability(self) -> FloatArray:
        """Return P(first preferred) of pair logits, integrated over the posterior.

        MacKay's approximation of the logistic-normal integral: σ(μ / √(1 + π s² / 8))
        (MacKay 1992, "The evidence framework applied to classification networks").

        Examples:
            >>> float(Score(np.float32([0.0]), np.float32([3.0])).probability()[0])
            0.5
        """
        damped = self.mean / np.sqrt(1.0 + np.pi / 8.0 * np.square(self.std))
        return (0.5 * (1.0 + np.tanh(0.5 * damped))).astype(np.float32)


def _read_only(value: NDArray[Any]) -> NDArray[Any]:
    view = np.asarray(value).view()
    view.flags.writeable = False
    return view


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
