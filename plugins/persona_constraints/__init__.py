"""Verifies the words of a standing instruction that a program can check."""

from collections.abc import Callable, Mapping

from persona_constraints.grammar import compile_instruction
from persona_constraints.ifeval import constraints_of, rule_of
from persona_constraints.outcome import Constraint, Outcome
from persona_constraints.verifier import ConstraintVerifier, judge
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import InstructionVerifier

__all__ = [
    "Constraint",
    "ConstraintVerifier",
    "Outcome",
    "compile_instruction",
    "constraints_of",
    "judge",
    "rule_of",
]


@hookimpl
def persona_instruction_verifiers() -> Mapping[str, Callable[..., InstructionVerifier]]:
    """Register ``constraints``."""
    return {ConstraintVerifier.name: ConstraintVerifier}
