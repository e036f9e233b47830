"""The decoder: grow the candidates, score them, put the best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.ranking import Verdict, rank_candidates
from persona_engine.types import Candidate, DecodingRequest, Generation, Sampling


class BestOfN:
    """Best-of-n sampling, also called rejection sampling (Stiennon et al. 2020, arXiv 2009.01325).

    y* = argmax_{i = 1…n} E[ r_u(φ(x, y_i)) ],   y_i ~ p_i(y | x) independently

    p_0 is plain sampling; the others add to the logit of ending the reply a bias b_i that grows
    with its length, since samples of one prompt differ little in length, which people care about
    most. With ``length_spread`` 0
    all are plain samples, and the distance from plain sampling is known beforehand:
    KL ≤ log n − (n − 1) / n, at which it gains about as much reward as reinforcement learning does
    (Gao et al. 2022, arXiv 2210.10760).
    The candidates grow in one batch on one copy of the prompt's cache, and φ is
    read from decoding's own hidden states, so that scoring is a dot product.

    Use it as the default: it needs nothing but a reward, never leaves what the model would say by
    itself, and when the posterior is unsure it returns the plain sample. Guided search steers
    further for the same number of tokens, at the price of trusting the reward in mid-sentence.

    Args:
        min_confidence: Least probability that the best candidate is preferred to the plain sample;
            below it the plain sample is shown.
        length_spread: Largest bias on ending a reply, in nats for every 32 tokens after the first
            32; 0 draws plain samples only.

    Raises:
        ConfigError: ``min_confidence`` is outside 0.5 to 1, or ``length_spread`` outside 0 to 20.
    """

    name = "best_of_n"

    def __init__(self, *, min_confidence: float = 0.55, length_spread: float = 3.0) -> None:
        if not 0.0 <= length_spread <= 20.0:
            raise ConfigError(f"length_spread is {length_spread!r}, expected 0 to 20")
        if not 0.5 <= min_confidence <= 1.0:
            raise ConfigError(f"min_confidence is {min_confidence!r}, expected 0.5 to 1")
        self._min_confidence = min_confidence
        self._length_spread = length_spread

    def generate(
        self,
        request: DecodingRequest,
        generator: Generator,
        reward: Reward | None,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the candidates, best first; see `persona_engine.interfaces.Decoder`.

        One branch runs where more would change nothing: without a reward, and at temperature 0.
        A single branch is streamed token by token; of several, the beginning that they share is
        settled at once and the rest when the best is known.

        Raises:
            InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
            GenerationError: The language model failed.
            PluginError: The reward is not finite.
        """
        if request.candidates < 1:
            raise InvalidInputError(f"candidates is {request.candidates!r}, expected at least 1")
        several = reward is not None and request.sampling.temperature > 0.0
        branches = generator.prefill(
            request.conversation,
            branches=request.candidates if several else 1,
            seed=request.seed,
        )
        outlet = _Outlet(on_text)
        sampling = replace(
            request.sampling, end_bias=_end_biases(branches.size, self._length_spread)
        )
        texts = _grow(branches, sampling, outlet)
        features = branches.features()
        verdict = rank_candidates(texts, features, reward, min_confidence=self._min_confidence)
        outlet.settle(texts[verdict.order[0]])
        return Generation(
            candidates=_candidates(texts, branches, verdict),
            features=features[np.array(verdict.order)],
            decided=verdict.decided,
            confidence=verdict.confidence,
            reason=verdict.reason,
        )


def _end_biases(branches: int, spread: float) -> tuple[float, ...]:
    """Return a bias for each branch: none for the plain sample, then shorter and longer by turns.

    Examples:
        >>> _end_biases(6, 4.0)
        (0.0, 4.0, -4.0, 2.0, -2.0, 4.0)
    """
    if spread == 0.0 or branches == 1:
        return ()
    turns = (spread, -spread, spread / 2, -spread / 2)
    return (0.0, *(turns[i % len(turns)] for i in range(branches - 1)))


class _Outlet:
    """Passes on each piece of text once, as soon as it cannot change any more.

    A token that settles nothing passes on an empty piece, where a reader who left can end decoding.
    """

    def __init__(self, on_text: Callable[[str], None] | None) -> None:
        self._on_text = on_text
        self._sent = 0

    def settle(self, text: str) -> None:
        if self._on_text is not None:
            self._on_text(text[self._sent :])
            self._sent = max(self._sent, len(text))


def _grow(branches: Branches, sampling: Sampling, outlet: _Outlet) -> tuple[str, ...]:
    while True:
        result = branches.step(sampling)
        outlet.settle(_shared_beginning(result.texts))
        if all(result.finished):
            return result.texts


def _shared_beginning(texts: Sequence[str]) -> str:
    # What the first and the last in sorted order share, all between them share.
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((i for i, (a, b) in pairs if a != b), len(first))]


def _candidates(
    texts: tuple[str, ...], branches: Branches, verdict: Verdict
) -> tuple[Candidate, ...]:
    tokens, log_probs = branches.token_counts, branches.log_probs
    return tuple(
        Candidate(
            text=texts[i],
            reward=verdict.rewards.get(i),
            spread=verdict.spreads.get(i),
            tokens=tokens[i],
            log_prob=float(log_probs[i]),
        )
        for i in verdict.order
    )
