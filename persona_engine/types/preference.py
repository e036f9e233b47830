"""Values that reward models produce: populations, posteriors, scores; and what they may read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona_engine.errors import FingerprintMismatchError
from persona_engine.types.chat import Conversation
from persona_engine.types.evidence import FloatArray, PairText

Arrays = Mapping[str, NDArray[Any]]
Json = Mapping[str, Any]
LogLikelihood = Callable[[Sequence[Conversation], Sequence[str]], FloatArray]


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
class Context:
    """What rewards may depend on besides the features of the responses.

    Args:
        prompt: Features of the prompt, ``(P,)`` for all rows or ``(B, P)``, one a row.
        texts: The words of each row: of a pair, or of one response, ``rejected`` left empty.
        log_likelihood: Returns the language model's log-probability ``(n,)`` of each response
            given its conversation.
    """

    prompt: FloatArray | None = None
    texts: tuple[PairText, ...] | None = None
    log_likelihood: LogLikelihood | None = None


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


@dataclass(frozen=True, slots=True, eq=False)
class JointScore:
    """Logits of several pairs together: what the doubts about them have in common.

    ``logit_i = mean_i + factor_i · ε + own_i δ_i`` with independent standard normal ``ε`` and
    ``δ_i``: ``ε`` is what is not known of the person, ``δ_i`` what no answer of theirs would tell.

    Args:
        mean: ``(n,)`` expected logits, as `Score` has them.
        factor: ``(n, K)``; ``factor · factorᵀ`` is the covariance that knowing the person removes.
        own: ``(n,)`` the standard deviation that remains.
    """

    mean: FloatArray
    factor: FloatArray
    own: FloatArray


def _read_only(value: NDArray[Any]) -> NDArray[Any]:
    view = np.asarray(value).view()
    view.flags.writeable = False
    return view
