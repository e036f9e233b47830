"""The prefix value head: what it learns from rollouts, and how it is kept."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.decoding import PrefixValue, load_prefix_value, prefix_values_root
from persona_engine.errors import ArtefactError
from persona_engine.onboarding.shipped import shipped_root
from persona_engine.testing import BigramGenerator
from persona_token_search.rollouts import Rollouts, conversations, roll_out
from persona_token_search.train import fit, moments

WIDTH, TOKENS = 6, 40


def planted(seed, *, prompts=12, replies=12, noise=1.0):
    """Replies whose style shows in the first feature of each state, and in the second later on."""
    rng = np.random.default_rng(seed)
    for _ in range(prompts):
        style = rng.normal(size=(replies, 1))
        states = rng.normal(scale=noise, size=(TOKENS, replies, WIDTH))
        states[..., :1] += style
        states[TOKENS // 2 :, :, 1:2] += style
        count = np.arange(1, TOKENS + 1)[:, None]
        features = np.cumsum(states, 0) / count[..., None]
        yield Rollouts(features.astype(np.float32), np.repeat(count, replies, 1))


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1])


def test_it_predicts_what_a_beginning_does_not_show_yet():
    head = fit((moments(each, WIDTH) for each in planted(0)), fingerprint="f")
    assert head.length == TOKENS
    with_head, without = [], []
    for each in planted(1):
        early, final = each.features[7], each.features[-1]
        foreseen = head.foresee(early, each.newest(8, WIDTH), tokens=8)
        with_head.append(correlation(foreseen[:, 1], final[:, 1]))
        without.append(correlation(early[:, 1], final[:, 1]))
    assert np.mean(with_head) > np.mean(without) + 0.2


def test_noise_teaches_nothing():
    head = fit((moments(each, WIDTH) for each in planted(0, noise=30.0)), fingerprint="f")
    taught = fit((moments(each, WIDTH) for each in planted(0)), fingerprint="f")
    state = np.vstack([np.eye(1, WIDTH), -np.eye(1, WIDTH)]).astype(np.float32)
    assert np.abs(head.rest(state)).max() < 0.2 * np.abs(taught.rest(state)).max()


def test_what_is_said_counts_more_the_longer_it_is():
    head = PrefixValue(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 100.0, "f")
    features = np.array([[1.0, 0.0, 3.0], [-1.0, 0.0, 3.0]], np.float32)
    newest = np.array([[0.0, 4.0], [0.0, -4.0]], np.float32)
    early, late, very_late = (head.foresee(features, newest, tokens=t)[0] for t in (10, 80, 400))
    np.testing.assert_allclose(early, [0.1, 3.6, 3.0], atol=1e-6)
    np.testing.assert_allclose(late, [0.8, 0.8, 3.0], atol=1e-6)
    np.testing.assert_allclose(very_late, [0.8, 0.8, 3.0], atol=1e-6)
    assert features[0].tolist() == [1.0, 0.0, 3.0]


def test_a_head_is_kept_and_checked(tmp_path):
    rng = np.random.default_rng(0)
    into, out_of = (rng.normal(size=shape).astype(np.float32) for shape in ((6, 2), (2, 6)))
    path = PrefixValue(into, out_of, 40.0, "space/a").save(tmp_path)
    found = load_prefix_value("space/a", root=tmp_path)
    np.testing.assert_allclose(found.into, into, rtol=1e-3)
    np.testing.assert_allclose(found.out_of, out_of, rtol=1e-3)
    assert (found.length, found.fingerprint) == (40.0, "space/a")
    assert load_prefix_value("space/b", root=tmp_path) is None
    PrefixValue(into, out_of, 40.0, "space/c").save(tmp_path).rename(
        tmp_path / (PrefixValue(into, out_of, 40.0, "space/d").save(tmp_path).name)
    )
    with pytest.raises(ArtefactError, match="space/c"):
        load_prefix_value("space/d", root=tmp_path)
    path.write_bytes(b"damaged")
    load_prefix_value.cache_clear()
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_prefix_value("space/a", root=tmp_path)


def test_the_package_carries_one_for_the_default_feature_space():
    (path,) = prefix_values_root().glob("*.safetensors")
    assert path.stat().st_size < 2_000_000
    (population,) = shipped_root().iterdir()
    assert path.stem in population.name  # both are named by the feature space


def test_rollouts_of_a_language_model_give_back_its_states(tmp_path):
    generator = BigramGenerator()
    settings = {"prompts": 3, "replies": 5, "tokens": 12}
    for each in roll_out(generator, cache=tmp_path, **settings):
        lengths = each.tokens[-1]
        for tokens in range(1, 5):
            kept = each.growing(tokens)
            assert kept.tolist() == np.flatnonzero(lengths > tokens).tolist()
            states = each.newest(tokens, 8)
            vectors = generator.feature_encoder.vectors
            nearest = [np.abs(vectors - state).max(1).min() for state in states]
            assert max(nearest, default=0.0) < 1e-4
            whole = tokens * each.features[tokens - 1][kept]
            whole += (lengths[kept] - tokens)[:, None] * each.rest(tokens, 8)
            np.testing.assert_allclose(
                whole / lengths[kept, None], each.features[-1][kept], atol=1e-5
            )
    again = list(roll_out(generator, cache=tmp_path, **settings))
    assert len(list(tmp_path.iterdir())) == len(again) == 3


def test_requests_are_many_and_half_of_them_ask_for_a_style():
    asked = conversations(seed=0)
    assert len({each[-1]["content"] for each in asked}) == len(asked) > 100
    assert sum(each[0]["role"] == "system" for each in asked) == len(asked) // 2
