"""Turns a quantised GGUF file into a folder in Hugging Face layout, once.

GGUF keeps a Llama model under other tensor names, with the rows of the query and key projections
in another order, and its tokenizer as metadata. This module undoes all three; the numbers come
from the ``gguf`` package, the format's reference reader.

transformers can read GGUF too, but not for this job: it keeps the weights packed and refuses to
save them, needs ``accelerate``, and rebuilds the tokenizer without SmolLM's splitting of digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from persona_engine.errors import WeightsError
from persona_engine.interfaces import Progress, no_progress

if TYPE_CHECKING:
    from gguf import GGUFReader

Weights = npt.NDArray[np.float32]

_TOP_TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_BLOCK_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONTROL_TOKEN = 3
"""GGUF's token type of special tokens."""


def gguf_to_folder(source: Path, folder: Path, *, progress: Progress = no_progress) -> None:
    """Write ``model.safetensors`` (bf16), configuration and tokenizer of a Llama GGUF file.

    Args:
        source: The GGUF file; its architecture must be ``llama`` with a ``smollm`` tokenizer.
        folder: An existing folder that receives the files.
        progress: Called with the bytes read.

    Raises:
        WeightsError: When the file is not GGUF or holds another kind of model.
    """
    import gguf

    try:
        reader = gguf.GGUFReader(source)
    except (ValueError, IndexError, OSError) as error:
        raise WeightsError(f"{source} is not a readable GGUF file ({error})") from error
    fields = {name: field.contents() for name, field in reader.fields.items()}
    _require(fields, "general.architecture", "llama")
    _require(fields, "tokenizer.ggml.pre", "smollm")
    config = _config(fields, tied=all(each.name != "output.weight" for each in reader.tensors))
    _write_tensors(reader, config, folder / "model.safetensors", progress)
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", _special_ids(fields))
    _write_tokenizer(fields, folder)


def _require(fields: Mapping[str, Any], key: str, expected: str) -> None:
    if fields.get(key) != expected:
        raise WeightsError(f"GGUF field {key} is {fields.get(key)!r}, expected {expected!r}")


def _special_ids(fields: Mapping[str, Any]) -> dict[str, int]:
    return {
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }


def _config(fields: Mapping[str, Any], *, tied: bool) -> dict[str, Any]:
    heads = fields["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": fields["llama.embedding_length"] // heads,
        "hidden_act": "silu",
        "max_position_embeddings": fields["llama.context_length"],
        # Stored as float32: six digits give back the decimal that was meant.
        "rms_norm_eps": float(f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": float(fields["llama.rope.freq_base"]),
        },
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": tied,
        "use_cache": True,
        **_special_ids(fields),
    }


def _write_tensors(
    reader: GGUFReader, config: Mapping[str, Any], path: Path, progress: Progress
) -> None:
    import torch
    from gguf import dequantize
    from safetensors.torch import save_file

    total = sum(int(tensor.n_bytes) for tensor in reader.tensors)
    done = 0
    tensors: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        ordered = _row_order(tensor.name, values, config)
        tensors[_hugging_face_name(tensor.name)] = torch.tensor(ordered, dtype=torch.bfloat16)
        done += int(tensor.n_bytes)
        progress("dequantise", done, total)
    save_file(tensors, path, metadata={"format": "pt"})


def _hugging_face_name(name: str) -> str:
    """Return the Hugging Face name of a GGUF tensor.

    >>> _hugging_face_name("blk.3.attn_q.weight")
    'model.layers.3.self_attn.q_proj.weight'
    """
    stem, _, suffix = name.rpartition(".")
    if stem in _TOP_TENSORS:
        return f"{_TOP_TENSORS[stem]}.{suffix}"
    block, _, part = stem.removeprefix("blk.").partition(".")
    if part not in _BLOCK_TENSORS:
        raise WeightsError(f"GGUF tensor {name!r} has no place in a Llama model")
    return f"model.layers.{block}.{_BLOCK_TENSORS[part]}.{suffix}"


def _row_order(name: str, rows: Weights, config: Mapping[str, Any]) -> Weights:
    if ".attn_q." in name:
        return _half_split_rows(rows, config["num_attention_heads"])
    if ".attn_k." in name:
        return _half_split_rows(rows, config["num_key_value_heads"])
    return rows


def _half_split_rows(rows: Weights, heads: int) -> Weights:
    """Undo GGUF's interleaving of a head's rotary pairs: (0, h, 1, h+1, …) to (0, 1, …, h, …).

    >>> _half_split_rows(np.array([[0], [2], [1], [3]], dtype=np.float32), heads=1).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    pairs = rows.reshape(heads, -1, 2, *rows.shape[1:])  # (H, d/2, 2, D)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)


def _write_tokenizer(fields: Mapping[str, Any], folder: Path) -> None:
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    kinds = fields["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL_TOKEN]
    merges = [pair.split(" ") for pair in fields["tokenizer.ggml.merges"]]
    _write_json(folder / "tokenizer.json", _tokenizer(tokens, merges, special))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(fields, tokens, special))


def _tokenizer(tokens: list[str], merges: list[list[str]], special: list[str]) -> dict[str, Any]:
    """Return the content of ``tokenizer.json``: byte-level BPE after splitting single digits.

    Written here and not by the tokenizers library, so that the bytes, and with them
    `weights_hash`, do not depend on that library's version.
    """
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    vocabulary = {token: index for index, token in enumerate(tokens)}
    flags = ("single_word", "lstrip", "rstrip", "normalized")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": vocabulary[each],
                "content": each,
                **dict.fromkeys(flags, False),
                "special": True,
            }
            for each in special
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {**byte_level, "use_regex": True},
            ],
        },
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


def _tokenizer_config(
    fields: Mapping[str, Any], tokens: list[str], special: list[str]
) -> dict[str, Any]:
    named = {
        "bos_token": tokens[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
        "unk_token": tokens[fields["tokenizer.ggml.unknown_token_id"]],
        "pad_token": tokens[fields["tokenizer.ggml.padding_token_id"]],
    }
    return {
        # The plain class takes tokenizer.json as it is; GPT2Tokenizer would rebuild it.
        "tokenizer_class": "PreTrainedTokenizerFast",
        **named,
        "additional_special_tokens": [each for each in special if each not in named.values()],
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": fields["tokenizer.chat_template"],
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
