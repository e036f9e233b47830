"""The command line: ``persona …``. Modules hold one group of commands each.

Commands import what they need when they run, so that ``persona --help`` is quick.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line on the process's arguments; the console script ``persona``."""
    from persona_engine.cli.app import app

    app()
