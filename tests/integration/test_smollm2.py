"""Encoders and generator on the real default weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from persona_best_of_n import BestOfN
from persona_engine.encoders import persona_encoders
from persona_engine.errors import InvalidInputError
from persona_engine.generation import persona_generators
from persona_engine.testing.encoders import ENCODER_CHECKS, check_encoder
from persona_engine.types import DecodingRequest, Sampling, Score

pytestmark = pytest.mark.model

ASK = [{"role": "user", "content": "How do I make a good cup of coffee?"}]
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=40)


@pytest.fixture(scope="module")
def generator(smollm2):
    return persona_generators()["local"](weights=smollm2)


@pytest.fixture(scope="module")
def exact(smollm2):
    return persona_generators()["local"](weights=smollm2, dtype="float32")


def grow(branches, sampling=SAMPLING):
    result = branches.step(sampling)
    while not all(result.finished):
        result = branches.step(sampling)
    return result.texts


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def ranks(values):
    return np.argsort(np.argsort(values))


def test_the_default_feature_space(generator):
    assert generator.name == "smollm2-135m-instruct"
    encoder = generator.feature_encoder
    assert encoder.width == 577
    kind, weights, *rest = encoder.fingerprint.split("/")
    assert (kind, rest) == ("hidden-state", ["layer24", "mean+length", "577"])
    assert len(weights) == 16


def test_its_branches_share_their_prompt(generator, exact):
    assert generator._model.load().shares_prompts
    assert exact._model.load().shares_prompts


def test_models_may_be_loaded_by_several_threads_at_once(smollm2, minilm):
    def features(kind, name, weights):
        plugins = {"encoder": persona_encoders, "generator": persona_generators}
        made = plugins[kind]()[name](weights=weights)
        encoder = made if kind == "encoder" else made.feature_encoder
        return encoder.encode([ASK], ["Hello there."])

    jobs = [("generator", "local", smollm2), ("encoder", "sentence", minilm)] * 2
    with ThreadPoolExecutor(len(jobs)) as threads:
        found = [each.result() for each in [threads.submit(features, *job) for job in jobs]]
    for once, again in zip(found[:2], found[2:], strict=True):
        np.testing.assert_array_equal(once, again)


def test_features_of_decoding_are_the_encoders(exact):
    branches = exact.prefill(ASK, branches=12, seed=4)
    texts = grow(branches)
    decoded = branches.features()
    encoded = exact.feature_encoder.encode([ASK] * 12, texts)
    assert cosines(decoded[:, :-1], encoded[:, :-1]).min() > 0.999
    np.testing.assert_allclose(decoded[:, -1], encoded[:, -1], atol=0.06)
    rng = np.random.default_rng(0)
    spearman = []
    for _ in range(20):
        weight = rng.normal(size=(576,)).astype(np.float32)
        one, other = (ranks(each[:, :-1] @ weight) for each in (decoded, encoded))
        spearman.append(np.corrcoef(one, other)[0, 1])
    assert np.median(spearman) > 0.95


def test_bfloat16_features_agree_with_float32(generator, exact):
    texts = ["Grind the beans just before you brew.", "Sure! Let's brew.", "- water\n- beans"]
    one, other = (each.feature_encoder.encode([ASK] * 3, texts) for each in (generator, exact))
    assert cosines(one[:, :-1], other[:, :-1]).min() > 0.999


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_first_branch_is_plain_sampling(generator, seed):
    alone = grow(generator.prefill(ASK, branches=1, seed=seed))
    together = grow(generator.prefill(ASK, branches=5, seed=seed))
    assert together[0] == alone[0]
    assert len(set(together)) == 5


def test_replies_are_english_and_end(generator):
    sampling = Sampling(temperature=0.0, max_tokens=60)
    ask = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
    branches = generator.prefill(ask, branches=1, seed=0)
    text = grow(branches, sampling)[0]
    assert "Paris" in text
    assert branches.token_counts[0] < 60
    assert branches.log_probs[0] < 0.0


def test_best_of_n_finds_the_taste(generator):
    width = generator.feature_encoder.width

    class Taste:
        """A person who likes what the features' last entry measures: length."""

        def __init__(self, sign):
            self.weight = np.zeros(width, np.float32)
            self.weight[-1] = sign

        def score(self, features):
            return Score(features @ self.weight, np.zeros(len(features), np.float32))

        def logit(self, a, b):
            return self.score(a - b)

    ask = ({"role": "user", "content": "Say hello."},)
    request = DecodingRequest(ask, SAMPLING, 6, 5)
    long, short = (
        BestOfN(min_confidence=0.5, settled=1.0)
        .generate(request, generator, Taste(sign))
        .candidates
        for sign in (1.0, -1.0)
    )
    assert {each.text for each in long} == {each.text for each in short}
    assert long[0].tokens == max(each.tokens for each in long) > short[0].tokens


def test_sentences_that_mean_the_same_are_near(minilm):
    encoder = persona_encoders()["sentence"](weights=minilm)
    assert encoder.width == 384
    same, too, other = encoder.encode(
        [[]] * 3, ["I am vegan.", "I do not eat animal products.", "Reply in French."]
    )
    assert same @ too > 0.5 > same @ other


@pytest.fixture(params=["hidden-state", "sentence"])
def factory(request, smollm2, minilm):
    weights = {"hidden-state": smollm2, "sentence": minilm}[request.param]
    return lambda: persona_encoders()[request.param](weights=weights)


@pytest.mark.parametrize("check", sorted(set(ENCODER_CHECKS) - {"strange_texts_are_survived"}))
def test_encoders_pass_the_conformance_kit(factory, check):
    check_encoder(factory, checks=[check])


def test_strange_texts_are_encoded_and_blank_ones_refused(factory):
    strange = ["a" * 20_000, "\x00\x1b[2J\ufffd", "🙂‍↔️ मैं 漢字", "<|im_end|>"]
    features = factory().encode([ASK] * len(strange), strange)
    assert np.isfinite(features).all()
    with pytest.raises(InvalidInputError, match="blank"):
        factory().encode([ASK], ["  \n"])
