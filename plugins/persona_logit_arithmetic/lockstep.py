"""Replies that grow along with an expert and a reference, other models, in lockstep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.errors import ConfigError
from persona_engine.interfaces import Branches, Generator
from persona_engine.types import DecodingRequest, Sampling, StepResult
from persona_logit_arithmetic.arithmetic import combined_log_probs, draw

_STREAM = 0x1C0  # the steered branches' random numbers are none of the generator's


@dataclass(frozen=True, slots=True)
class Pair:
    """An expert and a reference: what the one says more than the other is what it was taught.

    Args:
        expert: The tuned model.
        reference: The same model before.
    """

    expert: Generator
    reference: Generator


class Lockstep:
    """Steers all branches but the first by what an expert says more than a reference.

    log p(y_t) ∝ log p_base + λ (log p_expert − log p_reference): three models that read the same
    conversation and are given the same tokens. Branch 0 stays the generator's own sample.

    Args:
        branches: Of the base model, at least two.
        pair: What steers them.
        request: What was asked for.
        strengths: λ of each branch after the first.
        plausible: Share of the base's likeliest token's probability that a token must have.

    Raises:
        ConfigError: The models' vocabularies differ.
    """

    def __init__(
        self,
        branches: Branches,
        pair: Pair,
        request: DecodingRequest,
        *,
        strengths: Sequence[float],
        plausible: float,
    ) -> None:
        self._branches = branches
        self._strengths = np.array(strengths, np.float32)
        self._plausible = plausible
        self._expert, self._reference = (
            each.prefill(request.conversation, branches=len(strengths), seed=request.seed)
            for each in (pair.expert, pair.reference)
        )
        self._rng = np.random.default_rng([request.seed % 2**64, _STREAM])
        self._ended = np.zeros((3, len(strengths)), bool)  # (models, steered branches)
        self._check_widths()

    def step(self, sampling: Sampling) -> StepResult:
        """Append one token to each branch that has not ended.

        Raises:
            ConfigError: The models' vocabularies differ.
        """
        tokens = self._branches.draw(sampling).copy()
        self._steer(tokens, sampling)
        grown = self._branches.append(tokens.tolist(), sampling)
        steered = StepResult(grown.texts[1:], grown.finished[1:])
        expert, reference = (
            each.append(tokens[1:].tolist(), sampling) for each in (self._expert, self._reference)
        )
        _check_texts("expert", steered, expert)
        _check_texts("reference", steered, reference)
        self._ended = np.array([steered.finished, expert.finished, reference.finished])
        return grown

    def _steer(self, tokens: np.ndarray, sampling: Sampling) -> None:
        """Put what is drawn from the sum in the places of the steered branches' tokens."""
        uniforms = self._rng.random(len(self._strengths), dtype=np.float32)
        growing = np.flatnonzero(~self._ended[0])
        if not len(growing):
            return
        base = self._branches.next_log_probs()[growing + 1]  # (B, V)
        expert, reference = (
            each.next_log_probs()[growing] for each in (self._expert, self._reference)
        )
        # A model that another token ends has nothing more to say.
        silent = self._ended[:, growing].any(0)
        weights = np.where(silent, np.float32(0.0), self._strengths[growing])
        mixed = combined_log_probs(base, weights, expert, reference, plausible=self._plausible)
        tokens[growing + 1] = draw(mixed, uniforms[growing], sampling)

    def _check_widths(self) -> None:
        width = self._branches.next_log_probs().shape[1]
        for name, model in (("expert", self._expert), ("reference", self._reference)):
            other = model.next_log_probs().shape[1]
            if other != width:
                raise ConfigError(
                    f"the {name} has a vocabulary of {other} tokens, the generator one of {width}; "
                    "their log-probabilities cannot be added",
                    remedy="choose an expert and a reference with the generator's tokenizer",
                )


def _check_texts(name: str, base: StepResult, other: StepResult) -> None:
    """Raise unless tokens mean the same to both."""
    for row, text in enumerate(base.texts):
        growing = not (base.finished[row] or other.finished[row])
        if growing and text != other.texts[row]:
            raise ConfigError(
                f"the same tokens are {text!r} to the generator and {other.texts[row]!r} to the "
                f"{name}; their vocabularies differ",
                remedy="choose an expert and a reference with the generator's tokenizer",
            )
