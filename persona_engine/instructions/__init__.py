"""Standing instructions: check what was said, merge repeats, pick what applies, place it.

A host needs `apply_instructions` for a reply, `validate_instruction` and `reconcile` when an
instruction is said; the rest is what these are made of.
"""

from persona_engine.instructions.escape import escape_text
from persona_engine.instructions.lifecycle import as_of, operator_rule, undoing
from persona_engine.instructions.reconcile import Reconciliation, reconcile
from persona_engine.instructions.render import Rendering, render_instructions
from persona_engine.instructions.select import AppliedInstructions, apply_instructions, in_force
from persona_engine.instructions.validate import (
    LONGEST_TEXT,
    validate_instruction,
    validate_text,
)

__all__ = [
    "LONGEST_TEXT",
    "AppliedInstructions",
    "Reconciliation",
    "Rendering",
    "apply_instructions",
    "as_of",
    "escape_text",
    "in_force",
    "operator_rule",
    "reconcile",
    "render_instructions",
    "undoing",
    "validate_instruction",
    "validate_text",
]
