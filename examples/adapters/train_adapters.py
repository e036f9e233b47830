"""From comparisons to replies that a group's adapter makes: import, cluster, train, chat.

    python examples/adapters/train_adapters.py

Forty made-up people compare replies from the question bank: half of them like it short, the others
at length. Their tastes are found, a small adapter is trained for each group and judged on people
and questions that trained nothing, and whoever joins later is served by the one that suits them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.engine import AdapterPlan
from persona_engine.onboarding import question_bank, replies

PEOPLE = 40
STYLES = ("length", "directness", "bottom_line", "perspective")


def comparisons(people: int = PEOPLE) -> list[dict[str, Any]]:
    """Return rows as `persona import` takes them: who preferred what to what."""
    rows = []
    for number in range(people):
        for place, question in enumerate(q for q in question_bank() if q.style in STYLES):
            if (place + number) % 3:  # nobody answers everything
                low, high = replies(question)
                likes_high = (question.style in ("length", "perspective")) == bool(number % 2)
                chosen, rejected = (high, low) if likes_high else (low, high)
                row = {"user": f"person-{number:02}", "prompt": question.prompt}
                rows.append({**row, "chosen": chosen, "rejected": rejected})
    return rows


def run(
    folder: Path, *, settings: Mapping[str, Any], plan: AdapterPlan, generator: str | None = None
) -> None:
    """Go the whole way in a folder, and say how it went."""
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        data_folder=folder / "data",
        max_tokens=24,
        **({} if generator is None else {"generator": generator}),
    )
    with PersonaEngine(config=config) as engine:
        engine.import_comparisons(comparisons())
        found = engine.cluster(clusterer="kmeans")
        print("clusters:", ", ".join(f"{each.name} ({each.size})" for each in found.clusters))
        for report in engine.train_adapters(settings=settings, plan=plan, progress=told):
            verdict = "published" if report.published else "not published"
            print(f"{report.cluster}: {verdict}: {report.reason}")
        reply = engine.user("person-00").chat(
            [{"role": "user", "content": "How do I keep basil alive?"}], candidates=2
        )
        print("adapter:", reply.trace.adapter or "none: the base model served")
        print(reply.text)


def told(what: str, done: int, total: int) -> None:
    """Say on standard error how far the work is."""
    print(f"{what}: {done} of {total}", file=sys.stderr)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        run(Path(name), settings={}, plan=AdapterPlan())
