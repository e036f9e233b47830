"""llama.cpp's own batched benchmark on the same machine, where it is installed.

Needs ``llama-batched-bench`` on the path (or in LLAMA_BATCHED_BENCH) and a bf16 GGUF of the same
model in LLAMA_GGUF; it runs with one thread, so that its wall time is CPU time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from statistics import median

from report import Figure

_GOALS = {1: 2.5, 8: 1.7}


def against_llama(
    costs: Mapping[str, list[float]], *, prompt_tokens: int, tokens: int
) -> dict[str, Figure]:
    """Return the sessions' plain loops over llama.cpp's time for as many tokens."""
    program = os.environ.get("LLAMA_BATCHED_BENCH") or shutil.which("llama-batched-bench")
    weights = os.environ.get("LLAMA_GGUF")
    if program is None or weights is None:
        why = "llama-batched-bench is not installed" if program is None else "LLAMA_GGUF is not set"
        return {"sessions_over_llama_cpp": Figure(False, "not measured", baseline=why)}
    found = {}
    for rows, goal in _GOALS.items():
        seconds = _seconds(program, weights, rows, prompt_tokens, tokens)
        found[f"sessions_{rows}_over_llama_cpp"] = Figure(
            median(costs[f"plain_{rows}"]) / seconds,
            "ratio of CPU time",
            goal,
            f"{seconds:.2f} s",
        )
    return found


def _seconds(program: str, weights: str, rows: int, prompt_tokens: int, tokens: int) -> float:
    command = [program, "-m", weights, "-t", "1", "-c", "8192", "-pps"]
    command += ["-npp", str(prompt_tokens), "-ntg", str(tokens), "-npl", str(rows)]
    command += ["--output-format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows_told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return float(rows_told[-1]["t"])
