"""Tiny random models of several architectures, with a real byte-level tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CORPUS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps in the warm afternoon sun.",
    "How do I make a good cup of coffee? Start with fresh beans and water that is not too hot.",
    "A reply should be short when the question is short, and long when the person wants detail.",
    "system user assistant tool <tag> {brace} 0123456789 naïve café 日本語 😀",
]
LAYERS = 5


def _tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        chat_template=CHATML,
    )


def _config(architecture: str, vocabulary: int):
    from transformers import Gemma2Config, GPTNeoXConfig, LlamaConfig, Qwen2Config

    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "max_position_embeddings": 160,
        "initializer_range": 0.4,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": False,
    }
    if architecture == "gpt_neox":
        return GPTNeoXConfig(**sizes)
    if architecture == "gemma2":  # windows that slide, and softcaps
        return Gemma2Config(**sizes, num_key_value_heads=2, head_dim=8, sliding_window=24)
    grouped = LlamaConfig if architecture == "llama" else Qwen2Config
    return grouped(**sizes, num_key_value_heads=2)


def _causal_folder(folder: Path, architecture: str) -> Path:
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = _tokenizer()
    torch.manual_seed(7)
    AutoModelForCausalLM.from_config(_config(architecture, len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer():
    """A byte-level tokenizer with two control tokens and a chat template."""
    return _tokenizer()


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 5 layers, 4 query heads on 2 key-value heads."""
    return _causal_folder(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="session", params=["llama", "gpt_neox", "qwen2", "gemma2"])
def tiny_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of each architecture in turn."""
    return _causal_folder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bidirectional model of 2 layers that counts at most 16 tokens."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = _tokenizer()
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    return folder
