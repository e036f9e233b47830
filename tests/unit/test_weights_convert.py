"""GGUF to Hugging Face layout, on a small model written here in llama.cpp's order."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gguf import GGUFWriter, TokenType

from persona_engine.errors import WeightsError
from persona_engine.weights.convert import gguf_to_folder

HEADS, KEY_HEADS, WIDTH, INNER, LAYERS = 4, 2, 32, 48, 2
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"abc123", "Ġ", "ab", "Ġa", "12"]
MERGES = ["a b", "Ġ a", "1 2"]
PARTS = {
    "attn_norm": ("input_layernorm", (WIDTH,)),
    "attn_q": ("self_attn.q_proj", (WIDTH, WIDTH)),
    "attn_k": ("self_attn.k_proj", (WIDTH // 2, WIDTH)),
    "attn_v": ("self_attn.v_proj", (WIDTH // 2, WIDTH)),
    "attn_output": ("self_attn.o_proj", (WIDTH, WIDTH)),
    "ffn_norm": ("post_attention_layernorm", (WIDTH,)),
    "ffn_gate": ("mlp.gate_proj", (INNER, WIDTH)),
    "ffn_up": ("mlp.up_proj", (INNER, WIDTH)),
    "ffn_down": ("mlp.down_proj", (WIDTH, INNER)),
}


def _interleaved(weights, heads):
    """Rows as llama.cpp stores them: each head's halves, pair by pair."""
    size = len(weights) // heads
    order = [
        head * size + half * size // 2 + pair
        for head in range(heads)
        for pair in range(size // 2)
        for half in range(2)
    ]
    return weights[order]


def _weights():
    """The model under its Hugging Face names, exact in bf16, and under GGUF's."""
    rng = np.random.default_rng(0)

    def values(shape):
        return rng.integers(-8, 8, size=shape).astype(np.float32) / 8

    ours = {"model.embed_tokens.weight": values((len(TOKENS), WIDTH))}
    ours["model.norm.weight"] = values(WIDTH)
    theirs = {
        "token_embd.weight": ours["model.embed_tokens.weight"],
        "output_norm.weight": ours["model.norm.weight"],
    }
    for layer in range(LAYERS):
        for part, (name, shape) in PARTS.items():
            weight = values(shape)
            ours[f"model.layers.{layer}.{name}.weight"] = weight
            heads = {"attn_q": HEADS, "attn_k": KEY_HEADS}.get(part)
            stored = weight if heads is None else _interleaved(weight, heads)
            theirs[f"blk.{layer}.{part}.weight"] = stored
    return ours, theirs


def _write_gguf(path, tensors, *, architecture="llama", pre="smollm"):
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(TOKENS) - 3))
    writer.add_token_merges(MERGES)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{{ messages[0]['content'] }}")
    for name, value in tensors.items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def folder(tmp_path):
    built = tmp_path / "built"
    built.mkdir()
    return built


def test_every_weight_comes_back_under_its_name_and_order(tmp_path, folder):
    import torch
    from transformers import AutoModelForCausalLM

    ours, theirs = _weights()
    reports = []
    gguf_to_folder(
        _write_gguf(tmp_path / "m.gguf", theirs),
        folder,
        progress=lambda *each: reports.append(each),
    )
    model = AutoModelForCausalLM.from_pretrained(folder)
    state = model.state_dict()
    assert set(state) == {*ours, "lm_head.weight"}
    for name, value in ours.items():
        assert torch.equal(state[name], torch.tensor(value, dtype=torch.bfloat16)), name
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.rope_parameters["rope_theta"] == 100000.0
    assert model.config.rms_norm_eps == 1e-5
    assert model.generation_config.eos_token_id == 2
    assert reports[-1][1] == reports[-1][2] == sum(each.nbytes for each in theirs.values())


def test_the_tokenizer_keeps_special_tokens_and_splits_digits(tmp_path, folder):
    from transformers import AutoTokenizer

    gguf_to_folder(_write_gguf(tmp_path / "m.gguf", _weights()[1]), folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("ab a12<|im_end|>").input_ids)
    assert pieces == ["ab", "Ġa", "1", "2", "<|im_end|>"]
    assert tokenizer.decode(tokenizer("ab a12").input_ids) == "ab a12"
    named = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token)
    assert named == ("<|im_start|>", "<|im_end|>", "<|im_end|>", "<|endoftext|>")
    assert tokenizer.model_max_length == 64
    hello = [{"role": "user", "content": "hello"}]
    assert tokenizer.apply_chat_template(hello, tokenize=False) == "hello"


def test_an_untied_output_layer_is_kept(tmp_path, folder):
    theirs = _weights()[1]
    theirs["output.weight"] = theirs["token_embd.weight"] + 1
    gguf_to_folder(_write_gguf(tmp_path / "m.gguf", theirs), folder)
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is False


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"architecture": "mamba"}, "general.architecture is 'mamba', expected 'llama'"),
        ({"pre": "qwen2"}, "tokenizer.ggml.pre is 'qwen2', expected 'smollm'"),
    ],
)
def test_another_kind_of_model_is_refused_before_anything_is_written(
    tmp_path, folder, field, message
):
    with pytest.raises(WeightsError) as caught:
        gguf_to_folder(_write_gguf(tmp_path / "m.gguf", _weights()[1], **field), folder)
    assert message in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_tensor_without_a_place_is_refused(tmp_path, folder):
    theirs = {**_weights()[1], "blk.0.ffn_gate_inp.weight": np.ones(WIDTH, dtype=np.float32)}
    with pytest.raises(WeightsError, match=r"'blk\.0\.ffn_gate_inp\.weight' has no place"):
        gguf_to_folder(_write_gguf(tmp_path / "m.gguf", theirs), folder)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all" * 9])
def test_a_file_that_is_not_gguf_is_refused(tmp_path, folder, content):
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(WeightsError, match="is not a readable GGUF file"):
        gguf_to_folder(tmp_path / "m.gguf", folder)
