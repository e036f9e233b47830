"""Token search: what it takes, what it costs, and what it gains over sampling."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from persona_engine.decoding import decode
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.testing import BigramGenerator, check_decoder
from persona_engine.testing.decoders import LinearReward
from persona_engine.types import DecodingRequest, Sampling
from persona_token_search import TokenSearch
from persona_token_search.choice import choose, plausible_tokens, tilt

ASK = [{"role": "user", "content": "Where shall we go ?"}]
SETTINGS = [{}, {"k": 4, "likelihood": 5.0}, {"caution": 1.0, "plausible": 0.0, "most_kl": 1.0}]
FREE = {"plausible": 0.0, "most_kl": 100.0}


def taste(scale=6.0, spread=1e-3):
    direction = np.random.default_rng(5).normal(size=8)
    return LinearReward(np.float32(scale * direction), spread=spread)


def request(seed, **changes):
    settings = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 24, **changes}
    return DecodingRequest(ASK, Sampling(**settings), 8, seed)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_conforms(settings):
    check_decoder(lambda: TokenSearch(**settings))


def test_plausible_tokens_are_the_likeliest_few():
    log_probs = np.log(np.array([0.02, 0.5, 0.3, 0.08, 0.1]))
    assert plausible_tokens(log_probs, most=10, share=0.0).tolist() == [1, 2, 4, 3, 0]
    assert plausible_tokens(log_probs, most=2, share=0.0).tolist() == [1, 2]
    assert plausible_tokens(log_probs, most=10, share=0.15).tolist() == [1, 2, 4, 3]


def test_impossible_tokens_are_never_plausible():
    log_probs = np.array([-np.inf, 0.0, -np.inf])
    assert plausible_tokens(log_probs, most=3, share=0.0).tolist() == [1]


def test_draws_follow_the_worth():
    worth = np.log(np.array([0.2, 0.5, 0.3]))
    rng = np.random.default_rng(0)
    drawn = [choose(worth, how="sampled", temperature=1.0, rng=rng) for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(drawn) / 4000, [0.2, 0.5, 0.3], atol=0.03)
    cold = [choose(worth, how="sampled", temperature=0.01, rng=rng) for _ in range(50)]
    assert set(cold) == {1}


def gain(decoder, reward):
    generator = BigramGenerator()
    found = [decoder.generate(request(seed), generator, reward) for seed in range(40)]
    plain = [decoder.generate(request(seed), generator, None) for seed in range(40)]
    one, other = (
        np.mean([reward.score(each.features[:1]).mean[0] for each in some])
        for some in (found, plain)
    )
    return float(one - other)


@pytest.mark.parametrize("seed", range(5))
def test_the_tilt_stays_within_its_divergence(seed):
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.ones(8)))
    added = rng.normal(scale=10.0, size=8)
    for most_kl in (0.01, 0.3, 2.0):
        tilted = np.exp(tilt(log_probs, added, most_kl=most_kl))
        q = tilted / tilted.sum()
        kl = float(np.sum(q * (np.log(q) - log_probs)))
        assert kl <= most_kl + 1e-6
        assert kl > 0.99 * most_kl or np.allclose(np.ptp(np.log(tilted) - log_probs - added), 0.0)
    within = tilt(log_probs, 1e-3 * added, most_kl=0.3)
    np.testing.assert_allclose(np.diff(within - log_probs), np.diff(1e-3 * added), atol=1e-9)


def test_the_reward_grows_as_likelihood_weighs_less():
    gains = [gain(TokenSearch(likelihood=w, **FREE), taste()) for w in (300.0, 10.0, 1.0)]
    assert gains[0] < gains[1] < gains[2]
    assert gains[2] > 3.0


def test_a_smaller_trust_region_gains_less():
    gains = [gain(TokenSearch(plausible=0.0, most_kl=kl), taste()) for kl in (0.01, 0.3, 3.0)]
    assert gains[0] < gains[1] < gains[2]


def searched(found, plain):
    texts = {each.text for each in found.candidates} - {plain}
    return texts.pop() if texts else plain


def test_the_weight_of_a_word_is_the_same_early_and_late():
    """The best word after a given one is always the same: the beginning does not dilute it."""
    generator, followers = BigramGenerator(), {}
    for said in ("a", "good", "way", "home", "and", "the"):
        ask = [{"role": "user", "content": said}]
        each = DecodingRequest(ask, Sampling(temperature=1.0, max_tokens=24), 2, 0)
        decoder = TokenSearch(choice="best", **FREE)
        plain = decoder.generate(each, generator, None).candidates[0].text
        words = [said, *searched(decoder.generate(each, generator, taste()), plain).split()]
        for word, after in pairwise(words):
            followers.setdefault(word, set()).add(after)
    assert len(followers) > 6
    assert all(len(after) == 1 for after in followers.values()), followers


def test_with_overwhelming_likelihood_it_takes_a_likeliest_word():
    decoder, generator = TokenSearch(likelihood=1e6, choice="best"), BigramGenerator()
    plain = decoder.generate(request(3), generator, None).candidates[0].text
    words = searched(decoder.generate(request(3), generator, taste()), plain).split()
    ids = [0, *(generator.words.index(word) for word in words)]
    for last, word in pairwise(ids):
        assert generator.log_probs[last, word] > generator.log_probs[last].max() - 1e-6


def test_nothing_is_looked_ahead_at_where_one_word_is_plausible():
    found = {
        share: decode(TokenSearch(plausible=share), request(2), BigramGenerator(), taste())
        for share in (0.0, 0.999)
    }
    searched, tokens = (
        int(re.search(pattern, found[0.999].reason)[1])
        for pattern in (r"(\d+) were searched for", r"of (\d+) tokens")
    )
    assert searched < tokens
    spent = {share: each.search.compute for share, each in found.items()}
    read = {share: each.token_steps / each.forwards for share, each in spent.items()}
    assert read[0.999] < 0.3 * read[0.0]


def test_every_candidate_but_the_plain_one_is_searched_with_draws_of_its_own():
    decoder = TokenSearch(likelihood=3.0, most_kl=1.0, reply_likelihood=0.0)
    generator, reward = BigramGenerator(), taste()
    found = decoder.generate(request(4), generator, reward)
    plain = decoder.generate(request(4), generator, None).candidates[0].text
    texts = [each.text for each in found.candidates]
    assert plain in texts
    assert len(set(texts)) > 4
    alone = decoder.generate(replace(request(4), candidates=2), generator, reward)
    assert {each.text for each in alone.candidates} <= set(texts)
    best = [float(reward.score(each.features[:1]).mean[0]) for each in (alone, found)]
    assert best[0] <= best[1]


def test_of_finished_replies_the_likely_ones_are_worth_more():
    decoder = TokenSearch(reply_likelihood=1e6)
    found = decode(decoder, request(4), BigramGenerator(), taste())
    likely = [each.log_prob / each.tokens for each in found.candidates]
    assert likely == sorted(likely, reverse=True)


def test_a_reward_that_tells_no_words_apart_chooses_among_whole_replies():
    found = decode(TokenSearch(), request(5), BigramGenerator(), taste(scale=0.0))
    assert found.search.compute.token_steps < 1.2 * 8 * 24
    assert len({each.text for each in found.candidates}) > 4
    assert not found.search.blocks


def test_a_tie_on_the_way_does_not_end_the_search():
    """Two tokens that both end the reply are worth the same, whatever the reward."""

    class Ties(LinearReward):
        asked = 0

        def score(self, features):
            self.asked += 1
            found = super().score(features)
            return replace(found, mean=np.zeros_like(found.mean)) if self.asked == 20 else found

    reward = Ties(np.float32(6.0 * np.random.default_rng(5).normal(size=8)), spread=1e-3)
    decoder = TokenSearch(plausible=0.0, likelihood=50.0)
    decode(decoder, request(6), BigramGenerator(), reward)
    assert reward.asked > 40


def test_the_trace_tells_which_words_the_reward_changed():
    found = decode(TokenSearch(**FREE), request(2), BigramGenerator(), taste())
    searched = {each.text for each in found.candidates}
    blocks = found.search.blocks
    assert blocks
    for block in blocks:
        chosen, likeliest = block.candidates
        assert chosen.kept == 1
        assert chosen.reward > likeliest.reward
        assert any(chosen.text.strip() in text for text in searched)


@pytest.mark.parametrize("changes", [{"temperature": 0.0}], ids=str)
def test_at_temperature_0_it_is_plain(changes):
    decoder, generator = TokenSearch(), BigramGenerator()
    found = decoder.generate(request(1, **changes), generator, taste())
    plain = decoder.generate(request(1, **changes), generator, None)
    assert [each.text for each in found.candidates] == [plain.candidates[0].text]


@pytest.mark.parametrize(
    "settings",
    [
        {"k": 1},
        {"plausible": 1.0},
        {"choice": "worst"},
        {"most_kl": 0.0},
        {"foresee": 1},
        {"likelihood": 0.0},
        {"caution": -1.0},
        {"min_confidence": 0.4},
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=name):
        TokenSearch(**settings)


def test_no_candidates_is_an_error():
    with pytest.raises(InvalidInputError, match="candidates is 0"):
        TokenSearch().generate(DecodingRequest(ASK, Sampling(), 0, 0), BigramGenerator(), None)
