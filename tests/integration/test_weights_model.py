"""The real weights, from wherever this machine gets them, load offline and make sense."""

from __future__ import annotations

import pytest

from persona_engine.weights import hub, resolve, verify, weights_hash

pytestmark = pytest.mark.model


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "smollm2-135m-instruct",
            "0a6fb3c52a72db565df42e36a38458257caeb59c00cc0618f161eab5d62a5428",
        ),
        ("all-minilm-l6-v2", "abb8cd3651a6ebbbc21881975f35b17eb2256ce254e032732a7375624037e271"),
    ],
)
def test_the_package_index_gives_the_same_bytes_on_every_machine(
    tmp_path, monkeypatch, name, expected
):
    """Features learned on one machine are used on another: the hash is part of their name."""
    monkeypatch.setattr(hub, "_cached", lambda source: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = resolve(name, cache=tmp_path)
    assert weights_hash(folder) == expected
    assert verify(folder) == ()


def test_smollm2_answers_and_stops(smollm2):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(smollm2, local_files_only=True)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**inputs, max_new_tokens=30, do_sample=False)
    reply = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :])
    assert "Paris" in reply
    assert reply.endswith("<|im_end|>")
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_smollm2_reads_digits_one_by_one(smollm2):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2, local_files_only=True)
    assert tokenizer.tokenize("x  12") == ["x", "ĠĠ", "1", "2"]
    assert tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_start|>", "<|im_end|>"]) == [
        0,
        1,
        2,
    ]


def test_minilm_puts_alike_sentences_close(minilm):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm, local_files_only=True)
    model = AutoModel.from_pretrained(minilm, local_files_only=True)
    texts = ["How do I bake bread?", "Best way to make a loaf at home", "The stock market fell"]
    inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state  # (3, T, E)
    mask = inputs["attention_mask"].unsqueeze(-1)
    mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    alike = mean @ mean.T
    assert alike[0, 1] > 0.6
    assert alike[0, 2] < 0.2


def test_both_are_what_was_fetched(smollm2, minilm):
    assert verify(smollm2) == ()
    assert verify(minilm) == ()
