"""Several people's chats at once on the real language model, in one batch, with two adapters."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import save_file

from persona_engine import PersonaEngine
from persona_engine.adapters.registry import Origin
from persona_engine.config import EngineConfig
from persona_engine.types import TrainedAdapter

pytestmark = pytest.mark.model

PEOPLE = ("ann", "bob", "cid", "dot", "eve")
CANDIDATES = (1, 2, 1, 1, 3)
TOKENS = 10


def random_adapter(smollm2, folder, *, seed: int) -> TrainedAdapter:
    """LoRA on queries and values, large enough to change what is said."""
    folder.mkdir()
    draw, tensors = np.random.default_rng(seed), {}
    weights = shapes_of(smollm2 / "model.safetensors")
    for name, (out, width) in weights.items():
        path = name.removesuffix(".weight")
        for part, shape in (("A", (4, width)), ("B", (out, 4))):
            matrix = 0.05 * draw.standard_normal(shape)
            tensors[f"base_model.model.{path}.lora_{part}.weight"] = matrix.astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    return TrainedAdapter(folder, {}, {})


def shapes_of(path):
    """Shapes of the query and value projections, without reading them."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        every = file.keys()
        names = [each for each in every if "q_proj" in each or "v_proj" in each]
        return {name: file.get_slice(name).get_shape() for name in names}


@pytest.fixture(scope="module")
def opened(tmp_path_factory, smollm2):
    """An engine whose requests read alone, one whose requests share batches, and adapters."""
    folder = tmp_path_factory.mktemp("shared-batches")
    told = {
        "database": f"sqlite:///{folder}/persona.db",
        "generator": str(smollm2),
        "data_folder": folder / "data",
    }
    with (
        PersonaEngine(config=EngineConfig(**told)) as alone,
        PersonaEngine(config=EngineConfig(**told, batch_rows=32)) as shared,
    ):
        registry, versions = alone.adapters(), []
        for seed in (1, 2):
            origin = Origin(f"cluster-{seed}", alone._runtime.adapters.base, "random")
            adapter = random_adapter(smollm2, folder / str(seed), seed=seed)
            versions.append(registry.add(adapter, origin).version)
        yield alone, shared, [None, *versions]


def chat(engine: PersonaEngine, number: int, adapters) -> str:
    name = PEOPLE[number]
    ask = [{"role": "user", "content": f"My name is {name}. What shall I cook tonight?"}]
    return (
        engine.user(name)
        .stream(
            ask,
            seed=number,
            max_tokens=TOKENS,
            candidates=CANDIDATES[number],
            adapter=adapters[number % 3],
        )
        .reply.text
    )


def test_people_who_chat_at_once_get_the_replies_that_each_would_get_alone(opened):
    alone, shared, adapters = opened
    expected = [chat(alone, number, adapters) for number in range(len(PEOPLE))]
    assert len(set(expected)) == len(PEOPLE)
    shared.warm_up()
    sizes = []
    embed = shared._runtime.generator._model.load().network.get_input_embeddings()
    hook = embed.register_forward_hook(lambda _m, args, _o: sizes.append(tuple(args[0].shape)))

    def leave_early() -> str:
        stream = shared.user("fay").stream([{"role": "user", "content": "Tell me a story."}])
        for piece in stream:
            return piece  # and closes it
        return ""

    with ThreadPoolExecutor(len(PEOPLE) + 1) as threads:
        gone = threads.submit(leave_early)
        found = list(threads.map(lambda n: chat(shared, n, adapters), range(len(PEOPLE))))
        assert gone.result(600)
    hook.remove()
    assert found == expected
    assert max(rows for rows, new in sizes if new == 1) > max(CANDIDATES)
