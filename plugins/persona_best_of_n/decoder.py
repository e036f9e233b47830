"""The decoder: grow the candidates, score them, put the best first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from persona_best_of_n.growth import Growth
from persona_best_of_n.pruning import Pruning
from persona_engine.decoding import (
    Objective,
    Outlet,
    begin,
    check_setting,
    conclude,
)
from persona_engine.interfaces import Generator, Reward
from persona_engine.types import DecodingRequest, Generation


class BestOfN:
    """Best-of-n sampling, also called rejection sampling (Stiennon et al. 2020, arXiv 2009.01325).

    y* = argmax_{i = 1…n} J(y_i),   y_i ~ p_i(y | x) independently

    J is `persona_engine.decoding.Objective`: the person's expected reward E[ r_u(φ(x, y)) ], less
    caution, plus likelihood. p_0 is plain sampling. The others add to the logit of ending the reply
    a bias b_i that grows with its length, since samples of one prompt differ little in length,
    which people care about most; and a share of them is drawn under wishes about style that suit
    the person, p(y | x, style), though judged as replies to x. With ``length_spread`` and
    ``styled`` 0 all are plain samples, and the distance from plain sampling is known beforehand:
    KL ≤ log n − (n − 1) / n, at which it gains about as much reward as reinforcement learning does
    (Gao et al. 2022, arXiv 2210.10760).

    The candidates grow in one batch, and φ is read from decoding's own hidden states, so that
    scoring is a dot product, also of unfinished text. That pays for two savings:

    - speculative rejection (Sun et al. 2024, arXiv 2410.20290): every so many tokens the worst
      share of the unfinished branches is dropped, but none that the reward cannot tell from the
      best, and never the plain sample;
    - a branch is given up once a finished one is preferred to whatever it may become with
      probability ``settled``; when that holds for all, the leader is the reply.

    Use it as the default: it needs nothing but a reward, says what the model would say by itself
    (but for edits by which a verifier puts a reply right, which the trace tells), and when the
    posterior is unsure it returns the plain sample. Ask for more candidates with ``reject`` for a
    higher reward at the same cost. Guided search steers further for the same number of tokens, at
    the price of trusting the reward in mid-sentence.

    Args:
        min_confidence: Least probability that the best candidate is preferred to the plain sample;
            below it the plain sample is shown.
        length_spread: Largest bias on ending a reply, in nats for every 32 tokens after the first
            32; 0 draws plain lengths only.
        styled: Share of the candidates that is drawn under the request's styles.
        reject: Share of the unfinished branches that is dropped at each checkpoint; 0 for none.
        every: Tokens between checkpoints.
        settled: Least probability from which an unfinished branch is beaten; 1 for never.
        caution: c of the objective.
        likelihood: w of the objective.

    Raises:
        ConfigError: A setting is out of range.
    """

    name = "best_of_n"

    def __init__(
        self,
        *,
        min_confidence: float = 0.55,
        length_spread: float = 3.0,
        styled: float = 0.5,
        reject: float = 0.0,
        every: int = 16,
        settled: float = 0.7,
        caution: float = 0.0,
        likelihood: float = 0.0,
    ) -> None:
        check_setting("min_confidence", min_confidence, 0.5 <= min_confidence <= 1.0, "0.5 to 1")
        check_setting("length_spread", length_spread, 0.0 <= length_spread <= 20.0, "0 to 20")
        check_setting("styled", styled, 0.0 <= styled <= 1.0, "0 to 1")
        check_setting("reject", reject, 0.0 <= reject < 1.0, "0 to below 1")
        check_setting("every", every, 1 <= every <= 4_096, "1 to 4096")
        check_setting("settled", settled, 0.5 <= settled <= 1.0, "0.5 to 1")
        self._min_confidence = min_confidence
        self._length_spread = length_spread
        self._styled = styled
        self._pruning = Pruning(every, reject, max(settled, min_confidence))
        self._objective = Objective(caution=caution, likelihood=likelihood)

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
        settled at once and the rest when the best is known. What was given up is no candidate.

        Raises:
            InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
            GenerationError: The language model failed.
            PluginError: The reward is not finite.
        """
        branches, sampling = begin(
            request, generator, reward, length_spread=self._length_spread, styled=self._styled
        )
        outlet = Outlet(on_text, early=request.mend is None)
        grown = Growth(
            branches,
            sampling,
            outlet,
            request=request,
            reward=reward,
            objective=self._objective,
            pruning=self._pruning,
        ).run()
        generation = conclude(
            grown.texts,
            branches,
            reward,
            min_confidence=self._min_confidence,
            request=request,
            generator=generator,
            objective=self._objective,
            plain=grown.plain,
        )
        outlet.settle(generation.candidates[0].text)
        if not grown.note:
            return generation
        # One that is left alone was preferred to all others before they had ended.
        decided = generation.decided or len(generation.candidates) == 1
        return replace(generation, decided=decided, reason=f"{generation.reason}; {grown.note}")
