"""Logit arithmetic: the sums, what steers, and what is shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from persona_engine.decoding.styles import with_style
from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.testing import BigramGenerator, check_decoder
from persona_engine.testing.decoders import LinearReward
from persona_engine.types import DecodingRequest, Mending, Reading, Sampling
from persona_logit_arithmetic import (
    Contrast,
    ImplicitReward,
    LogitArithmetic,
    combined_readings,
    likelihood_after,
)
from persona_logit_arithmetic.arithmetic import combined_log_probs, draw
from persona_logit_arithmetic.steering import Rung, ladder, steered_prompt

BARE = ({"role": "user", "content": "Where shall we go"},)
TOLD = ({"role": "user", "content": "Where shall we go take the long"},)
HOT = Sampling(temperature=1.0, top_p=1.0, max_tokens=12)
PLACED = DecodingRequest(TOLD, HOT, 4, 0, bare=BARE)
UNSURE = LinearReward(np.zeros(8, np.float32), spread=1e3)
SURE = LinearReward(np.float32(20.0 * np.random.default_rng(3).normal(size=8)), spread=1e-3)


def said(text):
    return Reading(({"role": "user", "content": text},))


def model(smoothing=0.05):
    return BigramGenerator(smoothing=smoothing)


def plain(request, generator):
    branches = generator.prefill(request.conversation, branches=1, seed=request.seed)
    result = branches.step(request.sampling)
    while not result.finished[0]:
        result = branches.step(request.sampling)
    return result.texts[0]


def show(decoder, request, reward=None, generator=None):
    return decoder.generate(request, generator or model(), reward).candidates[0].text


PAIR = {"expert": model(0.01), "reference": model(1.0)}


@pytest.mark.parametrize(
    "settings",
    [{}, {"styles": 3, "length_spread": 0.0}, PAIR, {"expert": model(0.01), "implicit": 0.05}],
    ids=["prompts", "tastes", "pair", "judged"],
)
def test_every_setting_conforms(settings):
    check_decoder(lambda: LogitArithmetic(**settings))


def test_readings_of_contrasts_are_read_once_each():
    told, bare, adapted = said("told"), said("bare"), said("adapted")
    found = combined_readings(
        told, [Contrast(0.5, told, bare), Contrast(2.0, adapted, told), Contrast(1.0, bare, told)]
    )
    assert [(each.conversation, each.weight) for each in found] == [
        (told.conversation, pytest.approx(1.0 + 0.5 - 2.0 - 1.0)),
        (bare.conversation, pytest.approx(-0.5 + 1.0)),
        (adapted.conversation, pytest.approx(2.0)),
    ]


def test_what_cancels_out_is_not_read():
    told, bare = said("told"), said("bare")
    assert combined_readings(told, [Contrast(0.0, told, bare)]) == (told_once(told),)
    assert combined_readings(told, [Contrast(0.3, bare, bare)]) == (told_once(told),)


def told_once(reading):
    return replace(reading, conversation=tuple(reading.conversation))


def test_a_sum_over_models_is_what_it_says():
    rng = np.random.default_rng(0)
    base, toward, away = (
        np.log(rng.dirichlet(np.ones(30), size=4)).astype(np.float32) for _ in range(3)
    )
    weights = np.array([0.0, 0.5, 1.0, -1.5], np.float32)
    found = combined_log_probs(base, weights, toward, away, plausible=0.1)
    for row in range(4):
        odds = np.exp(base[row]) * (np.exp(toward[row]) / np.exp(away[row])) ** weights[row]
        odds[np.exp(base[row]) < 0.1 * np.exp(base[row]).max()] = 0.0
        np.testing.assert_allclose(np.exp(found[row]), odds / odds.sum(), rtol=1e-3, atol=1e-6)
    unchanged = combined_log_probs(base, np.zeros(4, np.float32), toward, away, plausible=0.0)
    np.testing.assert_allclose(unchanged, base, atol=1e-5)


def test_what_is_impossible_stays_so():
    base = np.array([[0.0, -np.inf, -1.0]], np.float32)
    found = combined_log_probs(
        base, np.ones(1, np.float32), base[:, ::-1], np.flip(base), plausible=0.0
    )
    assert found[0, 1] == -np.inf
    np.testing.assert_allclose(np.exp(found).sum(), 1.0, rtol=1e-5)


def test_draws_follow_temperature_and_nucleus():
    share = np.array([0.5, 0.3, 0.15, 0.05])
    log_probs = np.log(np.tile(share, (6_000, 1))).astype(np.float32)
    log_probs = np.concatenate([log_probs, np.full((len(log_probs), 1), -np.inf)], axis=1)
    uniforms = np.random.default_rng(1).random(len(log_probs), dtype=np.float32)

    def drawn(temperature, top_p):
        tokens = draw(log_probs, uniforms, Sampling(temperature=temperature, top_p=top_p))
        return np.bincount(tokens, minlength=5) / len(tokens)

    np.testing.assert_allclose(drawn(1.0, 1.0), [*share, 0.0], atol=0.025)
    np.testing.assert_allclose(drawn(1.0, 0.8), [0.625, 0.375, 0.0, 0.0, 0.0], atol=0.025)
    sharp = share**2 / (share**2).sum()
    np.testing.assert_allclose(drawn(0.5, 1.0), [*sharp, 0.0], atol=0.025)
    assert drawn(0.0, 1.0).tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_rungs_take_turns_and_equal_ones_occur_once_at_temperature_0():
    request = replace(PLACED, styles=("Be funny.", "Be brief."))
    found = ladder(request, (1.0, 0.5, 1.5), styles=1, count=7)
    assert [each.strength for each in found] == [1.0, 0.5, 1.5, 1.0, 0.5, 1.5, 1.0]
    assert [each.styles for each in found[:3]] == [("Be funny.",), ("Be brief.",), ("Be funny.",)]
    cold = replace(request, sampling=Sampling(temperature=0.0))
    assert len(ladder(cold, (1.0, 0.5, 1.5), styles=1, count=12)) == 6
    assert ladder(PLACED, (1.0,), styles=4, count=1) == [Rung(1.0)]


def test_prompts_are_steered_by_placed_instructions_and_tastes_together():
    request = replace(PLACED, styles=("Be funny.", "Be brief."))
    rung = Rung(0.5, request.styles)
    readings = steered_prompt(request, rung, plausible=0.1).readings
    plainly, *others = readings
    assert plainly.conversation == TOLD
    assert plainly.weight == pytest.approx(0.0)
    assert [(each.conversation, each.weight) for each in others] == [
        (with_style(TOLD, "Be funny."), pytest.approx(0.75)),
        (with_style(TOLD, "Be brief."), pytest.approx(0.75)),
        (BARE, pytest.approx(-0.5)),
    ]


def first_words(decoder, words, seeds):
    request = replace(PLACED, candidates=1, sampling=replace(HOT, max_tokens=1))
    return Counter(show(decoder, replace(request, seed=n), generator=words) for n in range(seeds))


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_placed_instructions_count_for_more(strength):
    generator, seeds = model(), 1500
    told, bare = (np.exp(generator.log_probs[generator.start(each)]) for each in (TOLD, BARE))
    expected = told * (told / np.maximum(bare, 1e-200)) ** strength
    if strength:
        expected[told < 0.1 * told.max()] = 0.0
    expected /= expected.sum()
    decoder = LogitArithmetic(strengths=(strength,))
    found = first_words(decoder, generator, seeds)
    shares = np.array([found[word] / seeds for word in generator.words])
    np.testing.assert_allclose(shares, expected, atol=0.04)


def test_a_single_candidate_is_steered_and_says_so():
    for reward in (None, UNSURE):
        found = LogitArithmetic().generate(replace(PLACED, candidates=1), model(), reward)
        assert "steered by what is said in words (λ = 1)" in found.reason
        assert found.decided
        assert len(found.candidates) == 1
    assert len(LogitArithmetic().generate(PLACED, model(), None).candidates) == 1


def test_a_single_candidate_may_be_mended():
    def mend(texts):
        return tuple(Mending(f"{text} .", ("full stop",)) for text in texts)

    class Stops(LinearReward):
        def of_texts(self, texts, features):
            ends = np.float32([[text.endswith(" . .") or text.endswith(" .")] for text in texts])
            return ends, LinearReward(np.float32([20.0]), spread=1e-3)

    request = replace(PLACED, candidates=1, mend=mend, sampling=replace(HOT, max_tokens=2))
    found = LogitArithmetic().generate(request, model(), Stops(np.zeros(8), spread=1.0))
    assert found.candidates[0].edits == ("full stop",)
    assert found.reason.endswith("put right: full stop")


@pytest.mark.parametrize("seed", range(5))
def test_an_unsure_reward_shows_the_plain_sample_though_others_are_steered(seed):
    request = replace(PLACED, seed=seed, styles=("Be funny.",))
    found = LogitArithmetic(**PAIR).generate(request, model(), UNSURE)
    assert not found.decided
    assert found.candidates[0].text == plain(request, model())


def test_where_nothing_is_placed_it_samples_plainly():
    for request in (replace(PLACED, bare=None), replace(PLACED, bare=list(TOLD))):
        for seed in range(5):
            asked = replace(request, seed=seed)
            assert show(LogitArithmetic(), asked) == plain(asked, model())


def test_at_temperature_0_candidates_differ_by_their_strength():
    cold = replace(PLACED, sampling=replace(HOT, temperature=0.0), candidates=9)
    found = LogitArithmetic(strengths=(0.0, 4.0)).generate(cold, model(), SURE)
    assert len(found.candidates) == 3


def test_the_trace_says_how_each_branch_is_steered():
    blocks = []
    LogitArithmetic().generate(replace(PLACED, record=blocks.append), model(), SURE)
    assert [each.text for each in blocks[0].candidates] == [
        "the plain sample",
        "λ = 1",
        "λ = 0.5",
        "λ = 1.5",
    ]


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_other_models_steer_every_token(strength):
    base, expert, reference = model(0.3), Shuffled(0.05), model(0.05)
    cold = replace(PLACED, bare=None, sampling=replace(HOT, temperature=0.0), candidates=2)
    decoder = LogitArithmetic(
        strengths=(strength,), plausible=0.0, expert=expert, reference=reference
    )
    found = decoder.generate(cold, base, UNSURE).candidates
    words, last = [], base.start(TOLD)
    while len(words) < HOT.max_tokens:
        sums = base.log_probs[last] + strength * (
            expert.log_probs[last] - reference.log_probs[last]
        )
        last = int(np.where(base.log_probs[last] > -600, sums, -np.inf).argmax())
        if last == 0:
            break
        words.append(base.words[last])
    assert found[1].text == " ".join(words) != found[0].text == plain(cold, base)


class Shuffled(BigramGenerator):
    """Knows the same words, and follows them by others."""

    def __init__(self, smoothing):
        super().__init__(smoothing=smoothing)
        rest = np.random.default_rng(2).permutation(len(self.words) - 1) + 1
        self.log_probs = self.log_probs[[0, *rest]]


class Renamed(BigramGenerator):
    """Its tokens are the same words in another order."""

    def __init__(self):
        super().__init__()
        self.words = ("", *self.words[:0:-1])


class Wider(BigramGenerator):
    """Has one token more."""

    def __init__(self):
        super().__init__()
        self.words = (*self.words, "more")
        self.log_probs = np.pad(self.log_probs, ((0, 1), (0, 1)), constant_values=-9.0)


@pytest.mark.parametrize(
    ("other", "message"), [(Wider(), "vocabulary of 2"), (Renamed(), "the same tokens are")]
)
@pytest.mark.parametrize("place", ["expert", "reference"])
def test_another_vocabulary_is_an_error_that_names_the_model(other, message, place):
    models = {"expert": model(), "reference": model(), place: other}
    with pytest.raises(ConfigError, match=f"(?=.*{message})(?=.*{place})"):
        LogitArithmetic(**models).generate(PLACED, model(), SURE)


def test_an_implicit_reward_is_what_the_pair_says_of_each_beginning():
    told, bare = (likelihood_after(model(), each) for each in (TOLD, BARE))
    reward = ImplicitReward(told, bare, beta=0.5, reward=SURE)
    texts = ["way", "way home", " "]
    ratio = 0.5 * (
        model().log_likelihood([TOLD], ["way"]) - model().log_likelihood([BARE], ["way"])
    )
    # In a model of bigrams prompts matter to the first word only: later ones add nothing.
    np.testing.assert_allclose(reward.ratios(texts), [ratio[0], ratio[0], 0.0], atol=1e-6)
    features = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    columns, bound = reward.of_texts(texts, features)
    np.testing.assert_allclose(
        bound.score(columns).mean, SURE.score(features).mean + reward.ratios(texts), rtol=1e-5
    )
    expected = SURE.logit(features[:1], features[2:]).mean + ratio
    np.testing.assert_allclose(bound.logit(columns[:1], columns[2:]).mean, expected, rtol=1e-5)
    np.testing.assert_allclose(reward.score(features).mean, SURE.score(features).mean)
    alone = ImplicitReward(told, bare, beta=0.5)
    columns, bound = alone.of_texts(texts, features)
    np.testing.assert_allclose(bound.score(columns).mean, reward.ratios(texts))
    assert not alone.score(features).mean.any()


@pytest.mark.parametrize(
    "settings", [{}, {"expert": model(0.01), "reference": model(1.0)}], ids=",".join
)
def test_what_the_readings_say_themselves_may_judge(settings):
    indifferent = LinearReward(np.zeros(8, np.float32), spread=1e-3)
    request = replace(PLACED, candidates=8)
    decoder = LogitArithmetic(implicit=50.0, min_confidence=0.5, **settings)
    found = decoder.generate(request, model(), indifferent)
    texts = [each.text for each in found.candidates]
    if settings:
        pair = [settings[each].log_likelihood([TOLD] * 8, texts) for each in settings]
    else:
        pair = [model().log_likelihood([each] * 8, texts) for each in (TOLD, BARE)]
    ratios = pair[0] - pair[1]
    assert ratios[0] == pytest.approx(ratios.max())
    assert np.ptp(ratios) > 0.0


@pytest.mark.parametrize(
    "settings",
    [
        {"strengths": ()},
        {"strengths": (1.0, float("nan"))},
        {"plausible": 1.5},
        {"styles": 0},
        {"implicit": -1.0},
        {"caution": -1.0},
        {"likelihood": float("inf")},
        {"min_confidence": 0.4},
        {"length_spread": -1.0},
        {"reference": model()},
    ],
    ids=",".join,
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=name):
        LogitArithmetic(**settings)


def test_no_candidates_is_an_error():
    with pytest.raises(InvalidInputError, match="candidates is 0"):
        LogitArithmetic().generate(replace(PLACED, candidates=0), model(), None)
