"""LoRA adapters: the arithmetic is PEFT's, and rows of one batch may use different ones."""

import json
import shutil
import warnings

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from persona_best_of_n import BestOfN
from persona_engine.errors import NotFoundError, WeightsError
from persona_engine.generation.chat_format import ChatFormat
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.types import DecodingRequest, Prompt, Reading, Sampling
from persona_logit_arithmetic import LogitArithmetic

ASK = [{"role": "user", "content": "How do I make a good cup of coffee?"}]
PLAIN = Sampling(temperature=1.0, top_p=0.95, max_tokens=16)
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def trained(base, folder, *, targets, seed, **config):
    """A PEFT adapter with random matrices, saved; and PEFT's own model with it."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    lora = peft.LoraConfig(r=4, lora_alpha=12, target_modules=targets, **config)
    with warnings.catch_warnings():
        # PEFT asks transformers for what that will rename.
        warnings.simplefilter("ignore", FutureWarning)
        model = peft.get_peft_model(network, lora)
    generator = torch.Generator().manual_seed(seed)
    for name, each in model.named_parameters():
        if "lora_B" in name:
            each.data = 0.3 * torch.randn(each.shape, generator=generator)
    model.save_pretrained(folder)
    return model.eval()


@pytest.fixture(scope="module")
def adapters(tiny_llama, tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    models = {
        "warm": trained(tiny_llama, root / "warm", targets=ALL, seed=1),
        "dry": trained(tiny_llama, root / "dry", targets=["q_proj", "v_proj"], seed=2),
        "odd": trained(tiny_llama, root / "odd", targets=ALL, seed=3, use_rslora=True),
    }
    return root, models


@pytest.fixture
def generator(tiny_llama, adapters):
    made = LocalGenerator(LocalModel(tiny_llama, dtype="float32"))
    for name in adapters[1]:
        made.load_adapter(name, adapters[0] / name)
    return made


def using(name):
    return Prompt((Reading(ASK, adapter=name),))


@torch.inference_mode()
def by_peft(generator, model, tokens):
    prompt = ChatFormat(generator._model.load().tokenizer).prompt_ids(ASK, room=120)
    return model(torch.tensor([prompt + tokens])).logits[0, -1].log_softmax(-1).numpy()


@torch.inference_mode()
def test_likelihoods_are_those_of_peft(generator, adapters):
    chat = ChatFormat(generator._model.load().tokenizer)
    head = chat.prompt_ids(ASK, room=120)
    texts = ["Short.", "A reply should be long when the person wants detail."]
    found = generator.log_likelihood([ASK] * 2, texts, adapter="warm")
    for text, value in zip(texts, found, strict=True):
        reply = chat.reply_ids(text)
        log_probs = adapters[1]["warm"](torch.tensor([head + reply])).logits[0].log_softmax(-1)
        expected = sum(log_probs[len(head) - 1 + n, each] for n, each in enumerate(reply))
        assert value == pytest.approx(float(expected), abs=2e-3)
    assert np.abs(found - generator.log_likelihood([ASK] * 2, texts)).min() > 0.1
    with pytest.raises(NotFoundError, match="'wet' is not loaded"):
        generator.log_likelihood([ASK], ["Short."], adapter="wet")


def test_rows_of_one_batch_use_different_adapters_as_peft_does(generator, adapters):
    names = ["warm", None, "dry", "odd", "warm"]
    branches = generator.prefill_each([using(name) for name in names], seed=0)
    for _ in range(5):
        branches.append([9, 11, 13, 15, 17], PLAIN)
    found = branches.next_log_probs()
    for row, name in enumerate(names):
        if name is not None:
            expected = by_peft(generator, adapters[1][name], [9 + 2 * row] * 5)
            np.testing.assert_allclose(found[row], expected, atol=2e-3)
    plain = generator.prefill(ASK, branches=1, seed=0)
    for _ in range(5):
        plain.append([11], PLAIN)
    np.testing.assert_allclose(found[1], plain.next_log_probs()[0], atol=1e-4)
    branches.fork([2, 0])
    np.testing.assert_allclose(branches.next_log_probs(), found[[2, 0]], atol=1e-4)
    branches.step(PLAIN)


def test_a_contrast_with_adapters_is_the_sum_of_log_probabilities(generator, adapters):
    readings = (Reading(ASK, -0.5), Reading(ASK, 1.0, "warm"), Reading(ASK, 0.5, "dry"))
    branches = generator.prefill_each([Prompt(readings)], seed=0)
    branches.append([20], PLAIN)
    plain = generator.prefill(ASK, branches=1, seed=0)
    plain.append([20], PLAIN)
    warm, dry = (by_peft(generator, adapters[1][name], [20]) for name in ("warm", "dry"))
    expected = -0.5 * plain.next_log_probs()[0] + warm + 0.5 * dry
    expected -= np.logaddexp.reduce(expected)
    np.testing.assert_allclose(branches.next_log_probs()[0], expected, atol=5e-3)
    np.testing.assert_allclose(branches.features(), plain.features(), atol=1e-4)


def test_an_adapter_replaced_while_replies_grow_changes_none_of_them(generator, adapters):
    running, twin = (generator.prefill_each([using("warm")] * 2, seed=5) for _ in range(2))
    running.step(PLAIN)
    twin.step(PLAIN)
    while not all(twin.step(PLAIN).finished):
        pass
    generator.load_adapter("warm", adapters[0] / "dry")
    while not all((result := running.step(PLAIN)).finished):
        pass
    assert result == twin.step(PLAIN)
    now = generator.prefill_each([using("warm")], seed=5).next_log_probs()
    dry = generator.prefill_each([using("dry")], seed=5).next_log_probs()
    np.testing.assert_allclose(now, dry, atol=1e-5)


def test_an_adapter_that_is_not_loaded_is_named(generator):
    with pytest.raises(NotFoundError, match="'cold' is not loaded"):
        generator.prefill_each([using("cold")], seed=0)
    generator.unload_adapter("dry")
    with pytest.raises(NotFoundError, match="'dry'"):
        generator.prefill_each([using("dry")], seed=0)
    with pytest.raises(NotFoundError, match="'dry'"):
        generator.unload_adapter("dry")


def _rewritten(source, target, **changes):
    shutil.copytree(source, target)
    path = target / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return target


@pytest.mark.parametrize(
    "changes",
    [{"peft_type": "IA3"}, {"use_dora": True}, {"bias": "all"}, {"modules_to_save": ["lm_head"]}],
)
def test_other_kinds_of_adapters_are_refused(generator, adapters, tmp_path, changes):
    folder = _rewritten(adapters[0] / "dry", tmp_path / "other", **changes)
    with pytest.raises(WeightsError, match="expected a plain LoRA adapter"):
        generator.load_adapter("dry", folder)
    assert generator.prefill_each([using("dry")], seed=0)


def test_damaged_files_are_refused(generator, adapters, tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        generator.load_adapter("new", tmp_path / "nowhere")
    folder = _rewritten(adapters[0] / "dry", tmp_path / "damaged")
    (folder / "adapter_model.safetensors").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(WeightsError, match="safetensors"):
        generator.load_adapter("new", folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda key, each: (key.replace("q_proj", "query"), each), "no linear layer"),
        (lambda key, each: (key, each[..., :-1].contiguous()), "has shapes"),
    ],
)
def test_adapters_of_other_networks_are_refused(generator, adapters, tmp_path, change, message):
    folder = _rewritten(adapters[0] / "dry", tmp_path / "foreign")
    file = folder / "adapter_model.safetensors"
    save_file(dict(change(key, each) for key, each in load_file(file).items()), file)
    with pytest.raises(WeightsError, match=message):
        generator.load_adapter("new", folder)


def test_a_decoder_may_steer_by_an_adapter(generator, adapters):
    greedy = Sampling(temperature=0.0, max_tokens=6)
    request = DecodingRequest(ASK, greedy, candidates=1, seed=0)
    decoder = LogitArithmetic(adapters={"warm": 1.0}, strengths=[1.0], plausible=0.0)
    found = decoder.generate(request, generator, None)
    alone = generator.prefill_each([using("warm")], seed=0)
    while not all((result := alone.step(greedy)).finished):
        pass
    assert found.candidates[0].text == result.texts[0]
    assert found.decided
    assert found.reason == "steered by adapter 'warm' (λ = 1)"
    plain = BestOfN().generate(request, generator, None)
    assert plain.candidates[0].text != found.candidates[0].text
