"""Best-of-n on the way: who is rejected, who is beaten, who is drawn under a style."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona_best_of_n import BestOfN
from persona_best_of_n.pruning import Pruning, Standing
from persona_engine.decoding import decode
from persona_engine.decoding.styles import styled_prompts, with_style
from persona_engine.errors import ConfigError
from persona_engine.testing import BigramGenerator, check_decoder
from persona_engine.testing.decoders import LinearReward, WantsMended
from persona_engine.types import DecodingRequest, Reading, Sampling

ASK = [{"role": "user", "content": "Where shall we go ?"}]
SETTINGS = [
    {"reject": 0.5, "every": 2},
    {"reject": 0.9, "every": 1, "settled": 0.6},
    {"settled": 1.0},
    {"styled": 0.5},
    {"styled": 1.0, "reject": 0.5, "every": 3, "caution": 0.5},
]
TASTE = np.float32(4.0 * np.random.default_rng(5).normal(size=8))
SURE = LinearReward(np.ones(1, np.float32), spread=1e-3)
STYLES = ("Be funny.", "Be brief.", "Be kind.")


def request(seed, candidates=8, **kwargs):
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=24)
    return DecodingRequest(ASK, sampling, candidates, seed, **kwargs)


def standing(values, finished, *, tokens=12, blank=()):
    values = np.float32(values)
    return Standing(
        values[:, None],
        values,
        np.zeros_like(values),
        tokens,
        np.array(finished, bool),
        np.isin(np.arange(len(values)), blank),
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_conforms(settings):
    check_decoder(lambda: BestOfN(**settings))


def measured(decoder, candidates, spread=1e-3):
    """Return mean reward of the reply, and tokens read, over some seeds."""
    generator, taste = BigramGenerator(), LinearReward(TASTE, spread=spread)
    found = [decode(decoder, request(seed, candidates), generator, taste) for seed in range(60)]
    rewards = [float(taste.score(each.features[:1]).mean[0]) for each in found]
    return np.mean(rewards), np.mean([each.search.compute.token_steps for each in found])


def test_more_branches_with_rejection_give_more_reward_for_fewer_tokens():
    plain, plain_cost = measured(BestOfN(settled=1.0), 8)
    pruned, pruned_cost = measured(BestOfN(settled=1.0, reject=0.5, every=4), 12)
    assert pruned > plain
    assert pruned_cost < 0.9 * plain_cost


def test_stopping_early_costs_fewer_tokens_and_hardly_any_reward():
    waited, waited_cost = measured(BestOfN(settled=1.0), 8)
    stopped, stopped_cost = measured(BestOfN(settled=0.7), 8)
    assert stopped_cost < 0.9 * waited_cost
    assert stopped > waited - 0.05 * abs(waited)


def test_an_unsure_reward_gives_nothing_up():
    unsure = LinearReward(1e-3 * TASTE, spread=1e3)
    generator = BigramGenerator()
    pruned = BestOfN(reject=0.9, every=1, settled=0.6).generate(request(1), generator, unsure)
    whole = BestOfN(settled=1.0).generate(request(1), generator, unsure)
    assert [each.text for each in pruned.candidates] == [each.text for each in whole.candidates]


def test_the_worst_share_is_rejected_but_not_the_plain_sample():
    pruning = Pruning(every=4, reject=0.5, settled=1.0)
    now = standing([-9.0, 5.0, -3.0, -2.0, 1.0], [False] * 5)
    assert pruning.rejected(now, SURE).tolist() == [2, 3]
    now = standing([-9.0, 5.0, -3.0, -2.0, 1.0], [False, False, True, False, False])
    assert pruning.rejected(now, SURE).tolist() == [3]


def test_what_cannot_be_told_from_the_best_is_not_rejected():
    pruning = Pruning(every=4, reject=0.9, settled=1.0)
    now = standing([0.0, 0.1, 0.05, 3.0, -4.0], [False] * 5)
    vague = LinearReward(np.ones(1, np.float32), spread=20.0)
    assert pruning.rejected(now, vague).tolist() == [4]


def test_a_finished_leader_beats_what_can_hardly_catch_up():
    pruning = Pruning(every=4, reject=0.0, settled=0.9)
    found, probability = pruning.beaten(
        standing([-9.0, 6.0, -5.0, 5.5], [False, True, False, False]), SURE, most_tokens=24
    )
    assert found.tolist() == [2]
    assert probability > 0.9


def test_the_plain_sample_is_given_up_with_all_others_only():
    pruning = Pruning(every=4, reject=0.0, settled=0.9)
    clear = standing([-9.0, 6.0, -5.0, -5.5], [False, True, False, False])
    assert pruning.beaten(clear, SURE, most_tokens=24)[0].tolist() == [0, 2, 3]


def test_the_less_is_to_come_the_sooner_it_is_clear():
    pruning = Pruning(every=4, reject=0.0, settled=0.8)
    early, late = (
        pruning.beaten(
            standing([-6.0, 3.0, 1.0, -6.0], [False, True, False, False], tokens=tokens),
            SURE,
            most_tokens=24,
        )[0].tolist()
        for tokens in (4, 23)
    )
    assert 2 in late
    assert 2 not in early


def test_a_blank_reply_leads_nobody_and_nobody_leads_before_one_ends():
    pruning = Pruning(every=4, reject=0.0, settled=0.6)
    silent = standing([-9.0, 6.0, -5.0], [False, True, False], blank=[1])
    nobody = standing([-9.0, 6.0, -5.0], [False] * 3)
    never = Pruning(every=4, reject=0.0, settled=1.0)
    clear = standing([-9.0, 6.0, -5.0], [False, True, False])
    for how, now in ((pruning, silent), (pruning, nobody), (never, clear)):
        assert not how.beaten(now, SURE, most_tokens=24)[0].size


def test_the_trace_says_that_it_stopped_and_what_was_kept():
    generator, taste = BigramGenerator(), LinearReward(3.0 * TASTE, spread=1e-3)
    found = [
        decode(BestOfN(every=2, settled=0.6), request(seed), generator, taste) for seed in range(20)
    ]
    stopped = [each for each in found if "stopped after" in each.reason]
    assert stopped
    for each in stopped:
        last = each.search.blocks[-1]
        assert sum(one.kept for one in last.candidates) == len(each.candidates)
        assert "beaten by one that has ended" in last.note
        assert each.decided or len({one.text for one in each.candidates}) < len(each.candidates)


def test_rewards_that_read_the_whole_text_judge_nothing_on_the_way():
    found = decode(
        BestOfN(reject=0.9, every=1, settled=0.6), request(3), BigramGenerator(), WantsMended()
    )
    assert len(found.candidates) == 8
    assert found.search.blocks == ()


def test_likelihood_is_part_of_what_is_chosen():
    indifferent = LinearReward(1e-6 * TASTE, spread=1e-6)
    found = BestOfN(likelihood=50.0, settled=1.0).generate(
        request(4), BigramGenerator(), indifferent
    )
    per_token = [each.log_prob / each.tokens for each in found.candidates]
    assert per_token[0] == max(per_token)
    assert min(per_token) < max(per_token)


class Watched(BigramGenerator):
    """Keeps the prompts that it was given."""

    def prefill_each(self, prompts, *, seed):
        self.prompts = list(prompts)
        return super().prefill_each(prompts, seed=seed)


def test_some_branches_are_drawn_under_styles_and_read_after_the_plain_prompt():
    generator = Watched()
    taste = LinearReward(TASTE, spread=1e-3)
    BestOfN(styled=0.5).generate(request(2, styles=STYLES), generator, taste)
    plain, under = generator.prompts[:4], generator.prompts[4:]
    assert all(len(each.readings) == 1 for each in plain)
    assert [each.readings[0].conversation for each in generator.prompts] == [ASK] * 8
    assert [each.readings[0].weight for each in under] == [0.0] * 4
    said = [each.readings[1].conversation[-1]["content"] for each in under]
    wanted = [*STYLES, STYLES[0]]
    assert all(wish in text for wish, text in zip(wanted, said, strict=True))


@pytest.mark.parametrize(("count", "share"), [(1, 1.0), (4, 1.0), (4, 0.0)])
def test_the_first_branch_is_always_plain(count, share):
    generator = Watched()
    taste = LinearReward(TASTE, spread=1e-3)
    BestOfN(styled=share).generate(request(2, count, styles=STYLES), generator, taste)
    styled = [len(each.readings) > 1 for each in generator.prompts]
    assert styled == [False, *[share == 1.0] * (count - 1)]


def test_without_a_reward_no_style_is_read():
    generator = Watched()
    BestOfN(styled=1.0).generate(request(2, styles=STYLES), generator, None)
    assert len(generator.prompts) == 1


def test_a_style_stands_at_the_end_of_the_last_user_turn():
    system = {"role": "system", "content": "You sell shoes."}
    answered = {"role": "assistant", "content": "Home."}
    told = [system, *ASK, answered]
    styled = with_style(told, "Be funny.")
    assert [each["content"] for each in styled] == [
        "You sell shoes.",
        "Where shall we go ? Be funny.",
        "Home.",
    ]
    assert ASK[0]["content"] == "Where shall we go ?"
    assert with_style([system], "Be funny.") == (system,)
    prompts = styled_prompts(Reading(ASK), ("Be funny.",), plain=1, styled=2)
    assert [len(each.readings) for each in prompts] == [1, 2, 2]


@pytest.mark.parametrize(
    "settings",
    [{"reject": 1.0}, {"reject": -0.1}, {"every": 0}, {"settled": 0.4}, {"styled": 1.1}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        BestOfN(**settings)


def test_the_plain_sample_is_the_reply_when_the_reward_is_unsure_under_any_setting():
    unsure = LinearReward(1e-3 * TASTE, spread=1e3)
    generator = BigramGenerator()
    for seed in range(10):
        alone = BestOfN().generate(request(seed, 1), generator, None)
        asked = replace(request(seed), styles=STYLES)
        for settings in SETTINGS:
            found = BestOfN(**settings).generate(asked, generator, unsure)
            assert found.candidates[0].text == alone.candidates[0].text
            assert not found.decided


class Shifting(BigramGenerator):
    """Reads features otherwise while decoding than when it encodes, as after a block."""

    def prefill_each(self, prompts, *, seed):
        branches = super().prefill_each(prompts, seed=seed)
        right = branches.features
        noise = np.random.default_rng(seed).normal(size=(len(prompts), 8))
        branches.features = lambda: (right() + 3.0 + 0.3 * noise[: branches.size]).astype("f4")
        return branches


def test_the_best_are_read_again_where_instructions_were_placed():
    generator, taste = Shifting(), LinearReward(TASTE, spread=1e-3)
    placed = replace(request(5, bare=ASK), candidates=12)
    found = BestOfN(settled=1.0).generate(placed, generator, taste)
    texts = [each.text for each in found.candidates]
    plain = generator.feature_encoder.encode([ASK] * len(texts), texts)
    again = np.abs(found.features - plain).max(1) < 1e-5
    assert again.sum() in (8, 9)  # the best, and the plain sample if it is not among them
    assert np.abs(found.features - plain).max() < 1.5  # the others moved along
    assert "read again" in found.reason
    unplaced = replace(request(5), candidates=12)
    without = BestOfN(settled=1.0).generate(unplaced, generator, taste)
    texts = [each.text for each in without.candidates]
    plain = generator.feature_encoder.encode([ASK] * len(texts), texts)
    assert np.abs(without.features - plain).max(1).min() > 1.0
    assert "read again" not in without.reason


def test_nothing_is_read_again_for_rewards_that_read_words():
    found = BestOfN().generate(request(5, bare=ASK), Shifting(), WantsMended())
    assert "read again" not in found.reason
