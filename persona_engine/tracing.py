"""The trace of one reply, put together from what its steps found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from persona_engine.adapters.serving import Served
from persona_engine.guiding import Guidance
from persona_engine.instructions import AppliedInstructions
from persona_engine.types import Candidate, Generation, Personalization, Ranking, Step, Trace


def trace_of(
    applied: AppliedInstructions,
    guide: Guidance,
    generation: Generation,
    served: Served,
    *,
    steps: Sequence[Step],
    skipped: Sequence[str],
) -> Trace:
    """Return why a reply is what it is.

    Args:
        applied: What was placed in the prompt.
        guide: What it was searched by.
        generation: What was decoded.
        served: The adapter that it was decoded with, if any.
        steps: What each step cost.
        skipped: What was left out, and why.
    """
    placed = any(each.used for each in applied.decisions)
    reasons = [applied.reason] if placed or applied.decisions else []
    belief = guide.belief
    guided = guide.reward is not None or any(each.checks for each in generation.candidates)
    if guided:
        reasons.append(generation.reason)
    if guide.words:
        reasons.append(f"searched by {', '.join(guide.words)}")
    if served.active:
        reasons.append(served.reason)
    left_out = [] if served.active or served.silent else [f"the adapter: {served.reason}"]
    return Trace(
        personalized=placed or served.active or (guided and generation.decided),
        reason="; ".join(reasons) or "nothing personal is known or wanted",
        instructions=applied.decisions,
        candidates=generation.candidates,
        confidence=generation.confidence,
        steps=tuple(steps),
        skipped=(*skipped, *left_out),
        reward_model=None if belief is None else belief.model.name,
        population=None if belief is None else belief.population.version,
        adapter=served.adapter,
        search=generation.search,
    )


def finished(trace: Trace, step: Step) -> Trace:
    """Return the trace with one more step."""
    return replace(trace, steps=(*trace.steps, step))


def told_of_host(
    replies: Sequence[str], personalized: Personalization | None, ranking: Ranking | None
) -> Trace:
    """Return why replies of the host's own model are what they are.

    Args:
        replies: Of the host's model.
        personalized: What the host was given for its request, if it asked.
        ranking: How its replies were ordered, if there were several.
    """
    trace = Trace(False, "the host's own request") if personalized is None else personalized.trace
    if ranking is None:
        return replace(
            trace,
            candidates=tuple(Candidate(text, None, None, tokens=0) for text in replies),
        )
    return replace(
        trace,
        personalized=trace.personalized or ranking.personalized,
        reason=f"{trace.reason}; {ranking.reason}" if ranking.reason else trace.reason,
        candidates=ranking.candidates,
        confidence=ranking.confidence,
    )
