"""Activation steering: a direction from comparisons, as far as other comparisons approve."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.generation.local import LocalGenerator
from persona_engine.generation.model import LocalModel
from persona_engine.types import TrainingPair, TrainingTask
from persona_steering import Steering
from persona_steering.direction import split
from persona_steering.strength import Likelihoods, drift, gain

SHORT = {"depths": (0.4, 0.8), "strengths": (1.0, 4.0), "most_drift": 5.0}


def pairs(count=12, *, weight=1.0):
    return tuple(
        TrainingPair(
            ({"role": "user", "content": f"Question {n}?"},),
            "the quick brown fox jumps",
            "日本語 😀 0123456789",
            user=f"u{n % 3}",
            weight=weight,
        )
        for n in range(count)
    )


def task(weights, folder, given=None, seed=0):
    return TrainingTask(weights, folder, pairs() if given is None else given, seed=seed)


def margin(folder, adapter):
    generator = LocalGenerator(LocalModel(folder))
    name = None
    if adapter is not None:
        name = "steered"
        generator.load_adapter(name, adapter)
    asked = [[{"role": "user", "content": "Question 99?"}]] * 2
    chosen, rejected = generator.log_likelihood(
        asked, ["the quick brown fox jumps", "日本語 😀 0123456789"], adapter=name
    )
    return chosen - rejected


def test_it_makes_what_is_preferred_likelier(tiny_llama, tmp_path):
    trained = Steering(**SHORT).train(task(tiny_llama, tmp_path))
    assert trained.figures["gain"] > 0.0
    assert trained.settings["strength"] in (1.0, 4.0)
    assert margin(tiny_llama, trained.folder) > margin(tiny_llama, None)


def test_equal_tasks_give_equal_files_whatever_was_there(tiny_llama, tmp_path):
    first = Steering(**SHORT).train(task(tiny_llama, tmp_path / "a"))
    (tmp_path / "b" / "adapter").mkdir(parents=True)
    (tmp_path / "b" / "adapter" / "rest").write_text("of a run that was killed")
    second = Steering(**SHORT).train(task(tiny_llama, tmp_path / "b"))
    names = sorted(each.name for each in second.folder.iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    for name in names:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_nothing_is_added_where_nothing_is_gained(tiny_llama, tmp_path):
    alike = tuple(replace(pair, rejected=pair.chosen) for pair in pairs())
    trained = Steering(**SHORT).train(task(tiny_llama, tmp_path, given=alike))
    (vector,) = load_file(trained.folder / "adapter_model.safetensors").values()
    assert trained.settings["strength"] == 0.0
    assert not vector.any()


def test_a_strength_that_costs_the_preferred_replies_too_much_is_out(tiny_llama, tmp_path):
    strict = Steering(**{**SHORT, "most_drift": 0.0})
    trained = strict.train(task(tiny_llama, tmp_path))
    assert trained.settings["strength"] == 0.0 or trained.figures["drift"] == 0.0


def test_without_comparisons_it_says_so(tiny_llama, tmp_path):
    with pytest.raises(InvalidInputError, match="no comparisons"):
        Steering().train(task(tiny_llama, tmp_path / "x", given=()))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"depths": ()},
        {"depths": (1.5,)},
        {"strengths": (0.0,)},
        {"depths": (-0.5,)},
        {"strengths": (True,)},
        {"beta": 0.0},
        {"held_out": 1.0},
        {"most_held_out": 0},
        {"most_drift": -0.1},
    ],
)
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Steering(**wrong)


def test_prompts_that_choose_are_not_read_from():
    parts = split(pairs(40), held_out=0.25, most=5, rng=np.random.default_rng(0))
    fitted = {str(pair.prompt) for pair in parts.fitted}
    assert len(parts.fitted) == 30
    assert len(parts.held_out) == 5
    assert not fitted & {str(pair.prompt) for pair in parts.held_out}


def test_gain_and_drift_are_what_they_say():
    base = Likelihoods(np.float32([-10.0, -12.0]), np.float32([-10.0, -11.0]))
    better = Likelihoods(np.float32([-9.0, -11.0]), np.float32([-12.0, -13.0]))
    worse = Likelihoods(np.float32([-12.0, -14.0]), np.float32([-10.0, -11.0]))
    two = pairs(2)
    assert gain(base, base, two, beta=0.1) == pytest.approx(0.0)
    expected = np.log(2.0) - np.logaddexp(0.0, [-0.3, -0.3]).mean()
    assert gain(better, base, two, beta=0.1) == pytest.approx(expected)
    assert gain(worse, base, two, beta=0.1) < 0.0
    assert drift(better, base, [5, 5]) == 0.0
    assert drift(worse, base, [5, 5]) == pytest.approx(0.4)
