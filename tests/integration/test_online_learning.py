"""Each answer is learned from at once, whatever fades and whatever turns."""

from __future__ import annotations

import numpy as np
import pytest

from persona_engine.types import Scope

PROMPT = "What shall I cook?"
WARM, COLD = "warm warm soup", "cold cold salad"


def answer(person, liked, times, start=0):
    """Let somebody prefer one kind of dish so many times, in ever new words."""
    other = "cold" if liked == "warm" else "warm"
    for number in range(start, start + times):
        more = 1 + number % 3
        person.compare(
            PROMPT, " ".join([liked] * more + [str(number)]), " ".join([other] * more + ["x"])
        )


def stored(engine, user):
    learner = engine._runtime.learner
    version = learner.population("default").version
    found = engine.store.user(Scope("default", user)).posterior("hierarchical", version)
    return None if found is None else found[0]


def refitted(engine, user):
    learner = engine._runtime.learner
    events = engine.store.user(Scope("default", user)).comparisons()
    return learner.refit(learner.population("default"), learner.evidence("default", events))


def likes_warm(engine, user):
    return engine.user(user).prefers(PROMPT, WARM, COLD).probability


@pytest.mark.parametrize(
    "settings",
    [
        {"change_hazard": 0.0},
        {"half_life_answers": 5.0},
        {"half_life_days": 3.0},
        {"refit_every": 1},
    ],
)
def test_the_stored_posterior_is_that_of_all_answers_after_each(open_kitchen, settings) -> None:
    engine = open_kitchen(**settings)
    ann = engine.user("ann")
    for number in range(12):
        answer(ann, "warm" if number % 4 else "cold", 1, start=number)
        posterior, wanted = stored(engine, "ann"), refitted(engine, "ann")
        assert posterior.count == number + 1
        np.testing.assert_allclose(posterior.mean, wanted.mean, atol=5e-3)
        np.testing.assert_allclose(posterior.covariance, wanted.covariance, atol=5e-3)


def test_a_taste_that_turns_is_followed(open_kitchen) -> None:
    watching, averaging = open_kitchen(), open_kitchen(change_hazard=0.0)
    for user, engine in (("ann", watching), ("bob", averaging)):
        answer(engine.user(user), "warm", 20)
        assert likes_warm(engine, user) > 0.9
        answer(engine.user(user), "cold", 8, start=20)
    assert likes_warm(watching, "ann") < 0.1
    assert likes_warm(averaging, "bob") > likes_warm(watching, "ann")
    assert np.trace(stored(watching, "ann").covariance) > np.trace(
        stored(averaging, "bob").covariance
    )


def test_a_steady_person_is_believed_as_by_the_batch(open_kitchen) -> None:
    watching, plain = open_kitchen(), open_kitchen(change_hazard=0.0)
    answer(watching.user("ann"), "warm", 24)
    answer(plain.user("bob"), "warm", 24)
    ours, theirs = stored(watching, "ann"), stored(plain, "bob")
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=0.05)


def test_answers_fade_by_later_ones(open_kitchen) -> None:
    fading = open_kitchen(half_life_answers=2.0, change_hazard=0.0)
    keeping = open_kitchen(change_hazard=0.0)
    for user, engine in (("ann", fading), ("bob", keeping)):
        answer(engine.user(user), "warm", 8)
        answer(engine.user(user), "cold", 5, start=8)
    assert likes_warm(fading, "ann") < likes_warm(keeping, "bob") - 0.1
