"""Adapters of a registry on a real network: verified, mixed in a batch, and steady while served."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from persona_best_of_n import BestOfN
from persona_engine.adapters.manifest import CONFIG, WEIGHTS
from persona_engine.adapters.registry import AdapterRegistry, Origin
from persona_engine.adapters.routing import Route
from persona_engine.adapters.serving import AdapterServer
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.interfaces import TakesAdapters
from persona_engine.store import Store
from persona_engine.testing.decoders import LinearReward
from persona_engine.types import DecodingRequest, Prompt, Reading, Sampling, TrainedAdapter
from persona_logit_arithmetic import LogitArithmetic

ASK = [{"role": "user", "content": "How do I make a good cup of coffee?"}]
PLAIN = Sampling(temperature=1.0, top_p=0.95, max_tokens=12)


def written(folder: Path, generator: LocalGenerator, seed: int) -> Path:
    """A random adapter of rank 4 on queries and values, in PEFT's layout."""
    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for path, layer in generator._model.load().network.named_modules():
        if path.endswith(("q_proj", "v_proj")):
            for part, shape in (("A", (4, layer.in_features)), ("B", (layer.out_features, 4))):
                values = 0.5 * torch.randn(shape, generator=draw)
                tensors[f"base_model.model.{path}.lora_{part}.weight"] = values
    folder.mkdir()
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    return folder


@pytest.fixture(scope="module")
def generator(tiny_llama):
    return LocalGenerator(LocalModel(tiny_llama, dtype="float32"))


@pytest.fixture
def registry(tmp_path, sqlite_template):
    with Store(f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}") as store:
        yield AdapterRegistry(store.tenant("acme"), tmp_path / "registry")


@pytest.fixture
def versions(registry, generator, tmp_path):
    found = []
    for seed in (1, 2, 3):
        folder = written(tmp_path / str(seed), generator, seed)
        origin = Origin(f"group-{seed}", generator._model.hash, "dpo")
        found.append(registry.add(TrainedAdapter(folder, {}, {}), origin).version)
    return found


@pytest.fixture
def server(registry, generator):
    base = generator._model.hash
    return AdapterServer(lambda _, version: registry.open(version, base=base), limit=0)


def route(*versions: str) -> Route:
    weights = {version: 0.8 / 2**n for n, version in enumerate(versions)}
    return Route(versions[0], "c", 0.9, "sure", weights)


def using(version: str | None) -> Prompt:
    return Prompt((Reading(ASK, adapter=version),))


def grown(branches):
    while not all((result := branches.step(PLAIN)).finished):
        pass
    return result.texts


def test_one_batch_serves_users_of_different_clusters(server, generator, versions) -> None:
    assert isinstance(generator, TakesAdapters)
    rows = [versions[0], None, versions[1], versions[2], versions[0]]
    with server.serving(route(*versions), "acme", generator, weighed=True) as served:
        names = [version and served.names[version] for version in rows]
        together = grown(generator.prefill_each([using(each) for each in names], seed=4))
        for place, name in enumerate(names):
            alone = grown(generator.prefill_each([using(name)] * len(rows), seed=4))
            assert together[place] == alone[place]
    assert len(set(together)) == len(rows)
    assert server.loaded == ()


def test_what_is_evicted_or_loaded_again_changes_no_reply_half_way(
    server, generator, versions
) -> None:
    with server.serving(route(versions[0]), "acme", generator) as served:
        prompts = [using(served.names[versions[0]]), using(None)]
        running, twin = (generator.prefill_each(prompts, seed=5) for _ in range(2))
        expected = grown(twin)
        for _ in range(3):
            running.step(PLAIN)
    assert server.loaded == ()  # evicted: its reply was given up as far as the server knows
    for _ in range(2):
        running.step(PLAIN)
    with server.serving(route(versions[0]), "acme", generator):  # loaded again
        running.step(PLAIN)
        with server.serving(route(versions[1]), "acme", generator):
            assert grown(running) == expected


def test_loading_beside_running_replies_changes_none(server, generator, versions) -> None:
    decoder, request = BestOfN(), DecodingRequest(ASK, PLAIN, candidates=1, seed=7)

    def reply(version: str) -> str:
        with server.serving(route(version), "acme", generator) as served:
            asked = served.asked(request)
            return decoder.generate(asked, generator, None).candidates[0].text

    expected = {version: reply(version) for version in versions}
    assert len(set(expected.values())) == len(versions)
    faults: list[object] = []

    def work(version: str) -> None:
        try:
            for _ in range(4):
                found = reply(version)
                if found != expected[version]:
                    faults.append((version, found))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in (*versions, versions[0])]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not faults


def test_candidates_are_judged_without_the_adapter(server, generator, versions) -> None:
    width = generator.feature_encoder.width
    reward = LinearReward(np.linspace(-1.0, 1.0, width).astype(np.float32), spread=0.1)
    request = DecodingRequest(ASK, PLAIN, candidates=4, seed=1)
    with server.serving(route(versions[0]), "acme", generator) as served:
        found = BestOfN().generate(served.asked(request), generator, reward)
    texts = [each.text for each in found.candidates]
    plain = generator.feature_encoder.encode([ASK] * len(texts), texts)
    np.testing.assert_allclose(found.features, plain, atol=1e-4)
    assert "the best were read again without the adapter" in found.reason


def test_membership_weighs_adapters_as_named_weights_do(server, generator, versions) -> None:
    request = DecodingRequest(ASK, PLAIN, candidates=1, seed=2)
    posterior = LogitArithmetic(adapters="posterior")
    assert (LogitArithmetic().weighs_adapters, posterior.weighs_adapters) == (False, True)
    with server.serving(route(*versions), "acme", generator, weighed=True) as served:
        asked = served.asked(request)
        assert asked.adapter is None
        assert sorted(asked.adapter_weights.values()) == [0.2, 0.4, 0.8]
        named = LogitArithmetic(adapters=asked.adapter_weights)
        one, other = (each.generate(asked, generator, None) for each in (named, posterior))
    assert one.candidates[0].text == other.candidates[0].text
    assert one.candidates[0].text != BestOfN().generate(request, generator, None).candidates[0].text
