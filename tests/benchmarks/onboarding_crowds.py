"""People of published data as the parts of bench_onboarding.py see them: some unseen, some not."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import say
from safetensors import safe_open
from safetensors.numpy import save_file

from persona_engine.config import EngineConfig
from persona_engine.evaluation import Features, features_by_name, read_votes
from persona_engine.evaluation.dataset import Comparisons
from persona_engine.evaluation.splits import Case, few_shot_split
from persona_engine.interfaces import RewardModel
from persona_engine.plugins import discover
from persona_engine.types import Evidence, Population, Posterior, PreferenceData
from persona_hierarchical.reward_model import Hierarchical

CACHE = "PERSONA_BENCH_FEATURES"
FEWEST = 26
_QUICK_USERS = 150

SETS = {
    "vtaiwan": ("polis_vtaiwan.votes", "polis_vtaiwan.items", "sentence+item"),
    "ssis": ("polis_ssis.votes", "polis_ssis.items", "sentence+item"),
    "ukp": ("ukp_convincingness.judgments", "ukp_convincingness.texts", "hidden-state"),
}


@dataclass(frozen=True)
class Crowd:
    """One set, divided by people: a population is fitted on some, the others are unseen.

    Args:
        name: Of the set.
        rows: Everybody's comparisons, each person's in order.
        features: Of the texts.
        fit: Rows of the people who are fitted on.
        cases: Unseen people: up to so many first comparisons, and later ones to predict.
    """

    name: str
    rows: Comparisons
    features: Features
    fit: NDArray[np.int64]
    cases: tuple[Case, ...]

    def data(self) -> PreferenceData:
        """Return what the population is fitted on."""
        return self.features.preferences(self.rows.take(self.fit))

    def evidence(self, rows: NDArray[np.int64]) -> Evidence:
        """Return comparisons of one person."""
        return self.features.evidence(self.rows.take(rows))


def crowd(
    folder: Path, name: str, *, seed: int, support: int, quick: bool, fewest: int = FEWEST
) -> Crowd | None:
    """Return a set divided with a seed, or None where it is not there, saying so."""
    votes, items, encoder = SETS[name]
    path = folder / f"{votes}.jsonl.gz"
    if not path.exists():
        say(f"{name}: passed over, {path} is not there")
        return None
    dataset = read_votes(path, folder / f"{items}.jsonl.gz")
    config = EngineConfig()
    features = features_by_name(
        encoder, dataset, plugins=discover(), config=config, folder=_cache()
    )
    drawing, dividing = (np.random.default_rng([seed, each]) for each in (0, 1))
    rows = dataset.draw(drawing, support=support, disjoint_items=False)
    rows = rows.take(~rows.tied)
    if quick:
        rows = rows.take(rows.user < _QUICK_USERS)
    split = few_shot_split(
        rows,
        dataset.items,
        users=_QUICK_USERS if quick else len(dataset.users),
        shots=(support,),
        rng=dividing,
        fewest=fewest,
    )
    return Crowd(name, rows, features, split.fit, split.trials[-1].cases)


def right(
    model: RewardModel, population: Population, posterior: Posterior, asked: Evidence
) -> float:
    """Return the share of comparisons that are predicted; of exact ties a half."""
    mean = model.logit(population, posterior, asked.chosen, asked.rejected).mean
    return float(np.mean(0.5 * (np.sign(mean) + 1.0)))


def population_of(people: Crowd, seed: int, *, quick: bool) -> Population:
    """Return the default model's population; a fit that was made before is read from the cache.

    It is a matter of minutes, and two parts need the same.
    """
    data = people.data()
    digest = hashlib.sha256()
    for each in (data.chosen, data.rejected, data.user):
        digest.update(np.ascontiguousarray(each).tobytes())
    name = f"{people.name}-{seed}-{digest.hexdigest()[:16]}.safetensors"
    path = _cache() / name
    if path.exists() and not quick:
        with safe_open(path, "numpy") as file:
            arrays = {each: file.get_tensor(each) for each in file.keys()}  # noqa: SIM118
            meta = json.loads(file.metadata()["meta"])
        return Population("hierarchical", data.fingerprint, arrays, meta)
    population = Hierarchical().fit(data, rng=np.random.default_rng(seed))
    arrays = {name: np.ascontiguousarray(each) for name, each in population.arrays.items()}
    save_file(arrays, path, metadata={"meta": json.dumps(dict(population.meta))})
    return population


def _cache() -> Path:
    folder = Path(os.environ.get(CACHE, Path(tempfile.gettempdir()) / "persona_bench_features"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
