"""Groups of users as Gaussians, beside people who belong to none; how probable each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from persona_clusters.told import Doubles, Told

SCALES = (0.0, 0.25, 1.0)
"""Variances, in units of the prior's, of who belongs to no group: around the indifferent person."""

_BATCH = 20_000  # users for whom matrices are held at once


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """``K`` groups, and the people of none, who stand around one point in `SCALES`.

    Args:
        share: ``(K + S,)``, adding to 1: of the groups, then of nobody's people.
        mean: ``(K, d)``.
        root: ``(K, d, d)`` lower roots of the covariances.
        neutral: ``(d,)`` the indifferent person.
    """

    share: Doubles
    mean: Doubles
    root: Doubles
    neutral: Doubles

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self.mean)

    @property
    def covariance(self) -> Doubles:
        """``(K, d, d)``."""
        product: Doubles = self.root @ self.root.swapaxes(1, 2)
        return product

    @classmethod
    def stored(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read what `arrays` returned."""
        names = ("share", "mean", "root", "neutral")
        return cls(*(arrays[name].astype(np.float64) for name in names))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the groups for a clustering."""
        return {"share": self.share, "mean": self.mean, "root": self.root, "neutral": self.neutral}

    def largest_first(self) -> Components:
        """Return the same groups, ordered by share."""
        order = np.argsort(-self.share[: self.groups], kind="stable")
        share = np.concatenate([self.share[order], self.share[self.groups :]])
        return Components(share, self.mean[order], self.root[order], self.neutral)


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What users' words make of each group.

    Args:
        evidence: ``(U, K)`` log of ``∫ N(y; μ, V) exp(ηᵀy - ½ yᵀΛy) dy``.
        mean: ``(U, K, d)`` of ``y`` given user and group.
        covariance: ``(U, K, d, d)``.
    """

    evidence: Doubles
    mean: Doubles
    covariance: Doubles


def expected(told: Told, mean: Doubles, root: Doubles) -> Expected:
    """Return evidence and moments; who said nothing has evidence 0 and the group's moments.

    With ``y = μ + Lε``: ``log Z = ηᵀμ - ½ μᵀΛμ + ½ bᵀ(I + C)⁻¹b - ½ log|I + C|``,
    ``b = Lᵀ(η - Λμ)``, ``C = LᵀΛL``; singular covariances are fine.
    """
    turned = np.einsum("ude,ce->ucd", told.precision, mean)  # Λμ
    bend = root.swapaxes(1, 2) @ told.precision[:, None] @ root  # (U, K, d, d)
    inverse = np.linalg.inv(bend + np.eye(mean.shape[1]))
    pull = np.einsum("cdi,ucd->uci", root, told.pull[:, None] - turned)  # b
    step = (inverse @ pull[..., None])[..., 0]
    evidence = (
        told.pull @ mean.T
        - 0.5 * np.einsum("ucd,cd->uc", turned, mean)
        + 0.5 * np.einsum("uci,uci->uc", pull, step)
        + 0.5 * np.linalg.slogdet(inverse)[1]
    )
    return Expected(
        evidence,
        mean + np.einsum("cdi,uci->ucd", root, step),
        root @ inverse @ root.swapaxes(1, 2),
    )


def nobodys_evidence(told: Told, neutral: Doubles) -> Doubles:
    """Return the evidence that users belong to no group, ``(U, S)``."""
    width = len(neutral)
    roots = np.sqrt(np.array(SCALES))[:, None, None] * np.eye(width)
    return expected(told, np.tile(neutral, (len(SCALES), 1)), roots).evidence


def log_evidence(told: Told, components: Components, *, temper: float = 1.0) -> Doubles:
    """Return ``log share + temper · log Z``, ``(U, K + S)``, some users at a time."""
    parts = []
    for start in range(0, len(told), _BATCH):
        some = told.take(np.arange(start, min(start + _BATCH, len(told))))
        groups = expected(some, components.mean, components.root).evidence
        parts.append(np.concatenate([groups, nobodys_evidence(some, components.neutral)], 1))
    logs: Doubles = log_shares(components.share) + temper * np.concatenate(parts)
    return logs


def log_shares(share: Doubles) -> Doubles:
    """Return logarithms of shares, of which some may be 0."""
    logs: Doubles = np.log(np.maximum(share, 1e-300))
    return logs


def log_sum(values: Doubles) -> Doubles:
    """Return ``log Σ exp`` along the last axis."""
    top = values.max(-1, keepdims=True)
    total: Doubles = np.log(np.exp(values - top).sum(-1)) + top[..., 0]
    return total


def membership(told: Told, components: Components, *, temper: float = 1.0) -> Doubles:
    """Return P(group), ``(U, K)``: what speaks for no group is spread by the groups' shares."""
    if not len(told):
        return np.zeros((0, components.groups))
    logs = log_evidence(told, components, temper=temper)
    chance = np.exp(logs - log_sum(logs)[:, None])
    shares = components.share[: components.groups] / components.share[: components.groups].sum()
    nobodys = chance[:, components.groups :].sum(1, keepdims=True)
    belongs: Doubles = chance[:, : components.groups] + nobodys * shares
    belongs /= belongs.sum(1, keepdims=True)
    return belongs
