import numpy as np
import pytest
import torch

from persona_engine.encoders import persona_encoders
from persona_engine.errors import ConfigError, InvalidInputError, WeightsError
from persona_engine.interfaces import Encoder

TEXTS = ["coffee", "I am vegan", "The quick brown fox " * 20]


@pytest.fixture
def encoder(tiny_bert):
    return persona_encoders()["sentence"](weights=tiny_bert)


def test_embeddings_are_means_of_unit_length(encoder):
    assert isinstance(encoder, Encoder)
    vectors = encoder.encode([[]] * 3, TEXTS)
    assert vectors.shape == (3, encoder.width) == (3, 24)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    loaded = encoder._model.load()
    ids = loaded.tokenizer.encode(TEXTS[0])
    with torch.inference_mode():
        mean = loaded.network(torch.tensor([ids])).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(vectors[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_prompts_and_neighbours_make_no_difference(encoder):
    prompt = [{"role": "user", "content": "Anything"}]
    together = encoder.encode([prompt] * 3, TEXTS)
    apart = np.concatenate([encoder.encode([[]], [text]) for text in TEXTS])
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_only_the_tokens_the_model_was_trained_for_count(encoder):
    longer = TEXTS[2] * 3
    assert len(encoder._tokens(longer)) == 16
    first, second = encoder.encode([[], []], [TEXTS[2], TEXTS[2] + "the quick"])
    assert np.abs(first - second).max() < 0.5
    assert encoder._tokens(longer)[-1] == encoder._model.load().tokenizer.encode(longer)[-1]


def test_fingerprint_names_weights_pooling_and_width(encoder):
    assert encoder.fingerprint == f"sentence/{encoder._model.hash}/mean+unit/24"


def test_no_text_gives_no_rows(encoder):
    assert encoder.encode([], []).shape == (0, 24)


@pytest.mark.parametrize("text", ["", "\t", "\udc00"])
def test_texts_that_cannot_be_encoded_are_refused(encoder, text):
    with pytest.raises(InvalidInputError):
        encoder.encode([[]], [text])


def test_numbers_that_differ_are_refused(encoder):
    with pytest.raises(InvalidInputError, match="2 prompts and 1 responses"):
        encoder.encode([[], []], ["a"])


def test_a_damaged_sentence_config_is_named(tiny_bert, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_bert, tmp_path / "copy")
    (folder / "sentence_bert_config.json").write_text("[]")
    with pytest.raises(WeightsError, match="max_seq_length"):
        persona_encoders()["sentence"](weights=folder).encode([[]], ["text"])


def test_a_budget_of_nothing_is_refused(tiny_bert):
    with pytest.raises(ConfigError, match="max_batch_tokens"):
        persona_encoders()["sentence"](weights=tiny_bert, max_batch_tokens=0)
