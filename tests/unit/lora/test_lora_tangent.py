"""The tangent method: its regression is ridge regression, and gradients are read once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lora_pairs import PAIRS
from safetensors.numpy import load_file

from persona_engine.errors import ConfigError, InvalidInputError
from persona_engine.generation import local_generator
from persona_lora import Tangent
from persona_lora.gradients import ridge


def drawn(pairs: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    gradients = [rng.normal(size=(pairs, 5)), 3 * rng.normal(size=(pairs, 7))]
    return gradients, rng.choice([-1.0, 1.0, 0.5], pairs), rng.uniform(0.5, 2.0, pairs)


def test_pairs_move_by_the_margin_that_was_asked_for() -> None:
    gradients, target, weight = drawn(6)
    found = ridge(gradients, target, weight, margin=7.0, penalty=0.3)
    moved = sum(part @ step for part, step in zip(gradients, found.steps, strict=True))
    towards = np.average(moved * np.sign(target), weights=weight * np.abs(target))
    assert towards == pytest.approx(7.0, rel=1e-4)


def test_left_out_pairs_are_predicted_as_if_they_had_not_been_there() -> None:
    gradients, target, weight = drawn(9)
    parts = [part / np.sqrt(np.square(part).sum(1).mean()) for part in gradients]
    features = np.concatenate(parts, axis=1)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    penalty = 0.3 / weight
    right = []
    for left in range(len(target)):
        kept = np.arange(len(target)) != left
        kernel = features[kept] @ features[kept].T + np.diag(penalty[kept])
        told = features[left] @ features[kept].T @ np.linalg.solve(kernel, target[kept])
        right.append(told * target[left] > 0)
    expected = np.average(right, weights=weight * np.abs(target))
    found = ridge(gradients, target, weight, margin=1.0, penalty=0.3)
    assert found.left_out_accuracy == pytest.approx(expected)
    assert 0.0 < expected < 1.0


def test_what_was_preferred_becomes_likelier(task) -> None:
    trained = Tangent(margin=2.0).train(task())
    assert trained.figures["pairs"] == len(PAIRS)
    assert trained.figures["accuracy"] == 1.0
    turned = [replace(each, chosen=each.rejected, rejected=each.chosen) for each in PAIRS]
    other = Tangent(margin=2.0).train(task(turned, folder="turned"))
    for name, matrix in matrices(trained).items():
        if "lora_B" in name:
            np.testing.assert_allclose(matrix, -matrices(other)[name], atol=1e-4)


def test_gradients_that_were_read_are_not_read_again(task) -> None:
    whole = Tangent().train(task(folder="whole"))

    def stop(what, done, total):
        if (what, done) == ("reading gradients", 2):
            raise KeyboardInterrupt

    given = task()
    with pytest.raises(KeyboardInterrupt):
        Tangent().train(given, progress=stop)
    kept = given.folder / "gradients.f16"
    row = np.memmap(kept, np.float16).reshape(len(PAIRS), -1)
    row[0, 1:] *= 2  # would come to light if it were read anew
    row.flush()
    assert row[:, 0].tolist() == [1, 1, 0]
    ended = matrices(Tangent().train(given))
    gap = max(float(np.abs(ended[name] - value).max()) for name, value in matrices(whole).items())
    assert gap > 1e-3


def test_anchors_stay_as_likely_as_they_were(task, tiny) -> None:
    anchor = "Iron and oxygen make rust."
    generator = local_generator(weights=tiny, dtype="float32")
    before = generator.log_likelihood([()], [anchor])[0]
    moved = {}
    for anchors in ((), (anchor,)):
        name = f"held-{len(anchors)}"
        trained = Tangent(margin=0.5).train(task(folder=name, anchors=anchors))
        generator.load_adapter(name, trained.folder)
        after = generator.log_likelihood([()], [anchor], adapter=name)[0]
        moved[name] = abs(after - before)
    assert moved["held-1"] < moved["held-0"] / 2


def test_pairs_that_are_preferred_both_ways_alike_teach_nothing(task) -> None:
    both = [PAIRS[0], replace(PAIRS[0], chosen=PAIRS[0].rejected, rejected=PAIRS[0].chosen)]
    with pytest.raises(InvalidInputError, match="as often as it was not"):
        Tangent().train(task(both))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"margin": 0.0}, "margin is 0.0"), ({"ridge": -1.0}, "ridge is -1.0")],
)
def test_settings_are_checked(settings, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Tangent(**settings)


def matrices(trained):
    return load_file(trained.folder / "adapter_model.safetensors")
