"""Traces as JSON, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from persona_engine.types import (
    Block,
    Candidate,
    Check,
    Compute,
    Considered,
    Explored,
    Instruction,
    Search,
    SelectedInstruction,
    Step,
    Trace,
)

_TIMES = ("created_at", "valid_from", "valid_until")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a reply was given.

    Args:
        text: In words and numbers.
        trace: The trace behind the words.
    """

    text: str
    trace: Trace


def trace_to_json(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON values; times as ISO 8601."""
    document = asdict(trace)
    for row in document["instructions"]:
        for name in _TIMES:
            value = row["instruction"][name]
            row["instruction"][name] = None if value is None else value.isoformat()
    return document


def trace_from_json(document: Mapping[str, Any]) -> Trace:
    """Return the trace that `trace_to_json` wrote."""
    fields = dict(document)
    fields["instructions"] = tuple(_selected(each) for each in document["instructions"])
    fields["candidates"] = tuple(_candidate(each) for each in document["candidates"])
    fields["steps"] = tuple(Step(**each) for each in document["steps"])
    fields["skipped"] = tuple(document["skipped"])
    fields["search"] = _search(document.get("search"))
    fields["exploration"] = explored_from_json(document)
    return Trace(**fields)


def explain(trace: Trace) -> Explanation:
    """Say in words what was used, how each candidate scored, and what was skipped and why.

    Examples:
        >>> print(explain(Trace(personalized=False, reason="persona is off")).text)
        This is the base reply: persona is off.
        No standing instruction was considered.
        No candidates were compared.
    """
    kind = "This reply is personal" if trace.personalized else "This is the base reply"
    lines = [f"{kind}: {trace.reason}."]
    lines += _instruction_lines(trace)
    lines += _candidate_lines(trace)
    lines += _search_lines(trace.search)
    lines += _exploration_lines(trace.exploration)
    lines += [f"Put right: {each}." for shown in trace.candidates[:1] for each in shown.edits]
    lines += [
        f"{_kept(each)}: {each.text!r}: {each.reason} ({each.verifier})."
        for shown in trace.candidates[:1]
        for each in shown.checks
    ]
    if trace.tastes:
        lines.append(f"Prefers: {trace.tastes}.")
    if trace.steering:
        lines.append(f"Set by hand: {trace.steering}.")
    if trace.reward_model is not None:
        lines.append(f"Reward model: {trace.reward_model}, population {trace.population}.")
    lines += [f"Adapter: {trace.adapter}."] if trace.adapter else []
    lines += [f"Skipped: {each}." for each in trace.skipped]
    if trace.steps:
        costs = ", ".join(f"{step.name} {step.milliseconds:.1f} ms" for step in trace.steps)
        lines.append(f"Time: {costs}.")
    return Explanation("\n".join(lines), trace)


def _instruction_lines(trace: Trace) -> list[str]:
    if not trace.instructions:
        return ["No standing instruction was considered."]
    return [
        f"Instruction {'used' if each.used else 'left out'} (applies with probability "
        f"{each.probability:.2f}): {each.instruction.text!r}: {each.reason}."
        for each in trace.instructions
    ]


def _candidate_lines(trace: Trace) -> list[str]:
    if len(trace.candidates) < 2:
        return ["No candidates were compared."]
    lines = [f"{len(trace.candidates)} candidates were compared, best first:"]
    for number, each in enumerate(trace.candidates, start=1):
        score = (
            "not scored"
            if each.reward is None
            else f"reward {each.reward:+.2f} ± {each.spread:.2f}"
        )
        lines.append(f"  {number}. {score}, {each.tokens} tokens: {_beginning(each.text)!r}")
    if trace.confidence is not None:
        lines.append(
            f"The first is preferred to the second with probability {trace.confidence:.2f}."
        )
    return lines


def _search_lines(search: Search | None) -> list[str]:
    if search is None:
        return []
    spent = search.compute
    lines = [
        f"Decoded by {search.decoder}: {spent.token_steps} tokens in {spent.forwards} runs of the "
        f"network, {spent.seconds:.2f} s."
    ]
    lines += [f"Plan: {search.plan}."] if search.plan else []
    lines += [f"Cut short: {search.ended}."] if search.ended else []
    choices = len(search.blocks) + search.left_out
    lines += [f"Choices on the way: {choices}."] if choices else []
    return lines


def _exploration_lines(explored: Explored | None) -> list[str]:
    if explored is None:
        return []
    chances = ", ".join(f"{each:.2f}" for each in explored.propensities)
    shown = explored.propensities[explored.position]
    return [
        f"Drawn by {explored.policy} with probability {shown:.2f}; the candidates had {chances}."
    ]


def _kept(check: Check) -> str:
    if check.probability in (0.0, 1.0):
        return "Kept" if check.probability else "Not kept"
    return f"Kept with probability {check.probability:.2f}"


def _beginning(text: str, longest: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def _candidate(document: Mapping[str, Any]) -> Candidate:
    checks = tuple(Check(**each) for each in document.get("checks", ()))
    edits = tuple(document.get("edits", ()))
    return Candidate(**{**document, "checks": checks, "edits": edits})


def _search(document: Mapping[str, Any] | None) -> Search | None:
    if document is None:
        return None
    blocks = tuple(
        Block(**{**each, "candidates": tuple(Considered(**c) for c in each["candidates"])})
        for each in document["blocks"]
    )
    return Search(**{**document, "blocks": blocks, "compute": Compute(**document["compute"])})


def explored_from_json(trace: Mapping[str, Any]) -> Explored | None:
    """Return how a stored reply was drawn, or None where it was not."""
    document = trace.get("exploration")
    if document is None:
        return None
    return Explored(**{**document, "propensities": tuple(document["propensities"])})


def _selected(document: Mapping[str, Any]) -> SelectedInstruction:
    fields = dict(document["instruction"])
    for name in _TIMES:
        fields[name] = None if fields[name] is None else datetime.fromisoformat(fields[name])
    fields["rests_on"] = tuple(fields.get("rests_on", ()))
    return SelectedInstruction(**{**document, "instruction": Instruction(**fields)})
