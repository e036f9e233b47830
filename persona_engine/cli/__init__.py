"""The command line: ``persona …``. Modules hold one group of commands each.

Commands import what they need when they run, so that ``persona --help`` is quick.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line on the process's arguments; the console script ``persona``."""
    # Before torch loads OpenMP, whose waiting threads otherwise spin: on a machine with fewer free
    # cores than threads that made a reply three times slower (35 against 95 tokens a second).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from persona_engine.cli.app import app

    app()
