import numpy as np
import pytest
import torch

from persona_engine.errors import InvalidInputError
from persona_engine.generation.chat_format import ChatFormat
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.interfaces import Generator
from persona_engine.testing import BigramGenerator
from persona_engine.types import Sampling

ASK = [{"role": "user", "content": "How do I make coffee?"}]
OTHER = [{"role": "user", "content": "A reply should be short."}]
TEXTS = ["Short.", "A reply of some more words, with a comma.", "The quick brown fox " * 4, "é😀"]


@pytest.fixture
def generator(tiny_folder):
    return LocalGenerator(LocalModel(tiny_folder, dtype="float32"))


@torch.inference_mode()
def in_one_pass(generator, conversation, text):
    """The same sum, one text at a time and without a cache."""
    loaded = generator._model.load()
    chat = ChatFormat(loaded.tokenizer)
    head, reply = chat.prompt_ids(conversation, room=100), chat.reply_ids(text)
    log_probs = loaded.network(torch.tensor([head + reply])).logits[0].log_softmax(-1)
    return sum(float(log_probs[len(head) - 1 + i, token]) for i, token in enumerate(reply))


def test_it_is_the_sum_over_the_replys_tokens(generator):
    assert isinstance(generator, Generator)
    asked = [ASK, OTHER, ASK, []]
    found = generator.log_likelihood(asked, TEXTS)
    assert found.dtype == np.float32
    expected = [in_one_pass(generator, *pair) for pair in zip(asked, TEXTS, strict=True)]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_company_makes_no_difference(generator):
    alone = [generator.log_likelihood([ASK], [text])[0] for text in TEXTS]
    together = generator.log_likelihood([ASK] * 4, TEXTS)
    np.testing.assert_allclose(together, alone, atol=2e-3)
    assert generator.log_likelihood([], []).shape == (0,)


def test_precise_readings_are_those_of_a_float32_model(tiny_folder, generator):
    assert generator.in_float32() is generator
    precise = LocalGenerator(LocalModel(tiny_folder, dtype="bfloat16")).in_float32()
    expected = generator.log_likelihood([ASK] * 4, TEXTS)
    assert precise.log_likelihood([ASK] * 4, TEXTS).tolist() == expected.tolist()


def test_what_exceeds_the_context_is_left_out(generator):
    found = generator.log_likelihood([ASK * 40, ASK], ["Short.", "The quick brown fox " * 80])
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("conversations", "responses", "said"),
    [([ASK], [], "1 conversations and 0 responses"), ([ASK], ["  "], "not blank")],
)
def test_bad_input_is_refused(generator, conversations, responses, said):
    with pytest.raises(InvalidInputError, match=said):
        generator.log_likelihood(conversations, responses)


def test_the_bigram_model_agrees_with_its_own_branches():
    bigram = BigramGenerator()
    assert isinstance(bigram, Generator)
    branches = bigram.prefill(ASK, branches=4, seed=3)
    for _ in range(6):
        result = branches.step(Sampling(max_tokens=6))
    written = bigram.log_likelihood([ASK] * 4, result.texts)
    np.testing.assert_allclose(written, branches.log_probs, rtol=1e-5)
    strange = bigram.log_likelihood([ASK], ["zebra zebra"])
    np.testing.assert_allclose(strange, -2 * np.log(len(bigram.words)), rtol=1e-6)
