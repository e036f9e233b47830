"""Choices are drawn, kept with their propensities, joined with feedback and replayed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from persona_engine.errors import InvalidInputError, NotFoundError

PROMPT = "What shall I cook?"
REPLIES = ["warm warm soup", "cold cold salad", "something"]


def test_a_choice_is_kept_with_its_propensities_and_explained(kitchen) -> None:
    ann = kitchen.user("user-01")
    chosen = ann.choose(PROMPT, REPLIES, explore="thompson", seed=3)
    assert chosen.text == REPLIES[chosen.position]
    assert sum(chosen.propensities) == pytest.approx(1.0)
    assert min(chosen.propensities) >= 0.05 / 3 - 1e-9
    assert chosen.propensity == chosen.propensities[chosen.position]
    explanation = ann.explain(chosen.id)
    assert explanation.trace.exploration.propensities == chosen.propensities
    assert "Drawn by thompson" in explanation.text
    with pytest.raises(NotFoundError):
        kitchen.user("user-02").explain(chosen.id)


def test_taste_decides_what_is_shown_most(kitchen) -> None:
    warm = kitchen.user("user-01").choose(PROMPT, REPLIES, explore="greedy", epsilon=0.0)
    cold = kitchen.user("user-00").choose(PROMPT, REPLIES, explore="greedy", epsilon=0.0)
    assert (warm.position, cold.position) == (0, 1)


def test_equal_seeds_draw_alike_and_all_seeds_follow_the_propensities(kitchen) -> None:
    ann = kitchen.user("stranger")
    drawn = [
        ann.choose(PROMPT, REPLIES, explore="uniform", seed=each).position for each in range(60)
    ]
    again = [
        ann.choose(PROMPT, REPLIES, explore="uniform", seed=each).position for each in range(9)
    ]
    assert drawn[:9] == again
    assert min(np.bincount(drawn, minlength=3)) >= 8


def test_replay_tells_which_policy_earns_more(kitchen) -> None:
    rng = np.random.default_rng(5)
    for number in range(20):
        person = kitchen.user(f"user-{number:02}")
        for _ in range(6):
            chosen = person.choose(
                PROMPT, REPLIES, explore="uniform", seed=int(rng.integers(1 << 30))
            )
            liked = "warm" if number % 2 else "cold"
            person.feedback(chosen.id, rating=1.0 if liked in chosen.text else -1.0)
        person.choose(PROMPT, REPLIES, explore="uniform", seed=int(rng.integers(1 << 30)))
    found = {each.policy: each for each in kitchen.replay(["greedy", "uniform", "first"])}
    greedy, uniform = found["greedy"], found["uniform"]
    assert (greedy.choices, greedy.users, greedy.unanswered) == (120, 20, 20)
    # Following each person's taste earns 1, drawing evenly -1/3.
    for estimate in (greedy.ips, greedy.snips, greedy.doubly_robust):
        assert abs(estimate.value - 1.0) < max(4 * estimate.error, 0.15)
    assert uniform.ips.value == pytest.approx(uniform.logged.value)
    assert greedy.snips.value > found["first"].snips.value + 0.3
    assert greedy.largest == pytest.approx(3.0)

    def own(choice):
        return [0.0, 0.0, 1.0]

    (mine,) = kitchen.replay({"always something": own})
    assert mine.snips.value == pytest.approx(-1.0)
    with pytest.raises(InvalidInputError, match="sum to 1"):
        kitchen.replay({"broken": lambda choice: [1.0, 1.0, 1.0]})


def test_what_came_of_a_choice_is_not_known_before_it(kitchen) -> None:
    stranger = kitchen.user("stranger")
    chosen = stranger.choose(PROMPT, REPLIES[:2], explore="uniform", seed=1)
    stranger.feedback(chosen.id, chosen=0)
    (found,) = kitchen.replay(["greedy"])
    from persona_engine.replay import read_log

    learner = kitchen._runtime.learner
    (logged,) = read_log(learner, "default", learner.population("default"), progress=print)
    assert logged.reward == (1.0 if chosen.position == 0 else -1.0)
    prior = kitchen.user("nobody").choose(PROMPT, REPLIES[:2], explore="greedy", epsilon=0.0)
    wanted = [each.reward for each in prior.trace.candidates]
    np.testing.assert_allclose(logged.rewards.mean, wanted, atol=1e-5)
    assert found.choices == 1


def test_without_feedback_there_is_nothing_to_replay(kitchen) -> None:
    with pytest.raises(InvalidInputError, match="0 logged choices"):
        kitchen.replay()
    kitchen.user("ann").choose(PROMPT, REPLIES)
    with pytest.raises(InvalidInputError, match="1 logged choices and none"):
        kitchen.replay()
    with pytest.raises(InvalidInputError, match="policy is 'best'"):
        kitchen.replay(["best"])


def test_choices_are_exported_and_forgotten_with_the_rest(kitchen) -> None:
    ann = kitchen.user("ann")
    chosen = ann.choose(PROMPT, REPLIES)
    document = json.loads(json.dumps(ann.export()))
    assert document["replies"][0]["trace"]["exploration"]["policy"] == "thompson"
    kitchen.user("bob").import_(document)
    assert kitchen.user("bob").explain(chosen.id).trace.exploration is not None
    ann.forget()
    with pytest.raises(NotFoundError):
        ann.explain(chosen.id)


def test_preferences_are_predicted_or_left_open(kitchen) -> None:
    ann = kitchen.user("user-01")
    found = ann.prefers(PROMPT, REPLIES[0], REPLIES[1], error=0.2)
    assert found.answer == "a"
    assert found.probability > 0.8
    turned = ann.prefers(PROMPT, REPLIES[1], REPLIES[0], error=0.2)
    assert turned.answer == "b"
    assert turned.probability == pytest.approx(1 - found.probability, abs=1e-6)
    assert ann.prefers(PROMPT, "warm dish", "warm dish").answer is None
    stranger = kitchen.user("stranger").prefers(PROMPT, REPLIES[0], REPLIES[1], error=0.05)
    assert stranger.answer is None
    with pytest.raises(InvalidInputError, match=r"error is 0\.7"):
        ann.prefers(PROMPT, "a", "b", error=0.7)
