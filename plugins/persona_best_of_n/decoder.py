"""The decoder: grow the candidates, score them, put the best first."""

from __future__ import annotations

from collections.abc import Callable

from persona_engine.decoding import Outlet, begin, conclude
from persona_engine.errors import ConfigError
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.types import DecodingRequest, Generation, Sampling


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

    Use it as the default: it needs nothing but a reward, says what the model would say by itself
    (but for edits by which a verifier puts a reply right, which the trace tells), and when the
    posterior is unsure it returns the plain sample. Guided search steers
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
        branches, sampling = begin(request, generator, reward, length_spread=self._length_spread)
        outlet = Outlet(on_text, early=request.mend is None)
        texts = _grow(branches, sampling, outlet)
        generation = conclude(
            texts,
            branches,
            reward,
            min_confidence=self._min_confidence,
            request=request,
            generator=generator,
        )
        outlet.settle(generation.candidates[0].text)
        return generation


def _grow(branches: Branches, sampling: Sampling, outlet: Outlet) -> tuple[str, ...]:
    while True:
        result = branches.step(sampling)
        outlet.settle_shared(result.texts)
        if all(result.finished):
            return result.texts
