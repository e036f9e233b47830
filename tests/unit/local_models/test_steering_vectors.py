"""A steering vector is added to the residual stream after one layer, for the rows that name it."""

import json

import numpy as np
import pytest

from persona_engine.encoders.hidden_state import HiddenStateEncoder
from persona_engine.errors import InvalidInputError, WeightsError
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.generation.projections import changed_by
from persona_engine.generation.steering import write_steering
from persona_engine.types import Prompt, Reading, Sampling

ASK = [{"role": "user", "content": "How do I make a good cup of coffee?"}]
LAYER = 3


@pytest.fixture
def model(tiny_folder):
    return LocalModel(tiny_folder, dtype="float32")


@pytest.fixture
def vector(model):
    return np.random.default_rng(0).normal(size=model.hidden_size).astype(np.float32)


def written(model, folder, vector, layer=LAYER):
    folder.mkdir()
    write_steering(model, folder, layer=layer, vector=vector)
    return folder


def test_the_layers_output_moves_by_the_vector(model, vector, tmp_path):
    generator = LocalGenerator(model)
    generator.load_adapter("warm", written(model, tmp_path / "warm", vector))
    loaded = model.load()
    encoder = HiddenStateEncoder(model, layer_fraction=LAYER / 5, length_feature=False)
    assert encoder.layer == LAYER
    before = encoder.encode([ASK], ["Use fresh beans."])
    with changed_by(loaded.adapters.mix([loaded.adapters.find("warm")])):
        after = encoder.encode([ASK], ["Use fresh beans."])
    if "gemma2" in str(model.weights):  # it normalises a layer's output before it is added
        assert np.abs(after - before).max() > 0.1
    else:
        np.testing.assert_allclose(after - before, vector[None], atol=1e-4)


def test_only_the_rows_that_name_it_are_steered(model, vector, tmp_path):
    generator = LocalGenerator(model)
    for name, sign in (("warm", 1.0), ("cold", -1.0)):
        generator.load_adapter(name, written(model, tmp_path / name, sign * vector))
    names = ["warm", None, "cold"]
    mixed = generator.prefill_each([Prompt((Reading(ASK, adapter=n),)) for n in names], seed=0)
    mixed.append([9, 9, 9], Sampling(max_tokens=8))
    found = mixed.next_log_probs()
    for row, name in enumerate(names):
        alone = generator.prefill_each([Prompt((Reading(ASK, adapter=name),))], seed=0)
        alone.append([9], Sampling(max_tokens=8))
        np.testing.assert_allclose(found[row], alone.next_log_probs()[0], atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01
    assert np.abs(found[0] - found[2]).max() > 0.01


def test_a_vector_of_another_model_is_refused(model, vector, tmp_path):
    generator = LocalGenerator(model)
    folder = written(model, tmp_path / "warm", vector)
    from safetensors.numpy import load_file, save_file

    file = folder / "adapter_model.safetensors"
    save_file({key: each[:-1].copy() for key, each in load_file(file).items()}, file)
    with pytest.raises(WeightsError, match="has shape"):
        generator.load_adapter("warm", folder)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "PROMPT"}))
    with pytest.raises(WeightsError, match="PROMPT"):
        generator.load_adapter("warm", folder)


@pytest.mark.parametrize("layer", [0, 6])
def test_layers_that_are_not_there_are_refused(model, vector, tmp_path, layer):
    with pytest.raises(InvalidInputError, match=f"layer is {layer}"):
        write_steering(model, tmp_path, layer=layer, vector=vector)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [np.zeros(3, np.float32), np.full(32, np.nan, np.float32)])
def test_vectors_that_do_not_fit_are_refused(model, tmp_path, wrong):
    with pytest.raises(InvalidInputError, match="finite numbers"):
        write_steering(model, tmp_path, layer=1, vector=wrong)
    assert not list(tmp_path.iterdir())
