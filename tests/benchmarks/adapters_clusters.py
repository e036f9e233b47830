"""Whether clusters recover planted taste groups, and leave people of no group unsure.

The people of `adapters_population` are imported as comparisons only; who they are is not told. The
population that the package ships for the default weights places them. Run alone it prints how few
answers are enough: ``python tests/benchmarks/adapters_clusters.py``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from adapters_population import NOISE, People, planted
from groups_of_people import adjusted_rand_index
from report import Figure, arguments, finish, say

from persona_engine import PersonaEngine
from persona_engine.plugins import discover
from persona_engine.testing.clusterer_subject import plant_users, taken

ROUTED = 0.8
"""Membership from which an adapter serves a user."""

CLUSTERERS = ("gaussian_mixture", "kmeans")
FEW = (4, 8, 16)


@dataclass(frozen=True, slots=True)
class Found:
    """How clusters agree with planted groups.

    Args:
        clusters: How many there are.
        agreement: Adjusted Rand index over the planted users.
        sure: Share of the planted users whose membership is at least `ROUTED`.
        right: Of these, the share whose cluster is their group's most frequent one;
            None where nobody is so sure.
        sure_noise: Share of the people of no group whose membership is at least `ROUTED`.
        kept_names: Share of the clusters that keep their name when they are found again by another
            seed; None if they are not.
    """

    clusters: int
    agreement: float
    sure: float
    right: float | None
    sure_noise: float
    kept_names: float | None


def found_by(
    clusterer: str, people: People, *, answers: int | None, seed: int, names_again: bool = False
) -> Found:
    """Import comparisons, find clusters, and compare these with the groups."""
    with (
        tempfile.TemporaryDirectory() as folder,
        PersonaEngine(f"sqlite:///{Path(folder) / 'persona.db'}") as engine,
    ):
        engine.import_comparisons(people.comparisons(answers=answers))
        report = engine.cluster(clusterer=clusterer, seed=seed)
        names = [each.name for each in report.clusters]
        told = [engine.user(name).clusters() for name in people.names]
        kept = None
        if names_again:
            again = engine.cluster(clusterer=clusterer, seed=seed + 1)
            kept = float(np.mean([not each.new for each in again.clusters]))
    membership = np.array([[each[name] for name in names] for each in told])
    return _compared(people, membership, kept)


def _compared(people: People, membership: np.ndarray, kept: float | None) -> Found:
    mine = people.group != NOISE
    likeliest, surest = membership.argmax(1), membership.max(1)
    routed = mine & (surest >= ROUTED)
    usual = [
        np.bincount(likeliest[people.group == group]).argmax()
        for group in range(len(people.groups))
    ]
    right = likeliest[routed] == np.array(usual)[people.group[routed]]
    return Found(
        clusters=membership.shape[1],
        agreement=adjusted_rand_index(people.group[mine], likeliest[mine]),
        sure=float((surest[mine] >= ROUTED).mean()),
        right=float(right.mean()) if len(right) else None,
        sure_noise=float((surest[~mine] >= ROUTED).mean()),
        kept_names=kept,
    )


def measure(_data: Path | None = None, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return agreement and sureness of each clusterer; a quick run has fewer people and one."""
    people = planted(users=60, noise=12, seed=seed) if quick else planted(seed=seed)
    figures: dict[str, Figure] = {}
    for clusterer in CLUSTERERS[: 1 if quick else None]:
        found = found_by(clusterer, people, answers=None, seed=seed, names_again=True)
        say(f"{clusterer}: {found}")
        figures |= _figures(clusterer, found, people, judged=clusterer == CLUSTERERS[0])
    return figures


def _figures(clusterer: str, found: Found, people: People, *, judged: bool) -> dict[str, Figure]:
    """Return figures; the targets are those of the default clusterer."""
    whom = f"{len(people.groups)} groups, {int(people.answers.min())} answers or more"
    noise = int((people.group == NOISE).sum())
    return {
        f"clusters_{clusterer}_ari": Figure(
            found.agreement, "adjusted Rand index", 0.9 if judged else None, whom, "at least"
        ),
        f"clusters_{clusterer}_noise_sure": Figure(
            found.sure_noise,
            f"share of {noise} who answer at random, membership >= {ROUTED}",
            0.1 if judged else None,
        ),
        f"clusters_{clusterer}_planted_sure": Figure(
            found.sure, f"share, membership >= {ROUTED}", None, "of the planted users"
        ),
        f"clusters_{clusterer}_sure_right": Figure(
            found.right, "share", None, "of the planted users who are sure"
        ),
        f"clusters_{clusterer}_count": Figure(found.clusters, "clusters", None, "4 planted"),
        f"clusters_{clusterer}_names_kept": Figure(
            found.kept_names, "share of clusters", None, "found again by another seed"
        ),
    }


def tell_few_answers(seeds: Sequence[int]) -> dict[str, Figure]:
    """Return means over populations, by clusterer and number of answers."""
    figures: dict[str, Figure] = {}
    for clusterer in CLUSTERERS:
        for answers in (*FEW, None):
            runs = [
                found_by(clusterer, planted(seed=seed), answers=answers, seed=seed)
                for seed in seeds
            ]
            label = f"{clusterer}_{answers or '20_to_24'}_answers"
            for name in ("agreement", "sure", "right", "sure_noise", "clusters"):
                told = [getattr(run, name) for run in runs]
                values = [float(each) for each in told if each is not None]
                figures[f"{label}_{name}"] = Figure(
                    float(np.mean(values)) if values else None,
                    "mean",
                    None,
                    f"{np.round(values, 2).tolist()}",
                )
            say(f"{label}: {runs}")
    return figures


def tell_many_users(users: int, seed: int) -> dict[str, Figure]:
    """Return how long ``kmeans`` takes for very many users, their beliefs being at hand."""
    some = plant_users(np.random.default_rng(seed))
    rows = np.random.default_rng(seed).integers(0, len(some.group), users)
    beliefs = replace(taken(some.beliefs, rows), users=tuple(f"{row:08}" for row in range(users)))
    clusterer = discover().create("clusterer", "kmeans")
    start = time.process_time()
    clustering = clusterer.fit(beliefs, population="planted", rng=np.random.default_rng(seed))
    fitted = time.process_time()
    clusterer.membership(clustering, beliefs)
    return {
        f"kmeans_fit_{users}_users_s": Figure(fitted - start, "s of CPU"),
        f"kmeans_membership_{users}_users_s": Figure(time.process_time() - fitted, "s of CPU"),
    }


def main() -> None:
    """Print how clusters do with few answers, or what very many users cost."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--populations", type=int, default=3, help="how many, by seeds from --seed")
    parser.add_argument("--users", type=int, help="time kmeans on so many users instead")
    options = parser.parse_args()
    if options.users:
        figures = tell_many_users(options.users, options.seed)
        finish(figures, seed=options.seed, as_json=options.json)
        return
    seeds = range(options.seed, options.seed + (1 if options.quick else options.populations))
    finish(tell_few_answers(seeds), seed=options.seed, as_json=options.json)


if __name__ == "__main__":
    main()
