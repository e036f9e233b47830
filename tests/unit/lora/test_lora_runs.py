"""Runs: what is refused, what is kept, what goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from lora_pairs import PAIRS, asked
from safetensors.numpy import load_file
from trainer_process import METHOD, task_of

from persona_engine.errors import (
    ArtefactError,
    ConfigError,
    InvalidInputError,
    MissingExtraError,
    WeightsError,
)
from persona_engine.types import RatedReply, TrainingPair
from persona_lora import Directional, Dpo, Ipo, Kto, Listwise, RobustDpo, persona_adapter_trainers

QUICK = {"learning_rate": 1e-2, "batch": 2, "steps": 6, "save_every": 2}


def matrices(trained):
    return load_file(trained.folder / "adapter_model.safetensors")


def largest_gap(one, other):
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Dpo, {"rank": 0}, "rank is 0"),
        (Dpo, {"beta": 0.0}, "beta is 0.0"),
        (Dpo, {"beta": "high"}, "beta is 'high'"),
        (Dpo, {"target": "head"}, "target is 'head'"),
        (Dpo, {"layers": "last"}, "layers is 'last'"),
        (Dpo, {"steps": 0}, "steps is 0"),
        (Dpo, {"sft": -1.0}, "sft is -1.0"),
        (Dpo, {"batch": 2.5}, "batch is 2.5"),
        (Dpo, {"worst_group": "yes"}, "worst_group is 'yes'"),
        (Ipo, {"learning_rate": float("nan")}, "learning_rate is nan"),
        (RobustDpo, {"noise": 0.5}, "noise is 0.5"),
        (Listwise, {"worst_group": True}, "no worst_group"),
        (Listwise, {"longest": 1}, "longest is 1"),
        (Directional, {"margin": 0}, "margin is 0"),
    ],
)
def test_settings_are_checked(kind, settings, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        kind(**settings)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_above_zero_is_demanded(task, weight: float) -> None:
    with pytest.raises(InvalidInputError, match="pair 1 has weight"):
        Dpo().train(task([PAIRS[0], replace(PAIRS[1], weight=weight)]))


def test_contrasts_stand_beside_pairs(task) -> None:
    with pytest.raises(InvalidInputError, match="1 contrasts stand beside 3 pairs"):
        Dpo().train(task(contrasts=(asked("Be brief."),)))


def test_ratings_of_one_kind_say_nothing(task) -> None:
    ratings = (RatedReply(asked("Well?"), "Yes.", True, "u"),)
    with pytest.raises(InvalidInputError, match="all 1 rated replies are good ones"):
        Kto().train(task((), rated=ratings))


def test_what_is_missing_is_named_with_the_remedy(task, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingExtraError, match=r"persona-engine\[training\]"):
        Dpo().train(task())


def test_a_folder_without_a_model_is_refused(task, tmp_path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WeightsError, match="cannot be loaded as a language model"):
        Dpo().train(replace(task(), weights=empty))


def test_a_folder_that_is_a_file_is_refused(task, tmp_path) -> None:
    (tmp_path / "work").write_text("")
    with pytest.raises(ArtefactError, match="cannot be written"):
        Dpo().train(task())


def test_all_samples_alike_leave_nothing_to_train_on(task) -> None:
    given = task((), prompts=(asked("Well?"),), reward=lambda _, texts: np.zeros(len(texts)))
    with pytest.raises(InvalidInputError, match="nothing is left to train 'directional' on"):
        Directional(tokens=4).train(given)


def test_every_setting_of_a_factory_is_shown() -> None:
    for kind in persona_adapter_trainers().values():
        with pytest.raises(TypeError, match="colour"):
            kind(colour="red")


@pytest.mark.parametrize("target", ["all", "attention", "mlp"])
def test_linear_layers_are_adapted_but_the_head(task, target: str) -> None:
    trained = Dpo(**{**QUICK, "steps": 1}, target=target).train(task())
    layers = {name.split(".lora_")[0].rpartition(".")[2] for name in matrices(trained)}
    attention = {"q_proj", "k_proj", "v_proj", "o_proj"}
    mlp = {"gate_proj", "up_proj", "down_proj"}
    assert layers == {"all": attention | mlp, "attention": attention, "mlp": mlp}[target]


@pytest.mark.parametrize(("layers", "blocks"), [("all", {0, 1}), ("middle", {1})])
def test_blocks_in_the_middle_are_adapted_or_all(task, layers: str, blocks: set[int]) -> None:
    trained = Dpo(**{**QUICK, "steps": 1}, layers=layers).train(task())
    assert {int(name.split("layers.")[1].split(".")[0]) for name in matrices(trained)} == blocks


def test_a_damaged_checkpoint_is_not_gone_on_from(task) -> None:
    unbroken = matrices(Dpo(**QUICK).train(task(folder="unbroken")))
    given = task()
    stop_after(Dpo(**QUICK), given, steps=4)
    checkpoint = given.folder / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert largest_gap(matrices(Dpo(**QUICK).train(given)), unbroken) < 1e-5


def test_other_settings_start_afresh(task) -> None:
    given = task()
    stop_after(Dpo(**QUICK), given, steps=4)
    other = Dpo(**QUICK, beta=0.5)
    fresh = matrices(other.train(task(folder="fresh")))
    assert largest_gap(matrices(other.train(given)), fresh) < 1e-5


def test_going_on_begins_at_the_checkpoint(task) -> None:
    given = task()
    stop_after(Dpo(**QUICK), given, steps=5)
    seen = []
    Dpo(**QUICK).train(given, progress=lambda what, done, total: seen.append((what, done)))
    assert [done for what, done in seen if what == "training"] == [4, 5, 6]


def test_reports_of_loss_are_of_the_whole_run(task) -> None:
    unbroken = Dpo(**QUICK).train(task(folder="unbroken"))
    given = task()
    stop_after(Dpo(**QUICK), given, steps=5)
    assert Dpo(**QUICK).train(given).figures == pytest.approx(unbroken.figures, rel=1e-4)
    assert unbroken.figures["steps"] == 6
    assert unbroken.figures["loss"] < unbroken.figures["first_loss"]


def test_weights_of_groups_go_on_too(task) -> None:
    pairs = [replace(each, group=f"part-{n % 2}") for n, each in enumerate(PAIRS)]
    method = Dpo(**QUICK, worst_group=True, group_rate=2.0)
    unbroken = matrices(method.train(task(pairs, folder="unbroken")))
    given = task(pairs)
    stop_after(method, given, steps=5)
    assert largest_gap(matrices(method.train(given)), unbroken) < 1e-5


def test_the_worst_off_gain_by_worst_group(task) -> None:
    """A tenth of the weight wants the opposite on the same prompts."""
    most = [replace(each, weight=9.0, group="most") for each in PAIRS]
    few = [
        TrainingPair(each.prompt, each.rejected, each.chosen, "eve", 1.0, "few") for each in PAIRS
    ]
    settings = {**QUICK, "steps": 20, "sft": 0.0}
    accuracy = {}
    for worst in (False, True):
        method = Dpo(**settings, worst_group=worst, group_rate=0.5)
        given = task([*most, *few], folder=f"worst-{worst}")
        accuracy[worst] = method.train(given).figures["accuracy"]
    # Of both groups' comparisons, weighted by size: the majority's share where only size counts.
    assert accuracy[False] == pytest.approx(0.9, abs=0.01)
    assert accuracy[True] < 0.9


def test_memory_divides_a_batch(task) -> None:
    from persona_lora.memory import rows_at_once
    from persona_lora.quiet import undisturbed
    from persona_lora.reading import load

    with undisturbed(0):
        reader = load(task().weights, Dpo())
    rows = [{"prompt": [0] * 40, "replies": [[0] * 60, [0] * 20]}] * 8
    parts = [rows_at_once(reader, rows, batch=8, memory_mb=mb) for mb in (1, 8, 4096)]
    assert parts == sorted(parts)
    assert parts[0] == 1
    assert parts[-1] in (2, 4, 8)


def test_parts_of_a_batch_add_up_to_the_same_step(task, monkeypatch) -> None:
    from persona_lora import steps

    losses = []
    for part in (1, 2):
        monkeypatch.setattr(steps, "rows_at_once", lambda *_, part=part, **__: part)
        figures = Dpo(**QUICK).train(task(folder=f"part-{part}")).figures
        losses.append((figures["first_loss"], figures["loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)  # in bfloat16, padded otherwise


def test_a_killed_process_leaves_what_another_goes_on_from(task, tmp_path) -> None:
    unbroken = matrices(METHOD.train(task_of(task().weights, tmp_path / "unbroken")))
    folder = tmp_path / "killed"
    command = [sys.executable, str(task_of.__code__.co_filename), str(task().weights), str(folder)]
    path = os.pathsep.join(each for each in sys.path if each)
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if json.loads(line)[:2] == ["training", 5]:
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert not (folder / "adapter").exists()
    started = time.monotonic()
    assert largest_gap(matrices(METHOD.train(task_of(task().weights, folder))), unbroken) < 1e-5
    assert time.monotonic() - started < 60


def stop_after(method, task, *, steps):
    def stop(what, done, total):
        if what == "training" and done >= steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        method.train(task, progress=stop)
