"""Comparisons that share responses; what is learned of them has to hold for other responses."""

from dataclasses import replace

import numpy as np

from persona_engine.modelling import choose_ridge, folds_of_users, principal_differences
from persona_engine.modelling.islands import islands
from persona_engine.types import PreferenceData


def test_islands_are_joined_by_chains_of_responses():
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(30, 4)).astype(np.float32)
    first = np.array([0, 1, 2, 10, 11, 20])
    second = np.array([1, 2, 3, 11, 12, 21])
    found = islands(responses[first], responses[second])
    assert found.tolist() == [0, 0, 0, 1, 1, 2]
    swapped = islands(responses[second][::-1], responses[first][::-1])
    assert swapped.tolist() == [0, 1, 1, 2, 2, 2]


def test_the_penalty_is_chosen_for_new_prompts_where_people_share_prompts():
    """What holds for these prompts only must not be learned: one prompt, one whim of everybody."""
    rng = np.random.default_rng(1)
    prompts, width, people, answers = 24, 40, 60, 24
    whims = rng.normal(size=(prompts, width))
    pool = rng.normal(size=(prompts, 2, width)).astype(np.float32)
    logits = np.einsum("pd,pd->p", whims, pool[:, 0] - pool[:, 1])
    prompt = np.tile(np.arange(answers), people)
    user = np.repeat(np.arange(people), answers)
    first = rng.random(len(user)) < 1.0 / (1.0 + np.exp(-logits[prompt]))
    chosen = pool[prompt, np.where(first, 0, 1)]
    rejected = pool[prompt, np.where(first, 1, 0)]
    data = PreferenceData(chosen, rejected, user, "prompts")
    differences = principal_differences(data, keep=0.999)
    folds = folds_of_users(user, count=4, rng=rng)
    ridge, _ = choose_ridge(differences, folds, lambda _: None)
    alone = replace(differences, island=np.zeros_like(differences.island))
    weak, _ = choose_ridge(alone, folds, lambda _: None)
    assert ridge > 10.0 * weak
