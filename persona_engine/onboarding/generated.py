"""Pairs of replies to a person's own request, drawn from the language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from persona_engine.decoding.start import end_biases
from persona_engine.decoding.styles import styled_prompts
from persona_engine.interfaces import Generator
from persona_engine.onboarding.bank import STYLES
from persona_engine.onboarding.criteria import information_gain
from persona_engine.onboarding.pools import OWN, named_by_content
from persona_engine.onboarding.wishes import WISHES
from persona_engine.types import FloatArray, Message, Question, Reading, Sampling

if TYPE_CHECKING:
    from persona_engine.belief import Belief

_LENGTH_SPREAD = 3.0


def draw_replies(
    generator: Generator,
    prompt: str,
    *,
    count: int,
    sampling: Sampling,
    seed: int,
) -> list[str]:
    """Return different replies to a request: plain ones, and ones under opposite wishes of style.

    Samples of one prompt differ little. So all but two are drawn under wishes for the low and the
    high pole of styles that the seed chooses, and all with different leanings to end early.

    Args:
        generator: Draws them, in one batch.
        prompt: The request.
        count: How many to draw; fewer come back where some are blank or equal.
        sampling: How tokens are drawn.
        seed: Decides every draw.
    """
    rng = np.random.default_rng(seed)
    styles = [str(each) for each in rng.permutation(sorted(STYLES))[: max(1, (count - 1) // 2)]]
    wishes = [wish for style in styles for wish in WISHES[style]]
    plain = max(1, count - len(wishes))
    reading = Reading((Message(role="user", content=prompt),))
    prompts = styled_prompts(reading, wishes, plain=plain, styled=count - plain)
    branches = generator.prefill_each(prompts, seed=seed)
    biased = Sampling(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        end_bias=end_biases(count, _LENGTH_SPREAD),
    )
    texts: tuple[str, ...] = ()
    finished: tuple[bool, ...] = (False,)
    while not all(finished):
        result = branches.step(biased)
        texts, finished = result.texts, result.finished
    return [each for each in dict.fromkeys(text.strip() for text in texts) if each]


def most_telling(
    belief: Belief,
    prompt: str,
    texts: Sequence[str],
    encode: Callable[[Sequence[str]], FloatArray],
    *,
    seed: int,
) -> Question | None:
    """Return the pair of replies whose comparison teaches most about a person, or None.

    Args:
        belief: About the person.
        prompt: The request.
        texts: Different replies to it.
        encode: Returns their features ``(n, D)``.
        seed: Decides which reply is shown first.
    """
    pairs = list(combinations(range(len(texts)), 2))
    if not pairs:
        return None
    features = encode(texts)
    first, second = np.array(pairs).T
    gain = information_gain(belief.logit(features[first], features[second]))
    a, b = (texts[place] for place in pairs[int(gain.argmax())])
    if np.random.default_rng([seed, 1]).random() < 0.5:
        a, b = b, a
    return Question(named_by_content(prompt, a, b, prefix=OWN), prompt, a, b)
