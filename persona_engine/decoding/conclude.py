"""How a search ends: finished branches become candidates, mended where they can be, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.decoding.objective import PLAIN_REWARD, Objective
from persona_engine.decoding.plain_reading import depends_on, read_plainly
from persona_engine.interfaces import Branches, Generator, Reward
from persona_engine.ranking import Verdict, rank_candidates
from persona_engine.types import Candidate, DecodingRequest, FloatArray, Generation


def conclude(
    texts: Sequence[str],
    branches: Branches,
    reward: Reward | None,
    *,
    min_confidence: float,
    request: DecodingRequest,
    generator: Generator,
    objective: Objective = PLAIN_REWARD,
    plain: bool = True,
) -> Generation:
    """Return finished branches as a result, best first; branch 0 is the plain sample.

    Where a block of instructions was placed in the prompt, or an adapter is in use, the best are
    read again without; see `persona_engine.decoding.plain_reading`. What `DecodingRequest.mend`
    makes of a branch stands as one more candidate beside it, read as the text that it is.

    Args:
        texts: Of the branches, ``B`` of them.
        branches: What they are.
        reward: The person's reward, or None.
        min_confidence: Least probability that another is preferred to the plain sample.
        request: What was asked for.
        generator: Of the branches.
        objective: What else than the reward counts.
        plain: Whether the plain sample is among them; a search may know that it is not the best.

    Raises:
        PluginError: The reward is not finite.
    """
    drafts = _drafts(texts, request)
    parents = np.array([each.branch for each in drafts])
    features, notes = _read(
        drafts, branches, reward, objective, request=request, generator=generator
    )
    bonus = objective.bonus(log_probs=branches.log_probs, tokens=branches.token_counts)
    verdict = rank_candidates(
        [each.text for each in drafts],
        features,
        reward,
        min_confidence=min_confidence,
        caution=objective.caution,
        bonus=bonus[parents],
        plain=plain,
    )
    first = drafts[verdict.order[0]]
    if first.edits:
        notes.append(f"put right: {', '.join(first.edits)}")
    return Generation(
        candidates=tuple(_candidate(drafts[i], i, branches, verdict) for i in verdict.order),
        features=features[np.array(verdict.order)],
        decided=verdict.decided,
        confidence=verdict.confidence,
        reason="; ".join((verdict.reason, *notes)),
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


def _read(
    drafts: Sequence[_Draft],
    branches: Branches,
    reward: Reward | None,
    objective: Objective,
    *,
    request: DecodingRequest,
    generator: Generator,
) -> tuple[FloatArray, list[str]]:
    """Return the features ``(n, D)`` by which drafts are judged, and what is to be said of them."""
    features, notes = branches.features(), []
    asked = request.conversation if request.bare is None else request.bare
    added = _added(request)
    if added and reward is not None and depends_on(reward, features):
        texts = [each.text for each in drafts[: branches.size]]
        features = read_plainly(texts, branches, reward, objective, bare=asked, generator=generator)
        notes.append(f"the best were read again without {' and '.join(added)}")
    features = features[[each.branch for each in drafts]]
    edited = [place for place, each in enumerate(drafts) if each.edits]
    if edited:
        mended = [drafts[place].text for place in edited]
        features[edited] = generator.feature_encoder.encode([asked] * len(mended), mended)
    return features, notes


def _added(request: DecodingRequest) -> list[str]:
    """Return what replies were drawn with that rewards are learned without, in words."""
    added = [] if request.bare is None else ["the instructions"]
    return added if request.adapter is None else [*added, "the adapter"]


def _candidate(draft: _Draft, place: int, branches: Branches, verdict: Verdict) -> Candidate:
    log_prob = float(branches.log_probs[draft.branch])
    return Candidate(
        text=draft.text,
        reward=verdict.rewards.get(place),
        spread=verdict.spreads.get(place),
        tokens=branches.token_counts[draft.branch],
        log_prob=None if draft.edits or not math.isfinite(log_prob) else log_prob,
        edits=draft.edits,
    )
