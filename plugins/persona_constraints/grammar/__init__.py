"""From the words of an instruction to its constraints."""

from persona_constraints.grammar.compiler import compile_instruction

__all__ = ["compile_instruction"]
