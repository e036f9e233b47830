"""Adapters for people who judge arguments: real, noisy labels, and no planted group.

UKPConvArg1 (Habernal & Gurevych 2016): of two arguments for one side of a debate, which convinces
more? Whatever comes out is told. What must hold is that nothing is published that does not beat the
base model on people and topics which trained nothing.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from report import Figure, say

from persona_engine import PersonaEngine
from persona_engine.config import EngineConfig
from persona_engine.engine import AdapterPlan, AdapterReport
from persona_engine.errors import InvalidInputError, NoPopulationError
from persona_engine.evaluation import read_votes

TOPICS, USERS, ANSWERS = 16, 240, 40
QUICK_TOPICS, QUICK_USERS, QUICK_ANSWERS = 4, 30, 6
LONGEST = 600  # characters: longer arguments are left out, which saves most of the time
QUICK_SETTINGS: Mapping[str, Any] = {"margin": 0.1, "rank": 2}
STEM = "ukp_convincingness"


def measure(data: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return what adapters are worth to people who judge arguments.

    Args:
        data: Folder of the data; where it is missing, this part is passed over.
        quick: Few people and topics, one step.
        seed: Of the people, of the topics and of all else.
    """
    judgments, texts = (data / f"{STEM}.{part}.jsonl.gz" for part in ("judgments", "texts"))
    if not judgments.is_file():
        say(f"no {judgments}: set PERSONA_DATA; this part is left out")
        return {}
    rows = _rows(judgments, texts, quick=quick, seed=seed)
    say(f"{len(rows)} judgments of {len({row['user'] for row in rows})} people")
    with tempfile.TemporaryDirectory() as name:
        config = EngineConfig(
            database=f"sqlite:///{name}/persona.db",
            data_folder=Path(name) / "data",
            feature_encoder="sentence" if quick else "generator",
        )
        with PersonaEngine(config=config) as engine:
            engine.import_comparisons(rows)
            try:
                reports = _trained(engine, quick=quick, seed=seed)
            except (InvalidInputError, NoPopulationError) as error:
                say(f"no adapter was trained: {error}")
                reports = ()
    return _figures(reports)


def _rows(judgments: Path, texts: Path, *, quick: bool, seed: int) -> list[dict[str, Any]]:
    """Return judgments of short arguments by those who judged most, on some topics."""
    dataset = read_votes(judgments, texts)
    rng = np.random.default_rng(seed)
    topics = sorted({str(item.prompt) for item in dataset.items})
    some = set(rng.permutation(topics)[: QUICK_TOPICS if quick else TOPICS].tolist())
    found = dataset.rows
    of_user: dict[int, list[int]] = defaultdict(list)
    for row in range(len(found.user)):
        sides = (dataset.items[found.chosen[row]], dataset.items[found.rejected[row]])
        short = all(len(each.text) <= LONGEST for each in sides)
        if short and str(sides[0].prompt) in some and found.target[row] == 1.0:
            of_user[int(found.user[row])].append(row)
    most = sorted(of_user, key=lambda user: (-len(of_user[user]), user))
    rows = []
    for user in most[: QUICK_USERS if quick else USERS]:
        own = rng.permutation(of_user[user])[: QUICK_ANSWERS if quick else ANSWERS]
        for row in own:
            chosen, rejected = (dataset.items[side[row]] for side in (found.chosen, found.rejected))
            rows.append(
                {
                    "user": dataset.users[user],
                    "prompt": f"Argue: {chosen.prompt}",
                    "chosen": chosen.text,
                    "rejected": rejected.text,
                }
            )
    return rows


def _trained(engine: PersonaEngine, *, quick: bool, seed: int) -> tuple[AdapterReport, ...]:
    fitted = engine.fit(seed=seed)
    say(f"population: {fitted.reason}")
    found = engine.cluster(clusterer="kmeans" if quick else None, seed=seed)
    say(f"clusters: {', '.join(f'{each.name} ({each.size})' for each in found.clusters)}")
    plan = AdapterPlan().changed({"selection.pairs": 160, "trial.samples": 1})
    if quick:
        small = {"selection.pairs": 1, "trial.prompts": 1, "trial.tokens": 4, "trial.neutral": 2}
        plan = plan.changed({**small, "judge": "attributes", "division.users": 0.5})
    return engine.train_adapters(
        cluster=found.clusters[0].name if quick else None,
        settings=QUICK_SETTINGS if quick else {},
        plan=plan,
        seed=seed,
        progress=lambda what, done, total: say(f"  {what}: {done} of {total}"),
    )


def _figures(reports: tuple[AdapterReport, ...]) -> dict[str, Figure]:
    figures = {
        "ukp_clusters": Figure(len(reports), "clusters"),
        "ukp_published": Figure(sum(each.published for each in reports), "adapters"),
        "ukp_published_without_gain": Figure(
            sum(
                each.published and (each.figures is None or each.figures.gain.value <= 0)
                for each in reports
            ),
            "adapters",
            0,
        ),
    }
    for number, each in enumerate(reports, start=1):
        say(f"{each.cluster}: {'published' if each.published else 'not published'}: {each.reason}")
        if each.figures is not None:
            found = each.figures
            base = f"base {found.base_accuracy:.3f}, {each.cluster}"
            figures[f"ukp_{number}_accuracy"] = Figure(found.accuracy, "share", None, base)
            figures[f"ukp_{number}_independent_wins"] = Figure(
                found.independent_wins.value, "share"
            )
            figures[f"ukp_{number}_neutral"] = Figure(found.neutral, "of base's perplexity")
    return figures
