"""Token search on the real default weights."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.decoding import decode
from persona_engine.generation import persona_generators
from persona_engine.testing.decoders import LinearReward
from persona_engine.types import DecodingRequest, Sampling
from persona_token_search import TokenSearch

pytestmark = pytest.mark.model

ASK = ({"role": "user", "content": "How do I make a good cup of coffee?"},)
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=24)


@pytest.fixture(scope="module")
def generator(smollm2):
    return persona_generators()["local"](weights=smollm2)


@pytest.fixture(scope="module")
def taste(generator):
    """Liking one of two replies better, as strongly as people do."""
    texts = ["Oh, lovely! Let's brew something cosy together!", "Use 15 g of coffee per 250 ml."]
    warm, dry = generator.feature_encoder.encode([ASK] * 2, texts)[:, :-1]
    direction = (warm - dry) * 4.0 / np.square(warm - dry).sum()
    return LinearReward(np.append(direction, 0.0).astype(np.float32), spread=1e-3)


def plain(generator, seed):
    branches = generator.prefill(ASK, branches=1, seed=seed)
    result = branches.step(SAMPLING)
    while not all(result.finished):
        result = branches.step(SAMPLING)
    return result.texts[0]


def test_the_plain_sample_grows_beside_and_the_reward_grows(generator, taste):
    gains = []
    for seed in range(6):
        found = decode(TokenSearch(), DecodingRequest(ASK, SAMPLING, 2, seed), generator, taste)
        texts = [each.text for each in found.candidates]
        expected = plain(generator, seed)
        assert expected in texts
        assert len(texts) == 2
        gains.append(found.candidates[1 - texts.index(expected)].reward)
        encoded = generator.feature_encoder.encode([ASK] * 2, texts)
        same = (found.features * encoded).sum(1) / (
            np.linalg.norm(found.features, axis=1) * np.linalg.norm(encoded, axis=1)
        )
        assert same.min() > 0.99
    assert np.mean(gains) > 0.0, gains


def test_each_token_costs_one_forward(generator, taste):
    found = decode(TokenSearch(k=5), DecodingRequest(ASK, SAMPLING, 2, 0), generator, taste)
    tokens = max(each.tokens for each in found.candidates)
    assert found.search.compute.forwards <= 2 * tokens  # the meter counts looking ahead apart
