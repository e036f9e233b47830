"""From comparisons to published adapters, as a host goes the way: import, cluster, train, chat.

The engine is given the answers of planted people to some questions of the bank and divides these
people and questions itself. Then people come whom it never met: they answer questions that are
known, are routed, and answer questions that nobody was asked before. Whether the adapter that they
were routed to has them right, beside the base model, is what counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from adapters_population import SHARES, People, planted
from report import Figure, say

from persona_engine import PersonaEngine
from persona_engine.adapters.figures import Limits
from persona_engine.adapters.judging import Trial
from persona_engine.adapters.readings import ModelReader, Told
from persona_engine.config import EngineConfig
from persona_engine.engine import AdapterPlan, AdapterReport

PAIRS = 64  # those about which a cluster's users agree most
QUICK_SETTINGS: Mapping[str, Any] = {"margin": 0.1, "rank": 2}
GAIN, WINS, NEUTRAL, MINUTES, SHORTFALL = 0.10, 0.65, 1.05, 15.0, 0.05


@dataclass(frozen=True, slots=True)
class Served:
    """How newcomers of one planted group are served.

    Args:
        accuracy: Share of their answers that the adapter which each was routed to has right.
        base: Share that the base model has right.
        routed: Share of them who are routed to an adapter.
    """

    accuracy: float
    base: float
    routed: float


def measure(
    data: Path,
    *,
    quick: bool,
    seed: int,
    keep: Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Figure]:
    """Return what adapters of planted groups are worth, and what they took to train.

    Args:
        data: Not read.
        quick: Few people, one step, one cluster: a smoke run.
        seed: Of the people and of all else.
        keep: Where the engine's files stay, so that a run that was broken off goes on.
        settings: Of the trainer ``tangent``, in place of those that are measured.
    """
    people = planted(users=36, noise=0, seed=seed) if quick else planted(seed=seed)
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.mkdir(parents=True, exist_ok=True)
        config = EngineConfig(
            database=f"sqlite:///{root}/persona.db",
            data_folder=root / "data",
            adapters_folder=root / "adapters",
        )
        with PersonaEngine(config=config) as engine:
            reports = _trained(engine, people, quick=quick, seed=seed, settings=settings)
            served = _served(engine, people, quick=quick)
    figures = _of_training(reports) | _of_reports(reports, quick=quick)
    return figures | _of_newcomers(served, quick=quick)


def _trained(
    engine: PersonaEngine,
    people: People,
    *,
    quick: bool,
    seed: int,
    settings: Mapping[str, Any] | None,
) -> tuple[AdapterReport, ...]:
    if not engine.store.tenant("default").users():
        engine.import_comparisons(people.comparisons("known", new=False))
    found = engine.clusters() or engine.cluster(
        clusterer="kmeans" if quick else None, seed=seed, progress=_told
    )
    say(f"clusters: {', '.join(f'{each.name} ({each.size})' for each in found.clusters)}")
    plan = AdapterPlan().changed({"selection.pairs": PAIRS})
    if quick:
        trial = Trial(prompts=1, samples=1, tokens=4, neutral=2)
        plan = AdapterPlan(trial=trial, limits=Limits(comparisons=1, users=1), judge="attributes")
        few = {"selection.pairs": 1, "division.users": 0.5, "division.prompts": 0.04}
        plan = plan.changed(few)
    reports = engine.train_adapters(
        cluster=found.clusters[0].name if quick else None,
        settings=settings or (QUICK_SETTINGS if quick else {}),
        plan=plan,
        seed=seed,
        progress=_told,
    )
    for each in reports:
        say(f"{each.cluster}: {'published' if each.published else 'kept'}: {each.reason}")
        say(f"  {each.as_json()}")
    return reports


def _served(engine: PersonaEngine, people: People, *, quick: bool) -> dict[str, Served]:
    """Let newcomers answer what is known, route them, and ask what nobody was asked."""
    engine.import_comparisons(people.comparisons("known", new=True))
    answers = people.comparisons("held_out", new=True, answers=1 if quick else None)
    generator: Any = engine._runtime.generator
    precise = generator.in_float32()
    base, readers = ModelReader(generator, precise=precise), {}
    registry = engine.adapters()
    for row in registry.versions():
        if row.published:
            folder = registry.open(row.version, base=row.base)
            precise.load_adapter(f"bench {row.version}", folder)
            readers[row.cluster] = ModelReader(generator, f"bench {row.version}", precise)
    routed = {}
    for name in people.names:
        clusters = engine.user(name).clusters() if any(a["user"] == name for a in answers) else {}
        likeliest = max(clusters, key=clusters.__getitem__, default="")
        sure = clusters.get(likeliest, 0.0) >= engine.config.adapter_confidence
        routed[name] = readers.get(likeliest) if sure else None
    found = {}
    for place, group in enumerate(people.groups):
        own = {name for name, of in zip(people.names, people.group, strict=True) if of == place}
        mine = [each for each in answers if each["user"] in own]
        found[group] = _right(mine, routed, base)
        say(f"newcomers of {group}: {found[group]}")
    for reader in readers.values():
        precise.unload_adapter(reader.adapter)
    return found


def _right(
    answers: Sequence[Mapping[str, str]],
    routed: Mapping[str, ModelReader | None],
    base: ModelReader,
) -> Served:
    """Return how often the adapters are right about answers, and how often base is.

    Who is served by the base model is as right as the base model. That is right by its summed or
    its mean log-likelihood, whichever is better for the group.
    """
    sides = [
        Told([{"role": "user", "content": each["prompt"]}], each[side])
        for each in answers
        for side in ("chosen", "rejected")
    ]
    plain = base.log_likelihood(sides)
    lengths = np.array([max(base.generator.count_tokens(each.text), 1) for each in sides])
    bases = max((_odds(plain), _odds(plain / lengths)), key=lambda each: each.mean())
    right = bases.copy()
    for reader in {id(each): each for each in routed.values() if each}.values():
        mine = np.array([routed[each["user"]] is reader for each in answers])
        if mine.any():
            both = np.repeat(mine, 2)
            texts = [side for side, wanted in zip(sides, both, strict=True) if wanted]
            right[mine] = _odds(reader.log_likelihood(texts) - plain[both])
    users = {each["user"] for each in answers}
    share = np.mean([routed[name] is not None for name in users])
    return Served(float(right.mean()), float(bases.mean()), float(share))


def _odds(log_odds: np.ndarray) -> np.ndarray:
    apart = log_odds[0::2] - log_odds[1::2]
    return np.where(apart == 0, 0.5, (apart > 0).astype(float))


def _of_training(reports: Sequence[AdapterReport]) -> dict[str, Figure]:
    training = sum(each.seconds.get("training", 0.0) for each in reports) / 60
    judging = sum(each.seconds.get("judging", 0.0) for each in reports) / 60
    published = sum(each.published for each in reports)
    return {
        "adapters_training_minutes": Figure(training, "min", MINUTES, f"{len(reports)} clusters"),
        "adapters_judging_minutes": Figure(judging, "min"),
        "adapters_published": Figure(
            published, "adapters", len(reports), f"{len(reports)} clusters", "at least"
        ),
    }


def _of_reports(reports: Sequence[AdapterReport], *, quick: bool) -> dict[str, Figure]:
    """Return the figures that adapters were published by."""
    figures: dict[str, Figure] = {}
    for number, each in enumerate(reports, start=1):
        found, name = each.figures, f"adapter_{number}"
        if found is None:
            continue
        judged = each.published and not quick
        verdict = "published" if each.published else "not published"
        base = (
            f"± {found.gain.error:.3f}, base {found.base_accuracy:.3f}, {each.cluster}, {verdict}"
        )
        figures |= {
            f"{name}_gain": Figure(
                found.gain.value, "share", GAIN if judged else None, base, "at least"
            ),
            f"{name}_independent_wins": Figure(
                found.independent_wins.value,
                "share",
                WINS if judged else None,
                f"± {found.independent_wins.error:.3f}, a judge who is right in "
                f"{found.judge_accuracy or 0.5:.3f}",
                "at least",
            ),
            f"{name}_wins": Figure(found.wins.value, "share", None, "by the users' own reward"),
            f"{name}_neutral": Figure(
                found.neutral, "of base's perplexity", NEUTRAL if judged else None
            ),
            f"{name}_kl": Figure(found.kl, "nats a token"),
            f"{name}_length": Figure(found.length, "of base's"),
            f"{name}_worst_part_gain": Figure(found.worst_part_gain, "share", None, base),
        }
    return figures


def _of_newcomers(served: Mapping[str, Served], *, quick: bool) -> dict[str, Figure]:
    """Return how newcomers are served, the smallest group beside the others."""
    small = min(SHARES, key=SHARES.__getitem__)
    others = float(np.mean([each.accuracy for name, each in served.items() if name != small]))
    figures = {
        f"newcomers_{name}_gain": Figure(
            each.accuracy - each.base,
            "share",
            None if quick else GAIN,
            f"base {each.base:.3f}, routed {each.routed:.2f}",
            "at least",
        )
        for name, each in served.items()
    }
    figures["newcomers_small_group_shortfall"] = Figure(
        others - served[small].accuracy,
        "share",
        None if quick else SHORTFALL,
        f"others {others:.3f}, {small} is {SHARES[small]:.0%}",
    )
    return figures


def _told(what: str, done: int, total: int) -> None:
    if done in (0, total) or (total and done % max(total // 4, 1) == 0):
        say(f"  {what}: {done} of {total}")
