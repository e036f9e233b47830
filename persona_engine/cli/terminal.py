"""Reading lines from the person at the terminal; prompts go to stderr."""

from __future__ import annotations

import sys

from persona_engine.cli.output import stderr


def read_line(prompt: str) -> str | None:
    """Return the line typed, or None at the end of input."""
    console = stderr()
    console.print(prompt, end="", soft_wrap=True)
    line = sys.stdin.readline()
    if not line:
        console.print()
        return None
    return line.rstrip("\r\n")


def confirmed(question: str) -> bool | None:
    """Return whether the person said yes; None when there is nobody to ask."""
    line = read_line(f"{question} [y/N] ")
    return None if line is None else line.strip().lower() in ("y", "yes")
