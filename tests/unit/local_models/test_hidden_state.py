import numpy as np
import pytest
import torch

from persona_engine.encoders.hidden_state import HiddenStateEncoder
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.generation.chat_format import ChatFormat
from persona_engine.generation.model import LocalModel
from persona_engine.interfaces import Encoder

PROMPT = [{"role": "user", "content": "How do I make coffee?"}]
TEXTS = ["Short.", "A reply of some more words, with a comma.", "The quick brown fox " * 6, "é😀"]


@pytest.fixture
def model(tiny_folder):
    return LocalModel(tiny_folder, dtype="float32")


@pytest.fixture
def encoder(model):
    return HiddenStateEncoder(model)


def test_features_are_the_mean_of_the_layer_given_the_prompt(model, encoder):
    assert isinstance(encoder, Encoder)
    loaded = model.load()
    chat = ChatFormat(loaded.tokenizer)
    features = encoder.encode([PROMPT] * 4, TEXTS)
    assert features.shape == (4, encoder.width) == (4, 33)
    assert features.dtype == np.float32
    for row, text in zip(features, TEXTS, strict=True):
        head, reply = chat.prompt_ids(PROMPT, room=100), chat.reply_ids(text)
        with torch.inference_mode():
            output = loaded.network(torch.tensor([head + reply]), output_hidden_states=True)
        expected = output.hidden_states[4][0, len(head) :].mean(0).numpy()
        np.testing.assert_allclose(row[:-1], expected, atol=1e-4)
        assert row[-1] == pytest.approx(np.log1p(len(reply)))


def test_features_do_not_depend_on_the_batch(model):
    wide, narrow = HiddenStateEncoder(model), HiddenStateEncoder(model, max_batch_tokens=1)
    together = wide.encode([PROMPT] * 4, TEXTS)
    np.testing.assert_allclose(together, narrow.encode([PROMPT] * 4, TEXTS), atol=1e-4)
    backwards = wide.encode([PROMPT] * 4, TEXTS[::-1])
    np.testing.assert_allclose(together, backwards[::-1], atol=1e-4)


def test_the_prompt_makes_a_difference_and_may_be_empty(encoder):
    given, none = encoder.encode([PROMPT, []], [TEXTS[1]] * 2)
    assert np.abs(given[:-1] - none[:-1]).max() > 1e-3
    assert given[-1] == none[-1]


def test_fingerprint_names_weights_layer_pooling_and_width(model):
    fingerprint = HiddenStateEncoder(model).fingerprint
    assert fingerprint == f"hidden-state/{model.hash}/layer4/mean+length/33"
    bare = HiddenStateEncoder(model, length_feature=False)
    assert bare.fingerprint == f"hidden-state/{model.hash}/layer4/mean/32"
    assert bare.encode([PROMPT], ["Yes."]).shape == (1, 32)
    assert "/layer2/" in HiddenStateEncoder(model, layer_fraction=0.4).fingerprint


def test_what_exceeds_the_context_is_left_out_but_its_length_counts(encoder):
    long = "The quick brown fox jumps over the lazy dog. " * 60
    prompt = [{"role": "user", "content": long}]
    features = encoder.encode([prompt, prompt, PROMPT], ["Yes.", long, long])
    assert np.isfinite(features).all()
    assert features[1, -1] == features[2, -1] > np.log1p(160)


def test_the_end_of_a_long_prompt_is_what_counts(encoder):
    long = "The quick brown fox jumps over the lazy dog. " * 60
    begin, end = ([{"role": "user", "content": each}] for each in ("Why? " + long, long + "Why?"))
    plain = [{"role": "user", "content": long}]
    a, b, c = encoder.encode([begin, end, plain], ["Yes."] * 3)
    np.testing.assert_allclose(a, c, atol=1e-5)
    assert np.abs(b - c).max() > 1e-3


def test_no_text_gives_no_rows(encoder):
    assert encoder.encode([], []).shape == (0, 33)


@pytest.mark.parametrize(
    ("prompts", "responses"),
    [([PROMPT], [""]), ([PROMPT], [" \n"]), ([PROMPT], ["a", "b"]), ([PROMPT], ["\ud83d"])],
)
def test_texts_that_cannot_be_encoded_are_refused(encoder, prompts, responses):
    with pytest.raises(InvalidInputError):
        encoder.encode(prompts, responses)


@pytest.mark.parametrize("settings", [{"layer_fraction": 0.0}, {"max_batch_tokens": 0}])
def test_settings_out_of_range_are_refused(model, settings):
    with pytest.raises(ConfigError):
        HiddenStateEncoder(model, **settings)
