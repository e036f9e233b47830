"""Runs a benchmark that has parts, each a module of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from report import Figure, arguments, finish, say

Measure = Callable[..., dict[str, Figure]]
Further = Callable[[str, argparse.Namespace], Mapping[str, object]]


def nothing_further(_part: str, _asked: argparse.Namespace) -> Mapping[str, object]:
    """Return no options: all parts have the same."""
    return {}


def options(about: str, parts: Sequence[str]) -> argparse.ArgumentParser:
    """Return the options that every benchmark of parts has."""
    found = arguments(about)
    found.add_argument("--only", help=f"parts, with commas, of {', '.join(parts)}")
    return found


def run(
    family: str,
    parts: Sequence[str],
    asked: argparse.Namespace,
    *,
    further: Further = nothing_further,
) -> None:
    """Measure the parts that are asked for, and report.

    Args:
        family: Each part is the module of its name, with this and ``_`` before it.
        parts: All there are.
        asked: What the command line says.
        further: Returns the options that only one part has.
    """
    chosen = list(parts) if asked.only is None else asked.only.split(",")
    unknown = [each for each in chosen if each not in parts]
    if unknown:
        sys.exit(f"--only names {unknown[0]!r}, expected some of {', '.join(parts)}")
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    figures: dict[str, Figure] = {}
    for part in chosen:
        say(f"{part} …")
        measure: Measure = import_module(f"{family}_{part}").measure
        figures.update(measure(folder, quick=asked.quick, seed=asked.seed, **further(part, asked)))
    finish(figures, seed=asked.seed, as_json=asked.json)
