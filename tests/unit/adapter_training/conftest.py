"""Two groups of users of a bigram model: one likes words of home, one words of the way."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from persona_attributes.reward_model import Attributes
from persona_engine.adapters.figures import Limits
from persona_engine.adapters.judging import Trial
from persona_engine.adapters.members import Division
from persona_engine.adapters.plan import AdapterPlan
from persona_engine.adapters.registry import AdapterRegistry
from persona_engine.adapters.training import train_adapters
from persona_engine.adapters.workshop import Order, Workshop
from persona_engine.features import FeatureCache
from persona_engine.interfaces import Clusterer
from persona_engine.learning import Learner
from persona_engine.store import NewComparison, Store
from persona_engine.testing import BigramGenerator
from persona_engine.types import Clustering, PreferenceData, Scope, TrainedAdapter
from persona_hierarchical.reward_model import Hierarchical

HOME, WAY = ("home", "warm", "gift", "friend"), ("way", "long", "short", "think")
PROMPTS = tuple(f"Say {word} {number}" for word in ("a", "the") for number in range(15))


class AdaptedBigram(BigramGenerator):
    """A bigram model whose adapters make some words likelier."""

    def __init__(self) -> None:
        super().__init__()
        self._adapted: dict[str, BigramGenerator] = {}

    def load_adapter(self, name: str, folder: Path) -> None:
        tastes = json.loads((folder / "adapter_config.json").read_text())["tastes"]
        adapted = BigramGenerator()
        bonus = np.array([tastes.get(word, 0.0) for word in adapted.words])
        raised = adapted.log_probs + bonus
        adapted.log_probs = raised - np.log(np.exp(raised).sum(1, keepdims=True))
        self._adapted[name] = adapted

    def unload_adapter(self, name: str) -> None:
        del self._adapted[name]

    def _as(self, adapter: str | None) -> BigramGenerator:
        return BigramGenerator() if adapter is None else self._adapted[adapter]

    def prefill_each(self, prompts, *, seed):
        return BigramGenerator.prefill_each(
            self._as(prompts[0].readings[0].adapter), prompts, seed=seed
        )

    def log_likelihood(self, conversations, responses, *, adapter=None):
        if adapter is None:
            return super().log_likelihood(conversations, responses)
        return self._as(adapter).log_likelihood(conversations, responses)


class Counting:
    """A trainer that makes words likelier which are chosen more often than rejected."""

    name = "counting"
    needs = frozenset({"pairs"})

    def __init__(self, *, strength: float = 3.0) -> None:
        self.strength = strength
        self.runs = 0
        self.tasks = []

    def train(self, task, *, progress=lambda *_: None):
        self.runs += 1
        self.tasks.append(task)
        counts: Counter[str] = Counter()
        for pair in task.pairs:
            for sign, text in ((1, pair.chosen), (-1, pair.rejected)):
                for word in text.split():
                    counts[word] += sign * pair.weight
        most = max(map(abs, counts.values()))
        tastes = {word: self.strength * count / most for word, count in sorted(counts.items())}
        progress("training", 1, 1)
        folder = task.folder / "adapter"
        folder.mkdir(parents=True, exist_ok=True)
        config = {"peft_type": "LORA", "tastes": tastes}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        save_file({"lora_A": np.zeros(1, np.float32)}, folder / "adapter_model.safetensors")
        return TrainedAdapter(folder, {"strength": self.strength}, {"loss": 0.5})


class Nearest(Clusterer):
    """Belonging is certain for who stands near one of two centres."""

    name = "nearest"

    def fit(self, beliefs, *, population, rng, progress=lambda *_: None):
        raise AssertionError("the tests say where the groups are")

    def membership(self, clustering, beliefs):
        centres = clustering.arrays["centres"]
        apart = np.square(beliefs.mean[:, None] - centres).sum(-1)  # (U, K)
        raised = np.exp(-2.0 * (apart - apart.min(1, keepdims=True)))
        return (raised / raised.sum(1, keepdims=True)).astype(np.float32)


def said(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return " ".join(["the", *rng.permutation(words)[:2], "is", "a", rng.choice(words)])


def fill(store: Store, *, users: int = 40, answers: int = 12) -> None:
    """Let half of the users prefer words of home, the others words of the way."""
    for number in range(users):
        rng = np.random.default_rng([number, 5])
        liked, other = (HOME, WAY) if number % 2 else (WAY, HOME)
        new = [
            NewComparison(PROMPTS[place], said(rng, liked), said(rng, other))
            for place in rng.permutation(len(PROMPTS))[:answers]
        ]
        store.user(Scope("acme", f"user-{number:02}")).record(new)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> tuple[Path, object, Clustering]:
    """A database with users, a population that was fitted on them, and their two clusters."""
    folder = tmp_path_factory.mktemp("filled")
    with Store(f"sqlite:///{folder}/persona.db") as store:
        fill(store)
        learner = learner_on(store, BigramGenerator())
        rows = list(store.tenant("acme").iter_comparisons())
        users = sorted({user for user, _ in rows})
        evidence = learner.evidence("acme", [event for _, event in rows])
        number = np.array([users.index(user) for user, _ in rows], np.int64)
        fingerprint = learner.features.encoder.fingerprint
        data = PreferenceData(evidence.chosen, evidence.rejected, number, fingerprint)
        population = learner.model.fit(data, rng=np.random.default_rng(0))
        learner.publish("acme", population, users=users)
        means = np.stack(
            [learner.model.infer(population, data.evidence(row)).mean for row in range(len(users))]
        )
        home = np.arange(len(users)) % 2 == 1
        centres = np.stack([means[home].mean(0), means[~home].mean(0)])
    clustering = Clustering("nearest", population.version, ("home", "way"), {"centres": centres})
    return folder / "persona.db", population, clustering


def learner_on(store: Store, generator: BigramGenerator) -> Learner:
    features = FeatureCache(generator.feature_encoder, store)
    return Learner(store, Hierarchical(), features, shipped=lambda: None)


class Bench:
    """A workshop, and what it is asked for."""

    def __init__(self, folder: Path, database: Path, clustering: Clustering) -> None:
        shutil.copy(database, folder / "persona.db")
        self.store = Store(f"sqlite:///{folder}/persona.db")
        generator = AdaptedBigram()
        self.learner = learner_on(self.store, generator)
        self.trainer = Counting()
        self.shop = Workshop(
            tenant="acme",
            learner=self.learner,
            sentences=FeatureCache(generator.feature_encoder, self.store),
            clusterer=Nearest(),
            clustering=clustering,
            generator=generator,
            precise=generator,
            weights=folder / "base",
            base="b" * 16,
            registry=AdapterRegistry(self.store.tenant("acme"), folder / "adapters"),
            folder=folder / "training",
            told=lambda *_: lambda prompt: [{"role": "system", "content": "Told."}, *prompt],
        )
        self.plan = AdapterPlan(
            division=Division(users=0.4, prompts=0.4),
            trial=Trial(samples=6, tokens=12),
            limits=Limits(neutral=1.2),  # a bigram model has nowhere else to take from
        )

    def train(self, *clusters: str, seed: int = 0, **changes):
        settings = {"strength": self.trainer.strength}
        order = Order(
            self.trainer, settings, self.plan.changed(changes), Attributes(unnamed=4), seed
        )
        return train_adapters(self.shop, order, clusters or self.shop.clustering.names)


@pytest.fixture
def bench(filled, tmp_path):
    made = Bench(tmp_path, filled[0], filled[2])
    yield made
    made.store.close()
