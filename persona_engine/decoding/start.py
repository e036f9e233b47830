"""How a search begins: how many branches, on what prompts, of what lengths."""

from __future__ import annotations

from dataclasses import replace

from persona_engine.decoding.styles import styled_prompts
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.types import DecodingRequest, Prompt, Sampling


def end_biases(branches: int, spread: float) -> tuple[float, ...]:
    """Return a bias on ending for each branch: none for the plain sample, then shorter, longer.

    Samples of one prompt differ little in length, which people care about most.

    Args:
        branches: How many.
        spread: Largest bias, in nats for every 32 tokens after the first 32; 0 for none.

    Examples:
        >>> end_biases(6, 4.0)
        (0.0, 4.0, -4.0, 2.0, -2.0, 4.0)
    """
    if spread == 0.0 or branches == 1:
        return ()
    turns = (spread, -spread, spread / 2, -spread / 2)
    return (0.0, *(turns[i % len(turns)] for i in range(branches - 1)))


def begin(
    request: DecodingRequest,
    generator: Generator,
    reward: Reward | None,
    *,
    length_spread: float,
    styled: float = 0.0,
) -> tuple[Branches, Sampling]:
    """Return branches on the prompt, and how they are to be sampled; branch 0 is the plain sample.

    One branch runs where more would change nothing: without a reward, and at temperature 0.

    Args:
        request: What was asked for.
        generator: Reads the prompt.
        reward: The person's reward, or None.
        length_spread: Of `end_biases`.
        styled: Share of the branches, never the first, that are drawn under the request's styles.
            They are judged as replies to the plain prompt; see `styled_prompts`.

    Raises:
        InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
    """
    if request.candidates < 1:
        raise InvalidInputError(f"candidates is {request.candidates!r}, expected at least 1")
    several = reward is not None and request.sampling.temperature > 0.0
    count = request.candidates if several else 1
    sampling = replace(request.sampling, end_bias=end_biases(count, length_spread))
    under_styles = min(round(styled * count), count - 1) if request.styles else 0
    if under_styles:
        prompts = styled_prompts(
            request.reading, request.styles, plain=count - under_styles, styled=under_styles
        )
        return generator.prefill_each(prompts, seed=request.seed), sampling
    if request.adapter is not None:
        plain = Prompt((request.reading,))
        return generator.prefill_each([plain] * count, seed=request.seed), sampling
    branches = generator.prefill(request.conversation, branches=count, seed=request.seed)
    return branches, sampling
