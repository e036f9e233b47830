"""From a user's posterior to the adapter of their cluster, through a whole engine on bigrams."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from persona_engine import PersonaEngine
from persona_engine.adapters.beliefs import read_beliefs
from persona_engine.adapters.manifest import CONFIG, WEIGHTS
from persona_engine.adapters.registry import Origin
from persona_engine.config import EngineConfig
from persona_engine.errors import ConfigError
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Clusterer
from persona_engine.testing import BigramGenerator
from persona_engine.types import Clustering, Population, Scope, TrainedAdapter
from tests import bigram_host

ASK = [{"role": "user", "content": "Where shall we go ?"}]


class Sides(Clusterer):
    """Two groups, by the side of a line that users' means are on."""

    name = "sides"

    def fit(self, beliefs, *, population, rng, progress=None):
        raise AssertionError("the test makes its own")

    def membership(self, clustering, beliefs):
        sure = clustering.arrays["sure"] * (beliefs.mean @ clustering.arrays["axis"])
        share = 1.0 / (1.0 + np.exp(-np.clip(sure, -50.0, 50.0)))
        return np.stack([share, 1.0 - share], axis=1)


class AdaptedBigrams(BigramGenerator):
    """Takes adapters, which change nothing, and notes what is read with which."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.held: dict[str, Path] = {}
        self.read: list[set[str | None]] = []

    def load_adapter(self, name, folder):
        self.held[name] = folder

    def unload_adapter(self, name):
        del self.held[name]

    def log_likelihood(self, conversations, responses, *, adapter=None):
        return super().log_likelihood(conversations, responses)

    def prefill_each(self, prompts, *, seed):
        named = {each.adapter for prompt in prompts for each in prompt.readings}
        assert named - {None} <= set(self.held)
        self.read.append({name and name.partition("@")[0] for name in named})
        return super().prefill_each(prompts, seed=seed)


class Grouping:
    """A plugin object of the host: its clusterer."""

    @hookimpl
    def persona_clusterers(self):
        return {"sides": Sides}


def opened(place: Path, generator=None, **settings) -> PersonaEngine:
    given = {"adapter_base": "b1", "population_refresh_seconds": 0.0, **settings}
    model = generator or AdaptedBigrams()
    return bigram_host.opened(place, model=model, plugins=[Grouping()], **given)


def clustering(engine: PersonaEngine, *, sure: float = 1e3) -> Clustering:
    learner = engine._runtime.learner
    beliefs = [learner.belief(Scope("default", name)).posterior for name in ("u1", "u0")]
    axis = beliefs[0].mean - beliefs[1].mean
    arrays = {"axis": axis / np.linalg.norm(axis), "sure": np.array(sure, np.float32)}
    return Clustering("sides", beliefs[0].population, ("homely", "roaming"), arrays)


def publish_clustering(engine: PersonaEngine, made: Clustering) -> None:
    rows = engine.store.tenant("default")
    rows.save_clustering(made, users=["u0", "u1"], sizes=[6, 6])
    rows.publish_clustering(made.version)


def registered(engine: PersonaEngine, folder: Path, cluster: str, value: float = 1.0) -> str:
    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 1}))
    save_file({"a.lora_A.weight": np.full((1, 3), value, np.float32)}, folder / WEIGHTS)
    origin = Origin(cluster, "b1", "dpo", users=["u1"])
    return engine.adapters().add(TrainedAdapter(folder, {}, {}), origin).version


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, sqlite_template):
    return bigram_host.fitted(tmp_path_factory.mktemp("adapted"), sqlite_template)


@pytest.fixture
def place(fitted, tmp_path):
    return Path(shutil.copytree(fitted, tmp_path / "place"))


@pytest.fixture
def engine(place):
    with opened(place) as engine:
        publish_clustering(engine, clustering(engine))
        yield engine


@pytest.fixture
def version(engine, tmp_path):
    found = registered(engine, tmp_path / "trained", "homely")
    engine.adapters().publish(found)
    return found


def generator_of(engine) -> AdaptedBigrams:
    return engine._runtime.generator


def test_a_sure_member_is_served_by_the_clusters_adapter(engine, version) -> None:
    reply = engine.user("u1").chat(ASK)
    assert reply.trace.adapter == version
    assert reply.trace.personalized
    assert f"adapter {version}: of cluster 'homely' with probability 1.00" in reply.trace.reason
    assert "route" in {step.name for step in reply.trace.steps}
    assert generator_of(engine).read == [{version}]
    explained = engine.user("u1").explain(reply.id)
    assert explained.trace.adapter == version
    assert f"Adapter: {version}." in explained.text


def test_everybody_else_is_served_by_the_base_model(engine, version) -> None:
    for user, why in (("u0", "'roaming' with probability 1.00, which has no"), ("new", "nothing")):
        trace = engine.user(user).chat(ASK).trace
        assert trace.adapter is None
        assert any(why in each for each in trace.skipped), trace.skipped
    off = engine.user("u1").chat(ASK, personal=False).trace
    assert (off.adapter, off.personalized) == (None, False)
    assert not any("adapter" in each for each in off.skipped)
    assert generator_of(engine).read == [{None}] * 3
    assert generator_of(engine).held == {}


def test_without_adapters_nothing_is_said_of_them(engine) -> None:
    trace = engine.user("u1").chat(ASK).trace
    assert not any("adapter" in each for each in trace.skipped)
    assert engine.user("u1").personalize(ASK).adapter is None


def test_streams_are_served_alike(engine, version) -> None:
    stream = engine.user("u1").stream(ASK)
    text = "".join(stream)
    assert stream.reply.trace.adapter == version
    assert text == engine.user("u1").chat(ASK).text


def test_personalize_names_the_adapter_for_hosts(engine, version, place) -> None:
    shown = engine.user("u1").personalize(ASK)
    assert shown.adapter == shown.trace.adapter == version
    assert shown.trace.personalized
    assert engine.user("u0").personalize(ASK).adapter is None
    with opened(place, generator=None) as other:
        assert other.user("u1").personalize(ASK).adapter == version


def test_publishing_and_rolling_back_are_seen_at_once(place, version, tmp_path) -> None:
    with opened(place, population_refresh_seconds=3600.0) as engine:
        alice, registry = engine.user("u1"), engine.adapters()
        assert alice.chat(ASK).trace.adapter == version
        second = registered(engine, tmp_path / "second", "homely", 2.0)
        assert alice.chat(ASK).trace.adapter == version
        registry.publish(second)
        assert alice.chat(ASK).trace.adapter == second
        assert registry.rollback("homely").version == version
        assert alice.chat(ASK).trace.adapter == version
        registry.delete(version, force=True)
        assert alice.chat(ASK).trace.adapter is None


def test_membership_below_the_threshold_is_not_enough(engine, version, place) -> None:
    publish_clustering(engine, clustering(engine, sure=0.01))
    trace = engine.user("u1").chat(ASK).trace
    assert trace.adapter is None
    assert any("below 0.8" in each for each in trace.skipped)
    with opened(place, adapter_confidence=0.5) as bold:
        assert bold.user("u1").chat(ASK).trace.adapter == version
    for bad in (0.0, 1.1, True):
        with pytest.raises(ConfigError, match="adapter_confidence"):
            EngineConfig(adapter_confidence=bad)


def test_a_clustering_on_another_population_is_not_used(engine, version) -> None:
    learner = engine._runtime.learner
    before = learner.population("default")
    after = Population(before.reward_model, before.fingerprint, before.arrays, {"anew": True})
    learner.publish("default", after, users=())
    trace = engine.user("u1").chat(ASK).trace
    assert trace.adapter is None
    words = f"stands on population {before.version}, the user's posterior on {after.version}"
    assert any(words in each for each in trace.skipped)


def test_adapters_of_another_base_are_not_used(engine, version, place) -> None:
    with opened(place, adapter_base="b2") as other:
        assert other.user("u1").chat(ASK).trace.adapter is None
    with opened(place, adapter_base=None) as other:  # that of the generator's files
        assert len(other._runtime.adapter_base) == 16
        assert other.user("u1").chat(ASK).trace.adapter is None


def test_what_cannot_be_trusted_is_not_used_and_told(engine, version) -> None:
    folder = engine.adapters().open(version, base="b1")
    (folder / WEIGHTS).write_bytes(b"other")
    trace = engine.user("u1").chat(ASK).trace
    assert trace.adapter is None
    assert any("sha256" in each for each in trace.skipped)
    assert generator_of(engine).held == {}


def test_a_clusterer_that_is_gone_is_told(place, engine, version) -> None:
    with opened(place, blocked_plugins=["sides"]) as other:
        trace = other.user("u1").chat(ASK).trace
    assert trace.adapter is None
    assert any("'sides'" in each for each in trace.skipped)


def test_generators_without_adapters_serve_without(engine, version, place) -> None:
    with opened(place, generator=BigramGenerator()) as other:
        trace = other.user("u1").chat(ASK).trace
    assert trace.adapter is None
    assert any("generator 'bigram' takes no adapters" in each for each in trace.skipped)


def test_the_doctor_verifies_what_is_published(engine, version) -> None:
    name = f"adapter {version} of cluster homely"

    def check():
        (found,) = (each for each in engine.doctor() if each.name == name)
        return found

    assert check().ok
    learned = [
        *(row.version for row in engine.store.tenant("default").populations()),
        *(row.version for row in engine.store.tenant("default").clusterings()),
    ]
    assert engine.user("u1").forget().refit == (*learned, version)
    assert not check().ok
    assert check().remedy == "persona adapters train --cluster homely"
    (engine.adapters().open(version, base="b1") / WEIGHTS).write_bytes(b"other")
    assert "sha256" in check().detail


def test_others_keep_their_adapter_when_somebody_is_forgotten(engine, version) -> None:
    receipt = engine.user("u3").forget()
    (old, new), *_ = receipt.corrected.items()
    assert old != new
    assert engine.user("u1").chat(ASK).trace.adapter == version
    assert engine.user("u1").clusters() != {}


@pytest.mark.parametrize("decoding", ["best_of_n", "blockwise", "token_search", "logit_arithmetic"])
def test_every_decoder_reads_with_the_adapter(engine, version, decoding) -> None:
    reply = engine.user("u1").chat(ASK, decoding=decoding)
    assert reply.trace.adapter == version
    assert generator_of(engine).read
    assert set.union(*generator_of(engine).read) == {version}
    assert "the best were read again without the adapter" in reply.trace.reason


def test_a_reply_without_candidates_has_the_adapter_too(engine, version) -> None:
    reply = engine.user("u1").chat(ASK, candidates=1)
    assert reply.trace.adapter == version
    assert generator_of(engine).read == [{version}]


def test_adapters_are_added_up_by_membership(engine, version, tmp_path) -> None:
    second = registered(engine, tmp_path / "second", "roaming", 2.0)
    engine.adapters().publish(second)
    publish_clustering(engine, clustering(engine, sure=0.1))
    way = ("logit_arithmetic", {"adapters": "posterior"})
    reply = engine.user("u1").chat(ASK, decoding=way, candidates=1)
    assert generator_of(engine).read == [{None, version, second}]
    assert reply.trace.adapter is None
    assert reply.trace.personalized
    assert f"adapters by membership: {version} 0." in reply.trace.reason
    assert engine.user("new").chat(ASK, decoding=way).trace.personalized is False
    assert generator_of(engine).read[-1] == {None}


@pytest.mark.parametrize("name", ["gaussian_mixture", "kmeans"])
def test_clusterers_that_ship_route_both_sides(place, tmp_path, name) -> None:
    """People who love going home and people who hate it, each served by their own adapter."""
    small = {"min_users": 3, "min_comparisons": 10}
    with opened(place, plugin_settings={name: small}) as engine:
        learner = engine._runtime.learner
        finder = engine._runtime.clusterer(name)
        beliefs = read_beliefs(learner, "default")
        version = learner.population("default").version
        made = finder.fit(beliefs, population=version, rng=np.random.default_rng(0))
        assert len(made.names) == 2
        publish_clustering(engine, made)
        for number, cluster in enumerate(made.names):
            found = registered(engine, tmp_path / cluster, cluster, float(number))
            engine.adapters().publish(found)
        served = {n: engine.user(f"u{n}").chat(ASK).trace for n in range(4)}
        adapters = [served[n].adapter for n in range(4)]
        assert None not in adapters, [each.skipped for each in served.values()]
        assert adapters[0] == adapters[2] != adapters[1] == adapters[3]
        assert engine.user("new").chat(ASK).trace.adapter is None
