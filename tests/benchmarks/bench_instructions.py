"""Standing instructions: kept, selected, obeyed, induced and heard, each against its target.

    PERSONA_DATA=../shared/data python tests/benchmarks/bench_instructions.py --json

The sets (NLSI, PrefEval, IFEval; where to get them stands in plugins/README.md) are read from the
folder PERSONA_DATA; parts that need none of them run without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import instructions_choices
import instructions_maintenance
import instructions_mining
import instructions_obedience
import instructions_principles
import instructions_selection
from report import Figure, arguments, finish, say

Measure = Callable[..., dict[str, Figure]]
PARTS: dict[str, Measure] = {
    "maintenance": instructions_maintenance.measure,
    "mining": instructions_mining.measure,
    "principles": instructions_principles.measure,
    "selection": instructions_selection.measure,
    "choices": instructions_choices.measure,
    "obedience": instructions_obedience.measure,
}
NEED_DATA = ("selection", "choices", "obedience")


def main() -> None:
    """Run and report."""
    options = arguments(__doc__ or "")
    options.add_argument("--only", help=f"parts, with commas, of {', '.join(PARTS)}")
    asked = options.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded
    folder = Path(os.environ.get("PERSONA_DATA", "../shared/data"))
    chosen = list(PARTS) if asked.only is None else asked.only.split(",")
    unknown = [each for each in chosen if each not in PARTS]
    if unknown:
        sys.exit(f"--only names {unknown[0]!r}, expected some of {', '.join(PARTS)}")
    figures: dict[str, Figure] = {}
    for part in chosen:
        if part in NEED_DATA and not folder.is_dir():
            say(f"{part} is passed over: the folder {folder} (PERSONA_DATA) does not exist")
            continue
        say(f"{part} …")
        figures.update(PARTS[part](folder, quick=asked.quick, seed=asked.seed))
    finish(figures, seed=asked.seed, as_json=asked.json)


if __name__ == "__main__":
    main()
