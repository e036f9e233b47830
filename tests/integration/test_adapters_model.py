"""An adapter that PEFT made, on the real language model: published, used, rolled back, deleted."""

from __future__ import annotations

import json
import time
import warnings

import numpy as np
import peft
import pytest
import torch

from persona_engine import PersonaEngine
from persona_engine.adapters.registry import Origin
from persona_engine.config import EngineConfig
from persona_engine.errors import ArtefactError, NotFoundError
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Clusterer
from persona_engine.types import Clustering, Scope, TrainedAdapter

pytestmark = pytest.mark.model

ASK = [{"role": "user", "content": "How do I get rid of moss in a lawn?"}]


class Sides(Clusterer):
    """Two groups, by the side of a plane that users' means are on."""

    name = "sides"

    def fit(self, beliefs, *, population, rng, progress=None):
        raise AssertionError("the test makes its own")

    def membership(self, clustering, beliefs):
        side = (beliefs.mean - clustering.arrays["middle"]) @ clustering.arrays["axis"]
        share = np.where(side > 0.0, 0.99, 0.01)
        return np.stack([share, 1.0 - share], axis=1)


class Host:
    @hookimpl
    def persona_clusterers(self):
        return {"sides": Sides}


@pytest.fixture(scope="module")
def engine(tmp_path_factory, smollm2):
    folder = tmp_path_factory.mktemp("adapters")
    config = EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=str(smollm2),
        data_folder=folder / "data",
    )
    with PersonaEngine(config=config, plugins=[Host()]) as opened:
        opened.user("ann").steer(concise=+3)
        opened.user("bob").steer(concise=-3)
        publish_clustering(opened)
        yield opened


def publish_clustering(engine: PersonaEngine) -> None:
    learner = engine._runtime.learner
    ann, bob = (learner.belief(Scope("default", name)).posterior for name in ("ann", "bob"))
    arrays = {"axis": ann.mean - bob.mean, "middle": (ann.mean + bob.mean) / 2}
    made = Clustering("sides", ann.population, ("concise", "detailed"), arrays)
    rows = engine.store.tenant("default")
    rows.save_clustering(made, users=["ann", "bob"], sizes=[1, 1])
    rows.publish_clustering(made.version)


@pytest.fixture(scope="module")
def made(smollm2, tmp_path_factory):
    """Two random adapters of 1.8 MB, by PEFT."""
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("trained")
    lora = peft.LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
    network = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    with warnings.catch_warnings():
        # PEFT asks transformers for what that will rename.
        warnings.simplefilter("ignore", FutureWarning)
        model = peft.get_peft_model(network, lora)
    for seed in (1, 2):
        draw = torch.Generator().manual_seed(seed)
        for name, each in model.named_parameters():
            if "lora_B" in name:
                each.data = 0.05 * torch.randn(each.shape, generator=draw)
        model.save_pretrained(root / str(seed))
    return root


def add(engine, made, seed: int) -> str:
    origin = Origin("concise", engine._runtime.adapters.base, "random", users=["ann"])
    return engine.adapters().add(TrainedAdapter(made / str(seed), {}, {}), origin).version


def chat(engine, user: str, **settings):
    return engine.user(user).chat(ASK, max_tokens=12, candidates=2, **settings)


def test_publish_chat_roll_back_delete(engine, made, tmp_path):
    registry = engine.adapters()
    first, second = (add(engine, made, seed) for seed in (1, 2))
    base = chat(engine, "ann")
    assert base.trace.adapter is None

    registry.publish(first)
    reply = chat(engine, "ann")
    assert reply.trace.adapter == first
    assert reply.text != base.text
    assert chat(engine, "ann").text == reply.text
    assert f"Adapter: {first}." in engine.user("ann").explain(reply.id).text
    assert chat(engine, "bob").trace.adapter is None
    assert chat(engine, "ann", personal=False).trace.adapter is None
    assert engine.user("ann").personalize(ASK).adapter == first

    registry.publish(second)
    newer = chat(engine, "ann")
    assert newer.trace.adapter == second
    assert registry.rollback("concise").version == first
    again = chat(engine, "ann")
    assert (again.trace.adapter, again.text) == (first, reply.text)

    served = registry.export(first, tmp_path, base_model="HuggingFaceTB/SmolLM2-135M-Instruct")
    config = json.loads((served / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert peft.PeftConfig.from_pretrained(served).r == 8

    registry.delete(first, force=True)
    gone = chat(engine, "ann")
    assert (gone.trace.adapter, gone.text) == (None, base.text)
    with pytest.raises(NotFoundError):
        registry.publish(first)


def test_adapters_are_weighed_by_membership(engine, made):
    version = add(engine, made, 1)
    engine.adapters().publish(version)
    reply = chat(engine, "ann", decoding=("logit_arithmetic", {"adapters": "posterior"}))
    assert f"adapters by membership: {version} 0.99" in reply.trace.reason


def test_an_adapter_is_loaded_and_verified_within_a_step_of_decoding(engine, made):
    """2 MB under 50 ms, the issue's limit."""
    version, registry = add(engine, made, 2), engine.adapters()
    generator, base = engine._runtime.generator, engine._runtime.adapters.base
    chat(engine, "ann")  # the network is in memory
    took = []
    for n in range(5):
        start = time.perf_counter()
        generator.load_adapter(f"timed-{n}", registry.open(version, base=base))
        took.append(time.perf_counter() - start)
        generator.unload_adapter(f"timed-{n}")
    assert min(took) < 0.05


def test_an_adapter_of_another_network_is_refused(engine, made):
    origin = Origin("concise", "0" * 16, "random")
    other = engine.adapters().add(TrainedAdapter(made / "1", {}, {}), origin).version
    with pytest.raises(ArtefactError, match="was trained on base '0000000000000000'"):
        engine.adapters().open(other, base=engine._runtime.adapters.base)
