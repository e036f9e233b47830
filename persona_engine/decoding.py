"""What decoders have in common: streaming what is settled, lengths that differ, the result.

Public to plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.ranking import Verdict, rank_candidates
from persona_engine.types import Candidate, DecodingRequest, FloatArray, Generation, Sampling

OnText = Callable[[str], None]


class Outlet:
    """Passes on each piece of text once, as soon as it cannot change any more.

    A token that settles nothing passes on an empty piece, where a reader who left can end decoding.

    Args:
        on_text: Takes the pieces; None for a reply that nobody reads as it grows.
        early: Whether what all texts begin with is passed on as they grow; not where the text may
            be mended at the end.
    """

    def __init__(self, on_text: OnText | None, *, early: bool = True) -> None:
        self._on_text = on_text
        self._early = early
        self._sent = 0

    def settle(self, text: str) -> None:
        """Pass on what of a text has not been passed on yet."""
        if self._on_text is not None:
            self._on_text(text[self._sent :])
            self._sent = max(self._sent, len(text))

    def settle_shared(self, texts: Sequence[str]) -> None:
        """Pass on what all texts begin with: whichever is chosen, that stays."""
        self.settle(shared_beginning(texts) if self._early else "")


def shared_beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with.

    Examples:
        >>> shared_beginning(["The way home", "The way there", "The war"])
        'The wa'
    """
    # What the first and the last in sorted order share, all between them share.
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((i for i, (a, b) in pairs if a != b), len(first))]


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
    request: DecodingRequest, generator: Generator, reward: Reward | None, *, length_spread: float
) -> tuple[Branches, Sampling]:
    """Return branches on the prompt, and how they are to be sampled; branch 0 is the plain sample.

    One branch runs where more would change nothing: without a reward, and at temperature 0.

    Args:
        request: What was asked for.
        generator: Reads the prompt.
        reward: The person's reward, or None.
        length_spread: Of `end_biases`.

    Raises:
        InvalidInputError: ``candidates`` is below 1, or the conversation cannot be read.
    """
    if request.candidates < 1:
        raise InvalidInputError(f"candidates is {request.candidates!r}, expected at least 1")
    several = reward is not None and request.sampling.temperature > 0.0
    count = request.candidates if several else 1
    branches = generator.prefill(request.conversation, branches=count, seed=request.seed)
    return branches, replace(request.sampling, end_bias=end_biases(count, length_spread))


def conclude(
    texts: Sequence[str],
    branches: Branches,
    reward: Reward | None,
    *,
    min_confidence: float,
    request: DecodingRequest,
    generator: Generator,
) -> Generation:
    """Return finished branches as a result, best first; branch 0 is the plain sample.

    What `DecodingRequest.mend` makes of a branch stands as one more candidate beside it, and is
    judged by the branch's features until it is shown: only then it is read again.

    Args:
        texts: Of the branches, ``B`` of them.
        branches: What they are.
        reward: The person's reward, or None.
        min_confidence: Least probability that another is preferred to the plain sample.
        request: What was asked for.
        generator: Of the branches.

    Raises:
        PluginError: The reward is not finite.
    """
    drafts = _drafts(texts, request)
    parents = np.array([each.branch for each in drafts])
    features = branches.features()[parents]
    verdict = rank_candidates(
        [each.text for each in drafts], features, reward, min_confidence=min_confidence
    )
    first = drafts[verdict.order[0]]
    if first.edits:
        features = features.copy()
        features[verdict.order[0]] = _read_again(first.text, request, generator)
    candidates = [_candidate(drafts[i], i, branches, verdict) for i in verdict.order]
    return Generation(
        candidates=tuple(candidates),
        features=features[np.array(verdict.order)],
        decided=verdict.decided,
        confidence=verdict.confidence,
        reason=f"{verdict.reason}; put right: {', '.join(first.edits)}"
        if first.edits
        else verdict.reason,
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A candidate and the branch that it is, or was made from."""

    text: str
    branch: int
    edits: tuple[str, ...] = ()


def _drafts(texts: Sequence[str], request: DecodingRequest) -> list[_Draft]:
    drafts = [_Draft(text, branch) for branch, text in enumerate(texts)]
    mended = request.mend(texts) if request.mend is not None else ()
    known = set(texts)
    for branch, each in enumerate(mended):
        if each is not None and each.edits and each.text not in known:
            known.add(each.text)
            drafts.append(_Draft(each.text, branch, each.edits))
    return drafts


def _read_again(text: str, request: DecodingRequest, generator: Generator) -> FloatArray:
    features: FloatArray = generator.feature_encoder.encode([request.conversation], [text])[0]
    return features


def _candidate(draft: _Draft, place: int, branches: Branches, verdict: Verdict) -> Candidate:
    return Candidate(
        text=draft.text,
        reward=verdict.rewards.get(place),
        spread=verdict.spreads.get(place),
        tokens=branches.token_counts[draft.branch],
        log_prob=None if draft.edits else float(branches.log_probs[draft.branch]),
        edits=draft.edits,
    )
