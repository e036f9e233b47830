import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from persona_engine.errors import ConfigError, WeightsError
from persona_engine.generation.model import LocalModel, shared_model

LIGHT = """
import sys
from pathlib import Path
from persona_engine.encoders import persona_encoders
from persona_engine.generation import persona_generators
folder = Path(sys.argv[1])
encoder = persona_encoders()["hidden-state"](weights=folder)
generator = persona_generators()["local"](weights=folder)
assert generator.feature_encoder.fingerprint == encoder.fingerprint
assert encoder.width == generator.feature_encoder.width == 33
heavy = {"torch", "transformers", "tokenizers", "faiss", "sqlalchemy"} & set(sys.modules)
assert not heavy, heavy
"""


def test_fingerprint_and_width_load_no_torch(tiny_llama):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(tiny_llama)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_sizes_come_from_the_config(tiny_folder):
    model = LocalModel(tiny_folder)
    assert (model.hidden_size, model.layer_count, model.context) == (32, 5, 160)
    assert [model.layer_at(f) for f in (0.01, 0.5, 0.8, 1.0)] == [1, 2, 4, 5]


def test_many_threads_load_one_network(tiny_llama):
    model = LocalModel(tiny_llama, dtype="float32")
    with ThreadPoolExecutor(8) as pool:
        networks = {id(each) for each in pool.map(lambda _: model.load(), range(16))}
    assert len(networks) == 1


def test_equal_settings_share_a_model_while_it_is_used(tiny_llama):
    one = shared_model(tiny_llama, device="cpu", dtype="float32", kind="causal")
    assert shared_model(tiny_llama, device="cpu", dtype="float32", kind="causal") is one
    assert shared_model(tiny_llama, device="cpu", dtype="bfloat16", kind="causal") is not one


def test_a_missing_folder_says_how_to_get_one(tmp_path):
    with pytest.raises(WeightsError, match=r"persona weights pull"):
        LocalModel(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["{", "\xff"])
def test_a_damaged_config_is_named(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(WeightsError, match=r"config\.json"):
        LocalModel(tmp_path)


def test_a_config_without_sizes_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="hidden_size"):
        _ = LocalModel(tmp_path).hidden_size


def test_the_language_model_of_a_multimodal_config_counts(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"hidden_size": 12}}))
    assert LocalModel(tmp_path).hidden_size == 12


def test_damaged_weights_are_an_error_and_not_a_crash(tiny_llama, tmp_path):
    folder = shutil.copytree(tiny_llama, tmp_path / "copy")
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        LocalModel(folder).load()


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.5, float("nan")])
def test_a_layer_outside_the_network_is_refused(tiny_llama, fraction):
    with pytest.raises(ConfigError, match="layer_fraction"):
        LocalModel(tiny_llama).layer_at(fraction)


def test_settings_that_cannot_be_used_are_refused(tiny_llama):
    with pytest.raises(ConfigError, match="dtype"):
        LocalModel(tiny_llama, dtype="int3")
    with pytest.raises(ConfigError, match="device"):
        LocalModel(tiny_llama, device="quantum:0").load()
